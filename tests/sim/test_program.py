"""A program in a chosen world: cut, refused, restarted, and held to its promises."""

from collections.abc import Awaitable, Callable

import attrs
import pytest
import trio

from io_backends import (
    CrashPolicy,
    FailOp,
    Io,
    IoError,
    OpKind,
    Stuck,
    Unit,
    UnitKind,
)
from sim import (
    Ending,
    Latency,
    Outcome,
    Plan,
    Program,
    ProgramLife,
    draw_plan,
    parse_plan,
    run_program,
)
from sim.literal import literal
from sim.program import measure, shrink_plan

Numbers = list[int]
Act = Callable[[Io, Numbers], Awaitable[None]]
LOSES_ALL = CrashPolicy.drop_all()


async def nothing(io: Io, numbers: Numbers) -> None:
    await trio.lowlevel.checkpoint()


def program(work: Act, check: Act = nothing) -> Program[Numbers]:
    return Program(name="program", memory=list, work=work, check=check)


def cut(io: int, kept: tuple[Unit, ...] | None = None) -> ProgramLife:
    return ProgramLife(ending=Ending(io=io, policy=LOSES_ALL), kept=kept)


def lives(*given: ProgramLife) -> Plan:
    return Plan(lives=given)


async def write_file(io: Io, path: str, data: bytes) -> None:
    file = await io.create_exclusive(path)
    try:
        await file.write_at(0, data)
        await file.sync()
    finally:
        await file.aclose()


async def append_names(io: Io, numbers: Numbers) -> None:
    """Make three more files, each safe before it is promised."""
    for number in range(len(numbers), len(numbers) + 3):
        if f"{number}" not in await io.list("/"):
            await write_file(io, f"{number}", b"data")
        await io.sync_dir("/")  # also of a name that an earlier life made and saw
        numbers.append(number)


async def names_are_there(io: Io, numbers: Numbers) -> None:
    names = await io.list("/")
    assert all(f"{number}" in names for number in numbers), f"{numbers} in {names}"


async def forgetful(io: Io, numbers: Numbers) -> None:
    """Promise a file without a sync of its folder."""
    await write_file(io, f"{len(numbers)}", b"data")
    numbers.append(len(numbers))
    await io.list("/")


HONEST = program(append_names, names_are_there)
FORGETFUL = program(forgetful, names_are_there)


def outcome_of(work: Act, *given: ProgramLife) -> Outcome:
    return run_program(program(work, names_are_there), lives(*given))


def test_an_honest_program_passes_whatever_is_drawn() -> None:
    span = measure(HONEST)
    outcomes = [run_program(HONEST, draw_plan(seed, span=span)) for seed in range(150)]

    assert [outcome.detail for outcome in outcomes if outcome.verdict != "ok"] == []
    fired = {name for outcome in outcomes for name in outcome.faults}
    assert {"power cut", "kill", "failed sync", "stuck", "slow"} <= fired


def test_equal_plans_give_equal_outcomes() -> None:
    for seed in range(20):
        plan = draw_plan(seed, span=20)

        assert run_program(HONEST, plan) == run_program(HONEST, plan)


def test_a_plan_is_python_that_makes_it_again() -> None:
    plans = [draw_plan(seed, late=True) for seed in range(50)]
    plans.append(lives(cut(3, (Unit(UnitKind.SECTOR, 1, 0, "a"),))))

    for plan in plans:
        assert parse_plan(repr(plan)) == plan
        assert parse_plan(literal(plan)) == plan


def test_only_a_plan_is_parsed() -> None:
    with pytest.raises(TypeError, match="expected a Plan"):
        parse_plan("Ending()")


def test_a_forgetful_program_is_found() -> None:
    outcome = run_program(FORGETFUL, lives(cut(3)))

    assert outcome.verdict == "invariant"
    assert outcome.detail.startswith("life 1: AssertionError: [0] in []")
    assert "test_program.py" in outcome.detail
    assert outcome.crashes == 1
    assert outcome.faults == {"power cut": 1}


def test_a_kill_loses_nothing_that_was_written() -> None:
    kill = Ending(kind="kill", io=3, policy=LOSES_ALL)

    assert run_program(FORGETFUL, lives(ProgramLife(ending=kill))).verdict == "ok"


def test_exactly_the_kept_units_survive() -> None:
    for kept, verdict in (((), "invariant"), ((Unit(UnitKind.NAME, 0, 0),), "ok")):
        outcome = run_program(FORGETFUL, lives(cut(3, kept)))

        assert outcome.verdict == verdict


def test_what_is_noted_after_the_cut_was_never_noted() -> None:
    async def notes_at_the_end(io: Io, numbers: Numbers) -> None:
        try:
            await write_file(io, "0", b"")
        finally:
            numbers.append(0)

    assert outcome_of(notes_at_the_end, cut(1)).verdict == "ok"


def test_a_cut_may_strike_the_check() -> None:
    outcome = run_program(HONEST, lives(cut(5), cut(0), cut(0), ProgramLife()))

    assert (outcome.verdict, outcome.crashes) == ("ok", 3)
    assert [lived.checks for lived in outcome.lived] == [0, 1, 1, 1, 1]


def test_a_file_left_open_is_a_leak() -> None:
    async def leaves_open(io: Io, numbers: Numbers) -> None:
        await io.create_exclusive("0")

    outcome = outcome_of(leaves_open)

    assert outcome.verdict == "ok"  # no life, no work
    outcome = outcome_of(leaves_open, ProgramLife())
    assert (outcome.verdict, outcome.detail) == (
        "leak",
        "life 0: left open or locked: 0",
    )


