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
from sim import operations, services
from sim.operations import Operation
from tempest import Compression, Durability, Options

When = Literal["before", "during", "after"]
RotKind = Literal["orphan", "copy", "garbage", "temporary", "old manifest", "no lock"]
DamageKind = Literal[
    "rot",
    "stale",
    "misdirected",
    "shortened",
    "missing",
    "swapped",
    "doubled",
    "flipped read",
    "blank read",
    "crossed read",
]
RecoverKind = Literal["checkpoint", "newest valid", "backup"]
DamagedFile = Literal["table", "log", "manifest"]
OptionSet = tuple[tuple[str, int | float | str | bool], ...]


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
    all clients happens, or at their end; of an ending that is `closing`, the `io`-th of those that
    close the store. `seed` and `policy` say what a power cut leaves; `late`, how many writes in
    flight reach the disk only in a later life, after as many openings as `late_openings` says.
    A close is cancelled `cancel_seconds` after it began.
    """

    kind: Literal["cut", "kill", "close"] = "cut"
    operations: int = 0
    io: int = 0
    when: When = "before"
    seed: int = 0
    policy: CrashPolicy = attrs.field(factory=CrashPolicy)
    late: int = 0
    late_openings: int = 1
    closing: bool = False
    cancel_seconds: float | None = None


@attrs.frozen(kw_only=True)
class Rot:
    """What happens to the files between two lives; see `sim.faults`."""

    kind: RotKind = "orphan"
    seed: int = 0


@attrs.frozen(kw_only=True)
class Damage:
    """What happens to a twin of the disk after a life; see `sim.faults.twins`."""

    kind: DamageKind = "rot"
    file: DamagedFile = "table"
    seed: int = 0
    read_only: bool = False


@attrs.frozen(kw_only=True)
class Recover:
    """The store becomes, before it is opened, what was kept of it: the newest is `which` 0.

    The power goes before the `io`-th Io operation of that; never if it is None. `seed` says what
    is left then.
    """

    what: RecoverKind = "checkpoint"
    which: int = 0
    io: int | None = None
    seed: int = 0


@attrs.frozen(kw_only=True)
class Life:
    """From one opening to one ending.

    Of a disk's `capacity_bytes`, `file_bytes_max` and `handles_max` there is more after some time.
    The wall clock begins `clock_jump` seconds off and goes `clock_pace` times as fast as time.
    The first opening is cancelled after `cancel_seconds`, opened or not, and another one follows.
    """

    options: OptionSet = ()
    clients: tuple[tuple[Operation, ...], ...] = ()
    latency: Latency = Latency()
    uncached: int = 0
    faults: tuple[Fault, ...] = ()
    capacity_bytes: int | None = None
    file_bytes_max: int | None = None
    handles_max: int | None = None
    clock_jump: float = 0.0
    clock_pace: float = 1.0
    cancel_seconds: float | None = None
    recover: Recover | None = None
    rots: tuple[Rot, ...] = ()
    damages: tuple[Damage, ...] = ()
    race: tuple[tuple[Operation, ...], ...] = ()
    ending: Ending = Ending()


@attrs.frozen(kw_only=True)
class Script:
    """A run. `keys` are those of each client.

    `schedule` are decisions to obey first; beyond them `seed` decides, or nobody.
    The first client does its operations again under each of `option_sets`, on a sound disk.

    With `canary` the disk lies: syncs of the log do nothing. One that `forgets` is after a crash
    as it was when the life began.
    """

    seed: int = 0
    keys: tuple[tuple[bytes, ...], ...] = ()
    lives: tuple[Life, ...] = ()
    schedule: tuple[int, ...] = ()
    is_schedule_drawn: bool = True
    option_sets: tuple[OptionSet, ...] = ()
    canary: bool = False
    forgets: bool = False


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
    names = vars(io_backends) | vars(services) | vars(operations) | globals()
    script = eval(text, {"__builtins__": {}}, names)  # from the same hand
    if not isinstance(script, Script):
        raise TypeError(f"expected a Script, found {type(script).__name__}")
    return script
