"""Crash tests of other people's programs: a decorator, and what it tells when one fails.

    @sim.crash_test(seeds=200)
    async def test_log(world: sim.CrashWorld[list[int]]) -> None:
        found = await read_all(world.io, "log")          # what the last restart found
        assert found[: len(world.memory)] == world.memory
        for number in range(len(found), len(found) + 5):
            await append(world.io, "log", number)
            world.memory.append(number)                  # promised: it has to survive

The test is called once for each life of the program, until the power goes in the middle of it,
and then again on what is left of the disk. With `check=` that is what looks after a restart, and
the test only works. `sim.pytest_plugin` adds options of the command line and a fixture.

Invariants
- A failure always says how to make it again: by its seed, and by a plan as small as was found.
- A program that gives two digests for one plan is refused: it could not be run again.
"""

import shlex
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import signature
from random import Random
from typing import (
    Concatenate,
    Generic,
    ParamSpec,
    Protocol,
    TypedDict,
    TypeVar,
    Unpack,
    cast,
    overload,
)

import attrs

from io_backends import Io
from sim.explore import explore
from sim.literal import literal
from sim.program import (
    Outcome,
    Plan,
    Program,
    ProgramIo,
    ProgramLife,
    draw_plan,
    parse_plan,
    run_program,
    shrink_plan,
)
from sim.seeds import Seeds

S = TypeVar("S")
P = ParamSpec("P")
Q = ParamSpec("Q")
ONE_LINE = 1 << 30
CLEAN = Plan(lives=(ProgramLife(), ProgramLife()))


class CrashFailure(AssertionError):  # noqa: N818 - what pytest shows
    """A program broke a promise; the message says under what, and how to do it again."""


@attrs.frozen(kw_only=True)
class CrashWorld(Generic[S]):
    """What a test sees of the life that it is in.

    `io` is the machine. `memory` is what the world outside remembers: it survives crashes. `life`
    counts restarts. `random` is for what the test draws itself: each life has numbers of its own.
    """

    io: Io
    memory: S
    life: int
    random: Random


Memory = Callable[[], S]
Act = Callable[[CrashWorld[S]], Awaitable[None]]
Decorator = Callable[
    [Callable[Concatenate[CrashWorld[S], P], Awaitable[None]]], Callable[P, None]
]


class AnyDecorator(Protocol):
    """Takes a test whatever its memory is."""

    def __call__(
        self, work: Callable[Concatenate[CrashWorld[S], P], Awaitable[None]], /
    ) -> Callable[P, None]: ...


@attrs.frozen(kw_only=True)
class Session:
    """What the command line says about all crash tests, and how to run this one again."""

    seeds: int | None = None
    seed: int | None = None
    plan: str | None = None
    command: str | None = None
    outcomes: tuple[type[BaseException], ...] = ()


SESSION = ContextVar("SESSION", default=Session())  # noqa: B039 frozen


@contextmanager
def session(told: Session) -> Iterator[None]:
    """Tell crash tests what the command line said."""
    token = SESSION.set(told)
    try:
        yield
    finally:
        SESSION.reset(token)


@attrs.frozen(kw_only=True)
class Hardship:
    """What is done to a program: how many seeds, how many lives in each, and what may happen.

    `errors`: operations also fail, stall, find no space. `late`: writes in flight at a power cut
    may reach the disk after the next start.
    """

    seeds: int = 100
    lives: int = 4
    errors: bool = True
    late: bool = False


class Hardships(TypedDict, total=False):
    """The fields of a `Hardship`, as arguments."""

    seeds: int
    lives: int
    errors: bool
    late: bool


@overload
def crash_test(**hardship: Unpack[Hardships]) -> AnyDecorator: ...


@overload
def crash_test(
    *,
    memory: Callable[[], S],
    check: Act[S] | None = None,
    **hardship: Unpack[Hardships],
) -> Decorator[S, P]: ...


def crash_test(
    *,
    memory: Callable[[], object] = list,
    check: Act[S] | None = None,
    **hardship: Unpack[Hardships],
) -> Decorator[S, P]:
    """Make a test of an async function that gets a `CrashWorld`, and fixtures if it asks for them.

    `memory` makes what is remembered outside; `check`, also given the world, looks after restarts.
    What may happen, and how often, is a `Hardship`.
    """

    def decorate(
        work: Callable[Concatenate[CrashWorld[S], P], Awaitable[None]],
    ) -> Callable[P, None]:
        def test(*args: P.args, **given: P.kwargs) -> None:
            async def act(world: CrashWorld[S]) -> None:
                await work(world, *args, **given)

            def make(seed: int) -> Program[S]:
                program = _program(act, check or act, cast("Memory[S]", memory), seed)
                return attrs.evolve(program, name=getattr(work, "__name__", "test"))

            survive(make, Hardship(**hardship))

        return _dressed(test, work)

    return decorate


