"""Everything that can happen to a small program, counted by hand and by the explorer."""

import attrs
import pytest

from io_backends import Io, IoError
from sim import Plan, Program, ProgramLife, parse_plan, run_program
from sim.explore import WORKLOADS, Exploration, Ledgers, explore
from sim.planted import named

Names = list[str]


async def make_file(io: Io, names: Names) -> None:
    """Five operations, of which four change something: create, write, sync, sync_dir."""
    if "file" not in await io.list("/"):
        file = await io.create_exclusive("file")
        try:
            await file.write_at(0, b"data")
            await file.sync()
        finally:
            await file.aclose()
    await io.sync_dir("/")
    names.append("file")


async def make_file_and_forget(io: Io, names: Names) -> None:
    """The same without a sync of the folder."""
    file = await io.create_exclusive("file")
    try:
        await file.write_at(0, b"data")
        await file.sync()
    finally:
        await file.aclose()
    names.append("file")


async def file_is_there(io: Io, names: Names) -> None:
    if names:
        file = await io.open("file")
        try:
            assert await file.read_at(0, 4) == b"data"
        finally:
            await file.aclose()


SOUND = Program(name="sound", memory=Names, work=make_file, check=file_is_there)
STRAWMAN = attrs.evolve(SOUND, name="strawman", work=make_file_and_forget)


def cuts_of(program: Program[Names], *, nested: bool = False) -> Exploration:
    return explore(program, errors=False, cancellations=False, nested=nested)


def test_a_missing_sync_of_a_folder_is_found_in_exactly_one_disk() -> None:
    found = cuts_of(STRAWMAN)

    # create: before, after; write and sync: before, during, after; and at the end
    assert (found.io_calls, found.cuts) == (3, 2 + 3 + 3 + 1)
    # 1 before create, 2 with its name unsynced after it and before the write (twice),
    # 8 with name, length and sector (5 times, of which the sync in its middle did none of it),
    # 2 once the file is synced (twice)
    assert found.subsets == 1 + 2 + 2 + 8 + 8 + 8 + 8 + 2 + 2
    # nothing promised: no file, an empty one, half and whole, each of data and of zeros;
    # the file promised: no file, a whole one
    assert found.images == 6 + 2
    assert [failure.verdict for failure in found.failures] == ["invariant"]


def test_a_failure_carries_a_plan_that_fails_again() -> None:
    (failure,) = cuts_of(STRAWMAN).failures

    assert failure.what == "cut at the end"
    assert failure.plan.lives[0].kept == ()
    outcome = run_program(STRAWMAN, parse_plan(repr(failure.plan)))
    assert (outcome.verdict, outcome.detail) == (failure.verdict, failure.detail)
    assert "NotFoundError" in failure.detail


def test_a_sound_program_survives_everything() -> None:
    found = explore(SOUND, nested=True)

    assert found.failures == ()
    assert found.is_whole
    assert found.cancellations == found.steps
    assert found.io_calls == 5
    # each once and for good: list 2, create 6, write 7, sync 12, sync_dir 3; open 2, read 1
    assert found.errors == 2 * (2 + 6 + 7 + 12 + 3) + 2 * (2 + 1)


def test_what_was_explored_is_the_same_every_time() -> None:
    assert explore(SOUND, nested=True) == explore(SOUND, nested=True)


def test_an_error_that_is_swallowed_is_found() -> None:
    async def swallows(io: Io, names: Names) -> None:
        try:
            await make_file(io, names)
        except IoError:
            names.append("file")

    program = attrs.evolve(SOUND, name="swallows", work=swallows)

    assert cuts_of(program).failures == ()
    found = explore(program, cuts=False, cancellations=False).failures
    assert found[0].what == "once EIO (none) from #0 list /"
    assert all(run_program(program, f.plan).verdict == f.verdict for f in found)


def test_a_promise_before_the_work_is_found_by_cancellation() -> None:
    async def promises(io: Io, names: Names) -> None:
        names.append("file")
        await make_file(io, [])

    program = attrs.evolve(SOUND, name="promises", work=promises)
    found = explore(program, cuts=False, errors=False)

    assert found.failures[0].what == "cancelled at step 0"


def test_a_recovery_that_does_not_survive_a_cut_is_found_by_nesting() -> None:
    async def removes_first(io: Io, names: Names) -> None:
        """Write the file anew at each start, the old one already gone."""
        if "file" in await io.list("/"):
            await file_is_there(io, names)
            await io.remove("file")
            await io.sync_dir("/")
        elif names:
            raise AssertionError("it is gone")
        await make_file(io, [])

    program = attrs.evolve(SOUND, name="removes", check=removes_first)

    assert cuts_of(program).failures == ()
    found = cuts_of(program, nested=True)
    assert found.nested > 0
    assert "; " in found.failures[0].what
    assert len(found.failures[0].plan.lives) == 2


def test_beyond_some_units_subsets_are_sampled_and_counted() -> None:
    async def many(io: Io, names: Names) -> None:
        file = await io.create_exclusive("file")
        await file.write_at(0, b"x" * 512 * 9)
        await file.aclose()

    program = attrs.evolve(SOUND, name="many", work=many)
    found = cuts_of(program)

    # name, length and 5 (the first half) or 9 sectors
    assert (found.cuts, found.sampled) == (6, 2)
    assert found.subsets == 1 + 2 + 2 + 2**7 + 2 * (2 + 2 * 11 + 64)
    assert "2 cuts sampled" in found.table()


def test_it_stops_at_enough_failures_and_says_so() -> None:
    async def asserts(io: Io, names: Names) -> None:
        raise AssertionError("never well")

    program = attrs.evolve(SOUND, name="never", check=asserts)
    found = explore(program, failures_max=2)

    assert len(found.failures) == 1  # not even undisturbed
    assert found.io_calls == 0
    slow = explore(STRAWMAN, failures_max=1, plan=Plan(lives=(ProgramLife(),)))
    assert not slow.is_whole
    assert "then stopped" in slow.table()


def test_the_table_prints_every_failure_with_its_plan() -> None:
    found = cuts_of(STRAWMAN)

    text = found.table()

    assert "power cuts             9" in text
    assert "again: Plan(lives=(ProgramLife(ending=Ending(io=" in text
    assert found.as_json()["images"] == found.images


def workload(name: str) -> Program[Ledgers]:
    return next(program for program in WORKLOADS if program.name == name)


def test_the_store_survives_every_cut_and_cancellation_of_two_puts() -> None:
    found = explore(workload("two puts"), errors=False)

    assert found.failures == ()
    assert found.images > 50


def test_the_store_survives_every_error_of_two_puts() -> None:
    found = explore(workload("two puts"), cuts=False, cancellations=False)

    assert found.failures == ()
    assert found.errors > 500


def test_a_bug_planted_in_the_engine_is_found() -> None:
    with named("journal-name-not-synced").plant():
        found = explore(workload("two puts"), failures_max=1)

    assert "NotAStoreError" in found.failures[0].detail


@pytest.mark.slow
@pytest.mark.parametrize("name", [program.name for program in WORKLOADS])
def test_the_store_survives_everything(name: str) -> None:
    assert explore(workload(name)).failures == ()
