"""Numbers are handed out once, and a file goes only when nobody can need it any more."""

from random import Random

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from io_backends import FailOp, FaultPlan, FaultyIo, OpKind, VirtualIo
from journal import InvalidEditError, JournalOutcomeUnknownError
from tempest.version import FixedVersion, Manifest, Version, VersionEdit
from tests.tempest.version.support import (
    add,
    load,
    new_io,
    open_manifest,
    segment,
    table,
    version,
)

TWO = version({1: (table(5, b"a", b"c"), table(6, b"d", b"f"))})
DROP_5 = VersionEdit(removed=(5,))


async def test_an_edit_is_seen_once_it_is_durable_and_after_a_restart() -> None:
    io = await new_io()
    manifest = await open_manifest(io, TWO)
    changes = []
    manifest.on_change = lambda: changes.append(manifest.current)

    await manifest.append(DROP_5)

    assert manifest.current.numbers == [6]
    assert changes == [manifest.current]
    loaded = await load(VirtualIo(io.disk))
    assert loaded is not None
    assert loaded.state == manifest.current


async def test_a_refused_edit_changes_nothing() -> None:
    manifest = await open_manifest(await new_io(), TWO)

    with pytest.raises(InvalidEditError):
        await manifest.append(add(2, table(5)))

    assert manifest.current == TWO


@settings(max_examples=40)
@given(
    st.lists(st.none() | st.integers(1, 100), min_size=1, max_size=20), st.integers()
)
async def test_numbers_are_never_issued_twice(
    counts: list[int | None], seed: int
) -> None:
    """None opens the store again, after a power cut."""
    io = await new_io()
    manifest = await open_manifest(io)
    issued: list[int] = []
    for count in counts:
        if count is None:
            io = VirtualIo(io.disk.crash(Random(seed)))
            manifest = await open_manifest(io)
        else:
            issued += await manifest.reserve(count)
            assert issued[-1] < manifest.current.number_ceiling

    assert issued == sorted(set(issued))


@settings(max_examples=40)
@given(st.lists(st.integers(1, 200), min_size=1, max_size=8), st.data())
async def test_numbers_asked_for_at_once_are_never_shared(
    counts: list[int], data: st.DataObject
) -> None:
    """A ceiling that is on its way must not be raised from below by the next to ask."""
    manifest = await open_manifest(await new_io())
    issued: list[int] = []
    cancelled = data.draw(st.sets(st.sampled_from(range(len(counts)))))

    async def reserve(count: int, scope: trio.CancelScope) -> None:
        with scope:
            numbers = await manifest.reserve(count)
            assert len(numbers) == count
            issued.extend(numbers)

    async with trio.open_nursery() as nursery:
        await nursery.start(_lead, manifest)
        async with trio.open_nursery() as asking:
            for index, count in enumerate(counts):
                scope = trio.CancelScope()
                asking.start_soon(reserve, count, scope)
                if index in cancelled:
                    await trio.lowlevel.checkpoint()
                    scope.cancel()
        nursery.cancel_scope.cancel()

    assert len(set(issued)) == len(issued)
    assert len(issued) >= sum(c for i, c in enumerate(counts) if i not in cancelled)


async def _lead(
    manifest: Manifest, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED
) -> None:
    task_status.started()
    await manifest.journal.run()


async def test_what_an_edit_dropped_is_obsolete_once() -> None:
    manifest = await open_manifest(await new_io(), TWO)
    assert manifest.take_obsolete() == []

    await manifest.append(DROP_5)

    assert manifest.take_obsolete() == [5]
    assert manifest.take_obsolete() == []


async def test_a_dropped_segment_is_obsolete() -> None:
    first = version({}, (segment(1, 0, 100), segment(2, 100)))
    manifest = await open_manifest(await new_io(), first)

    await manifest.append(VersionEdit(replay_from=100, segments_removed=(1,)))

    assert manifest.take_obsolete() == [1]


async def test_a_table_that_only_moves_stays() -> None:
    manifest = await open_manifest(await new_io(), TWO)

    await manifest.append(attrs.evolve(add(3, TWO.levels[1][0]), removed=(5,)))

    assert manifest.take_obsolete() == []
    await manifest.append(DROP_5)
    assert manifest.take_obsolete() == [5]


