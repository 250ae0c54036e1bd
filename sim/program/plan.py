"""What happens to a program, as one value: where the power fails, what the disk refuses.

    Plan          the lives of a program, one after the other on one disk, and the schedule
    ProgramLife   from a start to an ending: latency, faults, and the cut
    draw_plan     a plan from a seed

`repr` of a plan is Python that makes it again (`parse_plan`).

Invariants
- Equal plans run a program equally: nothing that a run needs is drawn anywhere else.
- What is drawn keeps the contract of `Io`: it never falsifies bytes that were synced.
"""

from random import Random
from typing import Literal

import attrs

import io_backends
from io_backends import (
    MUTATING,
    WRITES,
    CrashPolicy,
    FailOp,
    Fault,
    OpKind,
    Slow,
    Stuck,
    Unit,
)
from sim import script
from sim.script import Ending, Latency, When
from sim.seeds import Seeds

WHENS: tuple[When, ...] = ("before", "during", "after")
POLICIES = (
    CrashPolicy(),
    CrashPolicy(),
    CrashPolicy.drop_all(),
    CrashPolicy.keep_all(),
    CrashPolicy(garbage=4.0, tear=4.0),
)
LATENCIES = ((0.0, 0.0), (0.0005, 0.0), (0.0, 0.001), (0.0001, 0.002), (0.0, 0.02))
EFFECTS: tuple[Literal["none", "partial", "done"], ...] = ("none", "partial", "done")
FLUSHING = (OpKind.SYNC, OpKind.SYNC_DIR)
CLOSED = Ending(kind="close")


@attrs.frozen(kw_only=True)
class ProgramLife:
    """From a start of the program to its ending.

    `ending.io` counts Io operations from the start, those of the check among them; the power goes
    at the latest when the work is done. `kept` are the unsynced units that survive a cut; None:
    what survives is drawn from `ending.seed`. `cancel` is the step of the schedule, counted from
    the beginning of the work, at which the work is cancelled.
    """

    latency: Latency = attrs.field(factory=Latency)
    uncached: int = 0
    faults: tuple[Fault, ...] = ()
    capacity_bytes: int | None = None
    clock_jump: float = 0.0
    cancel: int | None = None
    ending: Ending = CLOSED
    kept: tuple[Unit, ...] | None = None


@attrs.frozen(kw_only=True)
class Plan:
    """The lives of a program; after the last one, its check has the last word.

    With a `seed` the schedule is drawn from it; without one, tasks run in the order of creation.
    """

    seed: int | None = None
    lives: tuple[ProgramLife, ...] = (ProgramLife(),)


def draw_plan(
    seed: int,
    *,
    span: int = 100,
    lives: int = 4,
    errors: bool = True,
    late: bool = False,
    policies: tuple[CrashPolicy, ...] = POLICIES,
) -> Plan:
    """Draw what happens to a program that needs about `span` Io operations for its work.

    `errors`: the disk also fails, stalls and fills up, and work is cancelled. `late`: writes in
    flight at a cut may reach the disk only after the next start, which few programs survive.
    """
    seeds = Seeds(seed)
    random = seeds.stream("shape")
    is_sound = not errors or random.random() < 0.3
    return Plan(
        seed=seed,
        lives=tuple(
            _life(
                seeds.child(f"life {number}"),
                span,
                random.choice(policies),
                is_sound=is_sound,
                late=late,
            )
            for number in range(random.randint(1, max(1, lives)))
        ),
    )


def parse_plan(text: str) -> Plan:
    """Make a plan from its `repr`."""
    names = vars(io_backends) | vars(script) | globals()
    try:
        plan = eval(text, {"__builtins__": {}}, names)  # from the same hand
    except (SyntaxError, NameError) as error:
        raise ValueError(f"{text!r} is no plan: {error}") from error
    if not isinstance(plan, Plan):
        raise TypeError(f"expected a Plan, found {type(plan).__name__}")
    return plan


def _life(
    seeds: Seeds, span: int, policy: CrashPolicy, *, is_sound: bool, late: bool
) -> ProgramLife:
    random = seeds.stream("life")
    base, spread = random.choice(LATENCIES)
    ending = Ending(
        kind=random.choice(("cut", "cut", "cut", "kill", "close")),
        io=random.randrange(random.choice((8, span + 2, span + 2))),
        when=random.choice(WHENS),
        seed=random.getrandbits(32),
        policy=policy,
        late=random.choice((0, 1, 3)) if late else 0,
    )
    return ProgramLife(
        latency=Latency(base, spread, random.getrandbits(32)),
        uncached=random.choice((0, 0, 50, 100)),
        faults=() if is_sound else _faults(seeds.stream("faults"), span),
        capacity_bytes=_capacity(random, is_sound=is_sound),
        clock_jump=random.choice((0.0, 0.0, 0.0, -1e6, 1e9)),
        cancel=None if is_sound else _cancel(seeds.stream("cancel"), span),
        ending=ending,
    )


def _capacity(random: Random, *, is_sound: bool) -> int | None:
    if is_sound or random.random() < 0.9:
        return None
    return random.choice((1000, 8000, 60_000))


def _cancel(random: Random, span: int) -> int | None:
    return random.randrange(2 * span + 1) if random.random() < 0.1 else None


def _faults(random: Random, span: int) -> tuple[Fault, ...]:
    return tuple(_fault(random, span) for _ in range(random.choice((0, 1, 1, 2, 3))))


def _fault(random: Random, span: int) -> Fault:
    at = random.randrange(max(1, span))
    if random.random() < 0.15:
        return Stuck(at=at, kinds=random.choice(((), WRITES, FLUSHING)))
    if random.random() < 0.15:
        return Slow(at=at, seconds=random.choice((0.01, 1.0, 8.0)))
    kinds = random.choice(((), (), FLUSHING, WRITES, MUTATING))
    return FailOp(
        at=at,
        kinds=kinds,
        times=random.choice((1, 1, 1, 2, 5, None)),
        error=random.choice(("EIO", "EIO", "ENOSPC", "EDQUOT", "EROFS", "EMFILE")),
        effect=random.choice(EFFECTS),
        drop_pages=random.random() < 0.7,
    )