def test_a_lock_left_is_a_leak() -> None:
    async def leaves_locked(io: Io, numbers: Numbers) -> None:
        await io.lock("lock")

    assert outcome_of(leaves_locked, ProgramLife()).verdict == "leak"


def test_waiting_for_nothing_is_stuck() -> None:
    async def waits(io: Io, numbers: Numbers) -> None:
        await trio.sleep_forever()

    outcome = outcome_of(waits, ProgramLife())

    assert outcome.verdict == "stuck"
    assert "test_program.py" in outcome.detail


def test_who_tries_again_for_ever_lets_go_of_a_dead_machine() -> None:
    async def insists(io: Io, numbers: Numbers) -> None:
        while True:
            try:
                await io.stat("/")
            except IoError:
                continue

    assert outcome_of(insists, cut(3)).verdict == "ok"


def test_endless_work_ends_also_behind_a_shield(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def insists(io: Io, numbers: Numbers) -> None:
        with trio.CancelScope(shield=True):
            while True:
                await trio.lowlevel.checkpoint()

    monkeypatch.setattr("sim.program.run.STEPS_MAX", 1000)

    outcome = outcome_of(insists, ProgramLife())

    assert (outcome.verdict, outcome.detail) == ("stuck", "life 0: endless work")


def test_an_error_needs_a_fault_that_explains_it() -> None:
    async def stats(io: Io, numbers: Numbers) -> None:
        await io.stat("missing" if not numbers else "/")

    fault = FailOp(kinds=(OpKind.STAT,))

    assert outcome_of(stats, ProgramLife()).verdict == "undocumented-error"
    assert outcome_of(stats, ProgramLife(faults=(fault,))).verdict == "ok"


def test_an_error_that_is_no_error_of_io_is_never_excused() -> None:
    async def stumbles(io: Io, numbers: Numbers) -> None:
        try:
            await io.stat("/")
        except IoError:
            raise KeyError("confused") from None

    fault = FailOp(kinds=(OpKind.STAT,))
    outcome = outcome_of(stumbles, ProgramLife(faults=(fault,)))

    assert outcome.verdict == "undocumented-error"
    assert "KeyError: 'confused'" in outcome.detail


def test_an_assertion_of_the_work_counts_as_well() -> None:
    async def asserts(io: Io, numbers: Numbers) -> None:
        assert numbers, "nothing was noted"

    assert outcome_of(asserts, ProgramLife()).verdict == "invariant"


def test_a_check_that_met_a_fault_is_repeated() -> None:
    fault = FailOp(kinds=(OpKind.LIST,), times=None)
    outcome = run_program(HONEST, lives(cut(9), ProgramLife(faults=(fault,))))

    assert outcome.verdict == "ok"
    assert outcome.lived[1].checks == 2


def test_stuck_operations_are_let_go_and_faults_heal() -> None:
    async def waits_for_the_disk(io: Io, numbers: Numbers) -> None:
        while True:
            try:
                return await append_names(io, numbers)
            except IoError:
                await trio.sleep(1.0)

    faults = (Stuck(), FailOp(kinds=(OpKind.LIST,), times=None))
    outcome = outcome_of(waits_for_the_disk, ProgramLife(faults=faults))

    assert outcome.verdict == "ok"
    assert 60.0 < outcome.virtual_seconds < 80.0


def test_work_can_be_cancelled_at_any_step() -> None:
    steps = run_program(HONEST, lives(ProgramLife())).lived[0].steps
    for step in range(steps):
        outcome = run_program(HONEST, lives(ProgramLife(cancel=step), ProgramLife()))

        assert outcome.verdict == "ok"
        assert outcome.faults == {"cancel": 1}


def test_a_late_write_reaches_the_disk_in_the_next_life() -> None:
    async def overwrites(io: Io, numbers: Numbers) -> None:
        if not numbers:
            await write_file(io, "0", b"old")
            await io.sync_dir("/")
            numbers.append(0)
            file = await io.open("0", writable=True)
            await file.write_at(0, b"new")

    contents: list[bytes] = []

    async def reads(io: Io, numbers: Numbers) -> None:
        file = await io.open("0")
        contents.append(await file.read_at(0, 3))
        await file.aclose()

    ending = Ending(io=5, when="before", policy=LOSES_ALL, late=1)
    slow = ProgramLife(
        latency=Latency(0.01), ending=attrs.evolve(ending, when="during")
    )
    outcome = run_program(program(overwrites, reads), lives(slow, ProgramLife()))

    assert outcome.verdict == "ok"
    assert outcome.faults["late write"] == 1
    assert contents[-1] == b"nld"  # half of it was under way


def test_a_failing_plan_is_made_small() -> None:
    seed = next(s for s in range(99) if _fails(draw_plan(s, span=4)))
    small = shrink_plan(draw_plan(seed, span=4), _fails)

    assert len(small.lives) == 1
    assert small.lives[0].faults == ()
    assert small.lives[0].ending == Ending(io=3, policy=LOSES_ALL)


def _fails(plan: Plan) -> bool:
    return run_program(FORGETFUL, plan).verdict == "invariant"


def test_interrupts_are_not_swallowed() -> None:
    async def interrupted(io: Io, numbers: Numbers) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        outcome_of(interrupted, ProgramLife())