async def test_a_pinned_version_keeps_its_files() -> None:
    manifest = await open_manifest(await new_io(), TWO)
    old = manifest.pin()
    assert manifest.pin() is old
    await manifest.append(DROP_5)
    new = manifest.pin()
    await manifest.append(VersionEdit(removed=(6,)))

    assert manifest.take_obsolete() == []
    manifest.unpin(old)
    assert manifest.take_obsolete() == []
    manifest.unpin(old)
    assert manifest.take_obsolete() == [5]
    manifest.unpin(new)
    assert manifest.take_obsolete() == [6]


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["pin", "unpin", "edit", "take"]), max_size=30))
async def test_no_file_goes_while_a_version_that_names_it_is_read(
    steps: list[str],
) -> None:
    manifest = await open_manifest(await new_io(), version())
    pinned: list[Version] = []
    gone: list[int] = []
    number = 1
    for step in steps:
        match step:
            case "pin":
                pinned.append(manifest.pin())
            case "unpin" if pinned:
                manifest.unpin(pinned.pop(0))
            case "edit" if number < 99:
                removed = tuple(manifest.current.numbers)
                edit = attrs.evolve(add(1, table(number)), removed=removed)
                await manifest.append(edit)
                number += 1
            case _:
                gone += manifest.take_obsolete()
        for each in (*pinned, manifest.current):
            assert not set(each.numbers) & set(gone)
    while pinned:
        manifest.unpin(pinned.pop())
    gone += manifest.take_obsolete()

    assert sorted(gone) == [n for n in range(1, number) if n != number - 1]


async def test_the_last_reader_to_go_wakes_whoever_removes_files() -> None:
    manifest = await open_manifest(await new_io(), TWO)
    changes: list[None] = []
    pins = [manifest.pin(), manifest.pin()]
    await manifest.append(DROP_5)
    manifest.on_change = lambda: changes.append(None)

    manifest.unpin(pins[0])
    assert changes == []
    manifest.unpin(pins[1])
    assert changes == [None]


async def test_nothing_is_obsolete_while_the_outcome_of_an_edit_is_unknown() -> None:
    """Both the version with the edit and the one without it may be what a restart finds."""
    io = FaultyIo(await new_io())
    manifest = await open_manifest(io, TWO)
    io.plan = FaultPlan((FailOp(kinds=(OpKind.SYNC,), effect="done"),))
    io.log = io.plan.new_log()

    with pytest.raises(JournalOutcomeUnknownError):
        await manifest.append(attrs.evolve(add(2, table(7)), removed=(5, 6)))
    manifest.drop_again(7)

    assert manifest.take_obsolete() == []
    await manifest.append(VersionEdit(number_ceiling=101))
    assert manifest.current.numbers == [5, 6]
    assert manifest.take_obsolete() == [7]


async def test_a_number_that_could_not_be_removed_comes_back() -> None:
    manifest = await open_manifest(await new_io(), TWO)
    await manifest.append(DROP_5)
    (number,) = manifest.take_obsolete()

    manifest.drop_again(number)

    assert manifest.take_obsolete() == [5]


async def test_whoever_gives_up_waiting_for_an_edit_endangers_no_file(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """A compaction is cancelled as its edit is being written: its tables may yet be named."""
    manifest = await open_manifest(await new_io(latency=1.0), TWO)
    edit = attrs.evolve(add(2, table(7)), removed=(5, 6))

    async with trio.open_nursery() as nursery:
        await nursery.start(_lead, manifest)
        with trio.move_on_after(0.5):
            await manifest.append(edit)
        manifest.drop_again(7)
        assert manifest.take_obsolete() == []
        await trio.sleep(5)
        assert manifest.current.numbers == [7]
        assert manifest.take_obsolete() == [5, 6]
        nursery.cancel_scope.cancel()


async def test_the_version_of_a_read_only_store_stays_as_it_is() -> None:
    fixed = FixedVersion(TWO)

    assert fixed.pin() is TWO
    fixed.unpin(TWO)
    assert fixed.current is TWO
