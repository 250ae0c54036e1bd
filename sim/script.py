"""Everything that a run is made of, as one value: operations, faults, cuts, schedule.

    Script   lives, one after the other on one disk, and the schedule's decisions
    Life     options, clients, latency and faults from an opening to an ending
    Ending   how it ends: a power cut, a kill or a close, and when

`repr` of a script is Python that makes it again (`parse`); taking parts away leaves a script.

Invariants
- Equal scripts run equally: nothing that a run needs is drawn anywhere else.
"""

from enum import Enum
from typing import Literal

import attrs

import io_backends
from io_backends import CrashPolicy, Fault
from sim import operations
from sim.operations import Operation
from tempest import Compression, Durability, Options

When = Literal["before", "during", "after"]
RotKind = Literal["orphan", "copy", "garbage", "temporary"]


@attrs.frozen
class Latency:
    """Seconds that an operation takes: `base`, plus up to `spread` more, drawn from `seed`."""

    base: float = 0.0
    spread: float = 0.0
    seed: int = 0


@attrs.frozen(kw_only=True)
class Ending:
    """How a life ends.

    A cut or kill strikes `when` the `io`-th Io operation after the `operations`-th operation of
    all clients happens, or at their end. `seed` and `policy` say what a power cut leaves; `late`,
    how many writes in flight reach the disk only in the next life.
    """

    kind: Literal["cut", "kill", "close"] = "cut"
    operations: int = 0
    io: int = 0
    when: When = "before"
    seed: int = 0
    policy: CrashPolicy = attrs.field(factory=CrashPolicy)
    late: int = 0


@attrs.frozen(kw_only=True)
class Rot:
    """What happens to the files between two lives; see `sim.faults`."""

    kind: RotKind = "orphan"
    seed: int = 0


@attrs.frozen(kw_only=True)
class Life:
    """From one opening to one ending."""

    options: tuple[tuple[str, int | float | str | bool], ...] = ()
    clients: tuple[tuple[Operation, ...], ...] = ()
    latency: Latency = Latency()
    uncached: int = 0
    faults: tuple[Fault, ...] = ()
    capacity_bytes: int | None = None
    clock_jump: float = 0.0
    rots: tuple[Rot, ...] = ()
    race: tuple[tuple[Operation, ...], ...] = ()
    ending: Ending = Ending()


@attrs.frozen(kw_only=True)
class Script:
    """A run. `keys` are those of each client. `schedule` are decisions to obey first; beyond them `seed` decides, or nobody.

    With `canary` the disk lies: syncs of the log do nothing.
    """

    seed: int = 0
    keys: tuple[tuple[bytes, ...], ...] = ()
    lives: tuple[Life, ...] = ()
    schedule: tuple[int, ...] = ()
    is_schedule_drawn: bool = True
    canary: bool = False


ENUMS: dict[str, type[Enum]] = {"durability": Durability, "compression": Compression}


def make_options(life: Life) -> Options:
    """Return the options of a life; words stand for members of enums."""
    chosen = {
        name: ENUMS[name][value] if isinstance(value, str) else value
        for name, value in life.options
    }
    return Options(**chosen)  # type: ignore[arg-type]


def parse(text: str) -> Script:
    """Make a script from its `repr`."""
    names = vars(io_backends) | vars(operations) | globals()
    script = eval(text, {"__builtins__": {}}, names)  # from the same hand
    if not isinstance(script, Script):
        raise TypeError(f"expected a Script, found {type(script).__name__}")
    return script
