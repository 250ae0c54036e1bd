"""Keys, values and patterns: what the harness takes for granted about them."""

from hypothesis import given, strategies as st

from benchmarks.peers import tapes
from benchmarks.peers.data import KEY_BYTES, VALUE_BYTES, Data
from benchmarks.peers.tapes import MIXES, touch

SMALL = Data(500)


@given(st.integers(0, 10**8), st.integers(0, 4095))
def test_a_value_names_its_key_and_version(index: int, version: int) -> None:
    value = SMALL.value(index, version)

    assert (len(SMALL.key(index)), len(value)) == (KEY_BYTES, VALUE_BYTES)
    assert (int(value[:8], 16), int(value[9:12], 16)) == (index, version)


def test_values_are_the_same_in_every_process_and_half_compressible() -> None:
    assert Data(1).value(7, 1) == Data(999).value(7, 1)
    value = SMALL.value(0, 0)[13:]
    assert value[:37] == value[50:]


def test_a_permutation_is_one_and_the_scramble_too() -> None:
    assert sorted(SMALL.permutation(2)) == list(range(500))
    assert SMALL.permutation(2) != SMALL.permutation(3)
    assert set(SMALL.zipf(5000, 1)) <= set(range(500))
    ranks = SMALL.zipf_ranks(5000, 1)
    assert ranks.count(0) > 10 * ranks.count(250) > 0


@given(st.integers(0, 4095))
def test_touching_a_value_changes_its_version_alone(version: int) -> None:
    value = SMALL.value(3, version)

    assert touch(value)[9:12] == b"%03x" % ((version + 1) & 0xFFF)
    assert touch(value)[:9] + touch(value)[12:] == value[:9] + value[12:]


def test_the_answers_of_a_mix_are_those_of_a_sorted_dict() -> None:
    data = Data(200)
    for letter in MIXES:
        held = dict(data.rows(0, 200))
        for step in tapes.steps(data, 400, letter):
            if step.kind == "get":
                assert held[step.key] == step.wanted
            elif step.kind == "seek":
                after = sorted(key for key in held if key >= step.key)[: step.rows]
                assert [(key, held[key]) for key in after] == step.wanted
            elif step.kind == "update":
                assert touch(held[step.key]) == step.value
                held[step.key] = step.value
            else:
                held[step.key] = step.value


def test_what_a_mix_left_behind_is_its_last_writes() -> None:
    mix = list(tapes.steps(Data(50), 300, "f"))

    written = tapes.written_by(mix)
    last = {step.key: step.value for step in mix if step.kind == "update"}
    assert written == last
