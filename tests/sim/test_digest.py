"""Whatever a run did is in its digest, in order."""

import pytest
import trio
from hypothesis import given, strategies as st

from io_backends import FailOp, FaultPlan, IoError, OpKind, VirtualDisk, VirtualIo
from sim import Digest, WatchedIo

WORDS = st.lists(st.one_of(st.integers(), st.text(), st.none()), max_size=5)


@given(WORDS, WORDS)
def test_different_words_have_different_digests(
    one: list[int | str | None], other: list[int | str | None]
) -> None:
    digests = []
    for words in (one, other):
        digest = Digest()
        digest.note(*words)
        digests.append(digest.hexdigest())

    assert (digests[0] == digests[1]) == (one == other)


async def use(content: bytes, plan: FaultPlan) -> str:
    digest = Digest()
    io = WatchedIo(VirtualIo(VirtualDisk()), plan, digest, delay=None)  # type: ignore[arg-type]
    file = await io.create_exclusive("file")
    await file.write_at(0, content)
    try:
        await file.sync()
    except IoError:
        assert plan.faults
    await file.read_at(0, 1)
    await file.aclose()
    return digest.hexdigest()


async def test_bytes_results_and_errors_are_in_the_digest() -> None:
    failing = FaultPlan((FailOp(kinds=(OpKind.SYNC,)),))
    digests = [
        await use(b"one", FaultPlan()),
        await use(b"two", FaultPlan()),
        await use(b"one", failing),
    ]

    assert len(set(digests)) == 3
    assert digests[0] == await use(b"one", FaultPlan())


async def test_a_write_is_in_flight_until_it_returns() -> None:
    plan = FaultPlan()
    io = WatchedIo(VirtualIo(VirtualDisk()), plan, Digest(), delay=None)  # type: ignore[arg-type]
    file = await io.create_exclusive("file")
    io.power_off()
    with pytest.raises(IoError):
        await file.write_at(0, b"x")
    assert not io.writes_in_flight
    await file.aclose()


async def test_an_error_that_a_cancelled_caller_never_saw_is_not_counted() -> None:
    """Seed 10216: a follower's time was up while its read ahead met a fault, and told nobody."""
    plan = FaultPlan((FailOp(kinds=(OpKind.SIZE,), times=2),))
    io = WatchedIo(VirtualIo(VirtualDisk()), plan, Digest(), delay=None)  # type: ignore[arg-type]
    file = await io.create_exclusive("file")
    with trio.CancelScope() as scope:
        scope.cancel()
        await file.size()
    assert scope.cancelled_caught
    assert len(io.log.hits) == 1
    assert io.failed_at == {}
    with pytest.raises(IoError):
        await file.size()
    assert len(io.failed_at) == 1
    await file.aclose()


@pytest.mark.parametrize(
    ("offset", "length", "is_excused"),
    [
        (64, 100, True),
        (264, 100, True),
        (100, 100, False),  # neither end
        (64, 300, False),  # no less than before
    ],
)
async def test_blocks_that_are_read_together_may_fail_if_one_is_read_alone_at_once(
    offset: int,
    length: int,
    is_excused: bool,
) -> None:
    """Seed 18116: a scan's read ahead met a full kernel, and its next block did not."""
    plan = FaultPlan((FailOp(kinds=(OpKind.READ,), times=2),))
    io = WatchedIo(VirtualIo(VirtualDisk()), plan, Digest(), delay=None)  # type: ignore[arg-type]
    await io.make_dir("store")
    file = await io.create_exclusive("store/table-000000000001")
    await file.write_at(0, bytes(1000))
    with pytest.raises(IoError):
        await file.read_at(64, 300)
    with pytest.raises(IoError):
        await file.read_at(64, 300)
    await file.read_at(offset, length)
    assert len(io.failed_at) == 2 - is_excused
    await file.read_at(64, 100)
    assert len(io.failed_at) == 2 - is_excused, "what comes later is no second try"
    await file.aclose()
