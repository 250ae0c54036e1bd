"""Faults strike the operations that they name, and do what they say."""

from random import Random

import attrs
import pytest
import trio
from hypothesis import given, strategies as st
from trio.testing import MockClock, wait_all_tasks_blocked

import io_backends
from io_backends import (
    MUTATING,
    READS,
    AccessError,
    BitFlip,
    CrashPolicy,
    DeviceError,
    FailOp,
    Fault,
    FaultPlan,
    FaultyIo,
    File,
    Io,
    IoError,
    JobError,
    LateError,
    NoSpaceError,
    Op,
    OpKind,
    PowerCut,
    PowerLostError,
    ReadOnlyDeviceError,
    Slow,
    StaleRead,
    Stuck,
    TooManyFilesError,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)

places = st.fixed_dictionaries(
    {
        "at": st.integers(0, 40),
        "kinds": st.lists(st.sampled_from(OpKind), max_size=3).map(tuple),
        "path": st.sampled_from(("*", "store/*", "*.log")),
        "offset": st.none() | st.integers(0, 10),
        "times": st.none() | st.integers(1, 3),
    }
)
KINDS_OF_FAULT = (FailOp, LateError, BitFlip, StaleRead, Slow, Stuck, PowerCut)
faults = st.builds(
    lambda kind, place: kind(**place), st.sampled_from(KINDS_OF_FAULT), places
)
plans = st.lists(faults, max_size=4).map(lambda found: FaultPlan(tuple(found)))
ops = st.builds(
    Op,
    st.integers(0, 60),
    st.sampled_from(OpKind),
    st.sampled_from(("store/a", "b.log", "c")),
    st.integers(0, 10),
    st.integers(0, 10),
)


@given(plans)
def test_the_repr_of_a_plan_makes_it_again(plan: FaultPlan) -> None:
    assert eval(repr(plan), vars(io_backends)) == plan


@given(plans, st.lists(ops, max_size=30))
def test_a_fault_fires_as_often_as_told_and_only_where_it_matches(
    plan: FaultPlan, stream: list[Op]
) -> None:
    counts = [0] * len(plan.faults)
    for op in stream:
        for index in plan.decide(op, counts):
            counts[index] += 1
            assert plan.faults[index].matches(op)
    for fault, count in zip(plan.faults, counts, strict=True):
        matching = sum(fault.matches(op) for op in stream)
        assert count == (
            matching if fault.times is None else min(fault.times, matching)
        )


def test_an_operation_prints_as_one_line() -> None:
    assert str(Op(3, OpKind.WRITE, "log", 64, 12)) == "#3 write_at log 64+12"
    assert str(Op(4, OpKind.RENAME, "tmp", target="it")) == "#4 rename tmp -> it"


@attrs.frozen
class World:
    """A disk with one durable file `file` holding `old` bytes, and a faulty way to it."""

    disk: VirtualDisk
    io: FaultyIo
    file: File


async def world(*planned: Fault, old: bytes = b"old-bytes", after: int = 1) -> World:
    """Make a world whose first operation (number 0) was to open the file."""
    disk = VirtualDisk()
    handle = disk.create("file")
    disk.write_at(handle, 0, old)
    disk.close(handle)
    disk.sync_everything()
    io = FaultyIo(VirtualIo(disk), FaultPlan(planned))
    file = await io.open("file", writable=True)
    assert io.op_count == after
    return World(disk, io, file)


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("EIO", DeviceError),
        ("ENOSPC", NoSpaceError),
        ("EDQUOT", NoSpaceError),
        ("EROFS", ReadOnlyDeviceError),
        ("EACCES", AccessError),
        ("EMFILE", TooManyFilesError),
    ],
)
async def test_an_operation_fails_once_with_its_error(
    name: io_backends.faults.ErrorName, error: type[IoError]
) -> None:
    it = await world(FailOp(at=1, error=name))
    with pytest.raises(error, match="injected"):
        await it.file.write_at(0, b"new")
    assert it.disk.read("file") == b"old-bytes"
    await it.file.write_at(0, b"new")
    assert it.disk.read("file") == b"new-bytes"
    assert it.io.log.counts == [1]
    assert it.io.log.hits[0].op == Op(1, OpKind.WRITE, "file", 0, 3)


async def test_an_operation_fails_for_good_while_others_go_on() -> None:
    it = await world(FailOp(at=2, kinds=MUTATING, error="ENOSPC", times=None))
    await it.file.write_at(0, b"new")
    for _ in range(3):
        with pytest.raises(NoSpaceError):
            await it.file.write_at(0, b"xxx")
        with pytest.raises(NoSpaceError):
            it.file.write_at_nowait(0, b"xxx")
        assert await it.file.read_at(0, 3) == b"new"
    with pytest.raises(NoSpaceError):
        await it.io.create_exclusive("other")


async def write_news(file: File, nowait: bool) -> None:
    if nowait:
        file.write_at_nowait(0, b"NEWS")
    else:
        await file.write_at(0, b"NEWS")