def _dressed(test: Callable[P, None], work: Callable[Q, object]) -> Callable[P, None]:
    """Let a test look like its function, but without a world among its fixtures."""
    for name in ("__name__", "__qualname__", "__module__", "__doc__"):
        setattr(test, name, getattr(work, name))
    test.__dict__.update(vars(work))
    whole = signature(work)
    others = list(whole.parameters.values())[1:]
    setattr(test, "__signature__", whole.replace(parameters=others))  # noqa: B010 typed
    return test


def _program(
    work: Act[S], check: Act[S], memory: Callable[[], S], seed: int
) -> Program[S]:
    def bound(act: Act[S]) -> Callable[[Io, S], Awaitable[None]]:
        async def run(io: Io, memory: S) -> None:
            life = io.life if isinstance(io, ProgramIo) else 0
            random = Seeds(seed).stream(f"test {life}")
            world = CrashWorld(io=io, memory=memory, life=life, random=random)
            with _plain_outcomes():
                await act(world)

        return run

    return Program(name="test", memory=memory, work=bound(work), check=bound(check))


@contextmanager
def _plain_outcomes() -> Iterator[None]:
    """Make an assertion of what a test framework raises past `Exception`."""
    try:
        yield
    except SESSION.get().outcomes as error:
        raise AssertionError(str(error)) from error


def survive(make: Callable[[int], Program[S]], hardship: Hardship) -> int:
    """Run a program through drawn plans; return how many, or raise `CrashFailure`."""
    told = SESSION.get()
    span = _span(make)
    if told.plan is not None:
        plan = parse_plan(told.plan)
        _run(make, plan, "the given plan")
        return 1
    seeds = range(hardship.seeds if told.seeds is None else told.seeds)
    if told.seed is not None:
        seeds = range(told.seed, told.seed + 1)
    for seed in seeds:
        plan = draw_plan(
            seed,
            span=span,
            lives=hardship.lives,
            errors=hardship.errors,
            late=hardship.late,
        )
        _run(make, plan, f"seed {seed}")
    return len(seeds)


def survive_all(program: Program[S], *, nested: bool = False) -> int:
    """Explore everything that can happen; return how many disks that left, or raise."""
    exploration = explore(program, failures_max=1, nested=nested)
    for found in exploration.failures:
        text = f"{found.verdict} in {found.detail}\n  {found.what}"
        again = _again(program.name, found.plan, found.plan)
        raise CrashFailure(f"{text}\n{again}")
    return exploration.images


def _span(make: Callable[[int], Program[S]]) -> int:
    """Run the program undisturbed, twice; return how many operations a life takes."""
    first, second = (run_program(make(0), CLEAN) for _ in range(2))
    if first.verdict != "ok":
        raise CrashFailure(
            f"{first.verdict} without any crash, in {first.detail}"
        ) from first.error
    if first.digest != second.digest:
        raise CrashFailure(
            f"{first.program} does not do the same when run twice: it must draw from "
            f"world.random, ask trio for the time, and walk over no sets"
        )
    return max(len(lived.ops) for lived in first.lived)


def _run(make: Callable[[int], Program[S]], plan: Plan, name: str) -> None:
    seed = plan.seed or 0
    outcome = run_program(make(seed), plan)
    if outcome.verdict == "ok":
        return

    def fails(smaller: Plan) -> bool:
        return run_program(make(seed), smaller).verdict == outcome.verdict

    small = shrink_plan(plan, fails)
    last = run_program(make(seed), small)
    raise CrashFailure(
        f"{name}: {outcome.verdict} in {outcome.detail}\n"
        f"  made small: {last.verdict} in {last.detail}\n"
        f"{_hits(last)}{_again(last.program, plan, small)}"
    ) from outcome.error


def _hits(outcome: Outcome) -> str:
    hits = ", ".join(f"{name} x {count}" for name, count in outcome.faults.items())
    return f"  after: {hits}\n" if hits else ""


def _again(name: str, plan: Plan, small: Plan) -> str:
    command = SESSION.get().command
    if command is None:
        command = f"pytest -p sim.pytest_plugin -k {shlex.quote(name)}"
    text = literal(small, room=ONE_LINE)
    lines = [f"  again: {command} --sim-plan {shlex.quote(text)}"]
    if plan.seed is not None:
        lines.insert(0, f"  again: {command} --sim-seed {plan.seed}")
    return "\n".join(lines)
