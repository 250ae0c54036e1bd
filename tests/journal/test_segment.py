"""Names and headers of generations."""

import attrs
import pytest
from hypothesis import given, strategies as st

from journal import (
    CorruptJournalError,
    GenerationName,
    Header,
    Role,
    UnsupportedJournalError,
    encode_record,
    parse_names,
)
from journal.framing import encode_frames
from journal.segment import (
    RESERVED_STEP,
    decode_header,
    encode_header,
    reserved_ceiling,
)

HEADER = Header(
    format=1,
    compatible=0,
    incompatible=0,
    store_id=b"s" * 16,
    life=3,
    generation=7,
    generation_ceiling=70,
    token=b"t" * 16,
    snapshot=b"\x84\x80\x00\x00\x80",
)


@given(st.integers(0, 10**14), st.sampled_from(Role))
def test_a_name_survives_the_round_trip(number: int, role: Role) -> None:
    name = GenerationName("manifest", number, role)

    assert parse_names("manifest", [str(name)]) == [name]


@pytest.mark.parametrize(
    "name",
    [
        "manifest",
        "manifest-7",
        "manifest-0000000000007",
        "manifest-000000000007.bak",
        "manifest-000000000007.old.old",
        "manifest-00000000000x",
        "manifest-" + "\N{ARABIC-INDIC DIGIT SEVEN}" * 12,
        "xmanifest-000000000007",
        "manifest-000000000007\n",
        "log-000000000007",
    ],
)
def test_a_foreign_name_is_left_alone(name: str) -> None:
    """T16: a stray file is neither opened nor parsed nor removed."""
    assert parse_names("manifest", [name]) == []


def test_names_come_in_the_order_of_their_numbers() -> None:
    names = [f"m-{number:012d}" for number in (10**12, 5, 999_999_999_999)]

    numbers = [name.number for name in parse_names("m", sorted(names))]

    assert numbers == [5, 999_999_999_999, 10**12]


def test_a_header_survives_the_round_trip() -> None:
    header, frame = decode_header("path", encode_header(HEADER))

    assert header == HEADER
    assert frame.end == len(encode_header(HEADER))


def test_every_part_of_the_identity_changes_the_seed() -> None:
    others = [
        attrs.evolve(HEADER, store_id=b"S" * 16),
        attrs.evolve(HEADER, token=b"T" * 16),
        attrs.evolve(HEADER, life=4),
        attrs.evolve(HEADER, generation=8),
    ]

    assert len({header.place_seed() for header in [HEADER, *others]}) == 5


def test_a_newer_format_is_refused_by_name_even_if_its_fields_are_unknown() -> None:
    @attrs.frozen
    class Newer:
        format: int = 2
        compatible: int = 0
        incompatible: int = 0
        novelty: str = "a field this version has never heard of"

    frame = encode_frames(0, 0, 0, [encode_record(Newer())])

    with pytest.raises(UnsupportedJournalError, match="format is 2"):
        decode_header("path", frame)


def test_an_unknown_incompatible_feature_is_refused_and_a_compatible_one_is_not() -> (
    None
):
    with pytest.raises(UnsupportedJournalError, match="0x4"):
        decode_header("path", encode_header(attrs.evolve(HEADER, incompatible=4)))

    header = attrs.evolve(HEADER, compatible=4)
    assert decode_header("path", encode_header(header))[0] == header


@pytest.mark.parametrize("payload", [b"", b"\x80", b"\x01", b"\x83\x01\x00\x00", b"~"])
def test_a_header_frame_without_a_header_record_is_damage(payload: bytes) -> None:
    with pytest.raises(CorruptJournalError):
        decode_header("path", encode_frames(0, 0, 0, [payload]))


def test_the_ceiling_rises_in_steps_once_it_is_reached() -> None:
    ceiling, raised = 0, 0
    for number in range(1, 1000):
        before, ceiling = ceiling, reserved_ceiling(number, ceiling)
        raised += ceiling > before
        assert ceiling > number

    assert raised <= 1000 // RESERVED_STEP + 1