@pytest.mark.parametrize(
    ("effect", "left"),
    [("none", b"old-bytes"), ("partial", b"NEd-bytes"), ("done", b"NEWSbytes")],
)
async def test_a_failed_write_did_nothing_half_or_all(effect: str, left: bytes) -> None:
    for nowait in (False, True):
        it = await world(FailOp(at=1, effect=effect))  # type: ignore[arg-type]
        with pytest.raises(DeviceError):
            await write_news(it.file, nowait)
        assert it.disk.read("file") == left


async def test_a_failed_sync_drops_pages_and_the_next_one_proves_nothing() -> None:
    """FAULTS rows 12 and 13, as ext4 does it."""
    it = await world(FailOp(kinds=(OpKind.SYNC,)))
    await it.file.write_at(0, b"new")
    with pytest.raises(DeviceError):
        await it.file.sync()
    await it.file.sync()
    assert it.disk.read("file") == b"new-bytes"
    assert it.disk.crash(Random(0), CrashPolicy.keep_all()).read("file") == b"old-bytes"


@pytest.mark.parametrize(
    ("fault", "durable"),
    [
        (FailOp(kinds=(OpKind.SYNC,), drop_pages=False), b"old-bytes"),
        (FailOp(kinds=(OpKind.SYNC,), effect="done"), b"NEW-bytes"),
        (FailOp(kinds=(OpKind.SYNC,), effect="partial"), b"Nld-bytes"),
    ],
)
async def test_a_failed_sync_left_pages_dirty_or_synced_some_or_all(
    fault: FailOp, durable: bytes
) -> None:
    it = await world(fault)
    for place in range(3):
        await it.file.write_at(place, b"NEW"[place : place + 1])
    with pytest.raises(DeviceError):
        await it.file.sync()
    assert it.disk.durable("file") == durable
    if not fault.drop_pages:
        await it.file.sync()
        assert it.disk.durable("file") == b"NEW-bytes"


async def test_a_late_error_comes_with_the_sync_after() -> None:
    """FAULTS row 14."""
    it = await world(LateError())
    await it.file.write_at(0, b"new")
    await it.file.sync()
    assert it.disk.crash(Random(0), CrashPolicy.keep_all()).read("file") == b"old-bytes"
    await it.file.write_at(4, b"more")
    with pytest.raises(DeviceError):
        await it.file.sync()
    await it.file.sync()


async def test_a_bit_flips_where_told_and_only_in_the_answer() -> None:
    it = await world(BitFlip(offset=4, xor=0x20, times=None))
    assert await it.file.read_at(0, 3) == b"old"
    assert await it.file.read_at(3, 3) == b"-By"
    assert it.file.read_at_nowait(4, 5) == b"Bytes"
    assert it.disk.read("file") == b"old-bytes"
    it = await world(BitFlip(at=1))
    assert await it.file.read_at(0, 3) == b"nld"


async def test_a_stale_read_shows_bytes_as_they_were_before_the_last_write() -> None:
    it = await world(StaleRead(at=4, kinds=READS, times=None))
    await it.file.write_at(0, b"one")
    await it.file.write_at(1, b"TWO!")
    assert await it.file.read_at(0, 5) == b"oTWO!"
    assert await it.file.read_at(0, 5) == b"\0ne\0\0"
    assert list(it.io.lied_at.values()) == [(0,)]
    await it.io.rename("file", "moved")
    file = await it.io.open("moved")
    assert file.read_at_nowait(0, 3) == b"\0ne"


async def test_a_slow_operation_starts_late(autojump_clock: MockClock) -> None:
    it = await world(Slow(seconds=30.0, times=2, kinds=READS))
    start = trio.current_time()
    assert await it.file.read_at(0, 3) == b"old"
    assert trio.current_time() - start == 30.0
    with pytest.raises(trio.WouldBlock):
        it.file.read_at_nowait(0, 3)


async def test_a_stuck_operation_waits_until_it_is_released() -> None:
    it = await world(Stuck(kinds=(OpKind.WRITE, *READS), times=None))
    async with trio.open_nursery() as nursery:
        nursery.start_soon(it.file.write_at, 0, b"new")
        await wait_all_tasks_blocked()
        assert it.disk.read("file") == b"old-bytes"
        with pytest.raises(trio.WouldBlock):
            it.file.read_at_nowait(0, 3)
        it.io.release()
    assert it.disk.read("file") == b"new-bytes"
    assert it.file.read_at_nowait(0, 3) == b"new"


async def test_a_stuck_operation_lets_a_cancelled_caller_go_and_never_happens(
    autojump_clock: MockClock,
) -> None:
    it = await world(Stuck(at=1))
    with trio.move_on_after(5.0) as scope:
        await it.file.write_at(0, b"new")
    it.io.release()
    assert scope.cancelled_caught
    assert it.disk.read("file") == b"old-bytes"


@pytest.mark.parametrize(
    ("when", "left"), [("before", b"old-"), ("during", b"NEd-"), ("after", b"NEWS")]
)
async def test_power_is_cut_before_during_or_after_a_write(
    when: str, left: bytes
) -> None:
    for nowait in (False, True):
        it = await world(PowerCut(at=1, when=when))  # type: ignore[arg-type]
        with pytest.raises(PowerLostError):
            await write_news(it.file, nowait)
        assert it.disk.read("file")[:4] == left
        assert it.io.power_lost.is_set()
        with pytest.raises(PowerLostError):
            await it.io.list("/")
        await it.file.aclose()


@pytest.mark.parametrize(
    ("when", "durable"), [("before", b"old"), ("during", b"Nld"), ("after", b"NEd")]
)
async def test_power_is_cut_before_during_or_after_a_sync(
    when: str, durable: bytes
) -> None:
    it = await world(PowerCut(kinds=(OpKind.SYNC,), when=when))  # type: ignore[arg-type]
    await it.file.write_at(0, b"N")
    await it.file.write_at(1, b"E")
    with pytest.raises(PowerLostError):
        await it.file.sync()
    assert it.disk.durable("file")[:3] == durable


@pytest.mark.parametrize("fault", [FailOp(effect="done"), PowerCut(when="after")])
async def test_a_false_failure_leaks_neither_file_nor_lock(fault: Fault) -> None:
    """FAULTS row 15: done, but the caller was told that it failed."""
    for kind in (OpKind.CREATE, OpKind.LOCK):
        disk = VirtualDisk()
        plan = FaultPlan((attrs.evolve(fault, kinds=(kind,)),))
        io = FaultyIo(VirtualIo(disk), plan)
        with pytest.raises((DeviceError, PowerLostError)):
            await (io.lock if kind is OpKind.LOCK else io.create_exclusive)("file")
        assert disk.files() == ["/file"]
        assert (disk.live_handles, disk.locked_paths()) == (0, [])


async def test_an_operation_in_flight_at_the_cut_loses_power_too(
    autojump_clock: MockClock,
) -> None:
    called: list[str] = []
    disk = VirtualDisk()
    io = FaultyIo(
        VirtualIo(disk, latency=10.0),
        FaultPlan((PowerCut(kinds=(OpKind.STAT,)),)),
        on_power_cut=lambda: called.append("cut"),
    )
    file = await io.create_exclusive("file")

    async def write() -> None:
        with pytest.raises(PowerLostError):
            await file.write_at(0, b"new")

    async with trio.open_nursery() as nursery:
        nursery.start_soon(write)
        await trio.sleep(1.0)
        with pytest.raises(PowerLostError):
            await io.stat("file")
    assert disk.read("file") == b""
    assert called == ["cut"]


async def write_two(io: Io, argument: bytes) -> bytes:
    for name in ("one", "two"):
        file = await io.create_exclusive(name)
        await file.aclose()
    return argument


async def test_the_operations_of_a_job_are_numbered_and_fail_too() -> None:
    disk = VirtualDisk()
    plan = FaultPlan((FailOp(kinds=(OpKind.CREATE,), path="two"),))
    io = FaultyIo(VirtualIo(disk), plan)
    with pytest.raises(JobError, match="DeviceError"):
        await io.run_job(write_two, b"")
    assert disk.files() == ["/one"]
    assert io.op_count == 3
    assert io.log.hits[0].op.index == 2


@pytest.mark.parametrize("is_traced_outside", [False, True])
async def test_decorators_compose_and_pass_a_failing_sync_down(
    is_traced_outside: bool,
) -> None:
    disk = VirtualDisk()
    plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,)), PowerCut(kinds=(OpKind.LIST,))))
    bottom = VirtualIo(disk)
    io: Io = (
        TracingIo(FaultyIo(bottom, plan))
        if is_traced_outside
        else FaultyIo(TracingIo(bottom), plan)
    )
    file = await io.create_exclusive("file")
    await file.write_at(0, b"lost")
    with pytest.raises(DeviceError):
        await file.sync()
    assert disk.survivors()[1].lost_sectors == (0,)
    with pytest.raises(PowerLostError):
        await io.list("/")
    assert not bottom.is_powered


async def test_a_fault_at_each_operation_of_a_traced_workload_fires_once() -> None:
    async def workload(io: Io) -> None:
        file = await io.create_exclusive("tmp")
        await file.write_at(0, b"bytes")
        await file.sync()
        await file.aclose()
        await io.rename("tmp", "file")
        await io.sync_dir("/")

    tracing = TracingIo(VirtualIo(VirtualDisk()))
    await workload(tracing)
    assert tracing.op_count == 5
    for index in range(tracing.op_count):
        io = FaultyIo(VirtualIo(VirtualDisk()), FaultPlan((FailOp(at=index),)))
        with pytest.raises(DeviceError):
            await workload(io)
        assert io.log.hits[0].op == tracing.ops[index].op
