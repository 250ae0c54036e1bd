"""Draw what clients ask for besides reads and writes, and the options that matter for it.

It is strewn into operations that were drawn before: a seed keeps the reads and writes that it
stood for when there was nothing else.

Invariants
- What is strewn in depends on its own `Random` alone, and moves nothing that was drawn elsewhere.
- Sessions write keys of their own client only.
"""

from collections.abc import Sequence
from random import Random

from sim import services
from sim.operations import Batch, Cancelled, Operation, Put
from sim.services import Cancellable, Kind, Level, Style
from sim.values import FOLDERS, SLOTS

Clients = tuple[tuple[Operation, ...], ...]
Setting = int | float | str | bool
KINDS: tuple[Kind, ...] = ("FULL", "FULL", "LOG", "INCREMENTAL", "INCREMENTAL", "INDEX")
STYLES: tuple[Style, ...] = ("FOLD_OVER", "FOLD_OVER", "SNAPSHOT")
LEVELS: tuple[Level, ...] = ("memory", "os", "disk")
SERVICES: dict[str, float] = {
    "checkpoint": 4,
    "checkpoint_start": 1,
    "checkpoint_wait": 1,
    "checkpoint_list": 1,
    "checkpoint_read": 2,
    "checkpoint_validate": 0.5,
    "checkpoint_drop": 1,
    "checkpoint_prune": 0.3,
    "session": 8,
    "session_wait": 1,
    "session_close": 0.5,
    "follow": 4,
    "collect": 1.5,
    "should_collect": 0.5,
    "backup": 0.7,
    "upkeep_pause": 0.5,
    "large": 4,
}
GROUPS = (  # a life may have to do without some of them
    ("checkpoint", "checkpoint_start", "checkpoint_wait", "checkpoint_list"),
    ("checkpoint_read", "checkpoint_validate", "checkpoint_drop", "checkpoint_prune"),
    ("session", "session_wait", "session_close"),
    ("follow",),
    ("collect", "should_collect"),
    ("backup",),
    ("upkeep_pause",),
    ("large",),
)
COUNTS = (0, 0, 0, 3, 6, 12)
CANCELLED = 0.12
CANCEL_SECONDS = (0.0, 1e-5, 1e-4, 1e-3, 0.01)
SIZES = (64, 100, 300, 700, 2000)
OPTIONS: dict[str, Sequence[Setting]] = {
    "separated_value_bytes_min": (64, 64, 100, 500),
    "read_cache_bytes_max": (0, 300, 1 << 20),
    "mutable_fraction": (0.0, 0.02, 0.5, 1.0),
    "memory_bytes_max": (1024, 4096, 1 << 20),
    "log_page_bytes": (4096, 4096, 16384),
    "stream_retention_bytes": (0, 1000, 5000, 1 << 20),
    "collection_live_share_max": (0.0, 0.5, 0.9, 1.0),
    "checkpoint_interval_seconds": (0.01, 0.5),
    "checkpoint_log_bytes": (500, 3000),
    "checkpoint_dirty_bytes": (300, 2000),
    "checkpoints_kept": (1, 2, 3),
}
CHANCES = {  # elsewhere an option is as it is when nobody says anything
    "separated_value_bytes_min": 0.35,
    "read_cache_bytes_max": 0.3,
    "collection_live_share_max": 0.3,
    "checkpoint_interval_seconds": 0.04,
    "checkpoint_log_bytes": 0.05,
    "checkpoint_dirty_bytes": 0.05,
}
CHANCE = 0.1


def draw_more_options(random: Random) -> tuple[tuple[str, Setting], ...]:
    """Draw the options that came with separated values, streams and checkpoints."""
    return tuple(
        (name, random.choice(values))
        for name, values in OPTIONS.items()
        if random.random() < CHANCES.get(name, CHANCE)
    )


def strew(
    random: Random, clients: Clients, keys: Sequence[Sequence[bytes]]
) -> tuple[Clients, int]:
    """Put drawn services between the operations of clients; say how many."""
    count = random.choice(COUNTS)
    if not count or not clients:
        return clients, 0
    drawer = ServiceDrawer(random)
    strewn = [list(operations) for operations in clients]
    for _ in range(count):
        client = random.randrange(len(strewn))
        service = drawer.draw(keys[client])
        if isinstance(service, Cancellable) and random.random() < CANCELLED:
            service = Cancelled(service, random.choice(CANCEL_SECONDS))
        strewn[client].insert(random.randrange(len(strewn[client]) + 1), service)
    return tuple(map(tuple, strewn)), count


class ServiceDrawer:
    """Draws services of a swarm of kinds."""

    def __init__(self, random: Random) -> None:
        self._random = random
        weights = {name: w * random.choice((0.3, 1, 3)) for name, w in SERVICES.items()}
        for group in random.sample(GROUPS, 3):
            weights |= dict.fromkeys(group, 0.0)
        self._kinds, self._weights = list(weights), list(weights.values())

    def draw(self, keys: Sequence[bytes]) -> Operation:
        """Draw what a client asks for that owns these keys."""
        kind = self._random.choices(self._kinds, self._weights)[0]
        return draw_service(self._random, kind, keys)


def draw_service(  # noqa: C901, PLR0911, PLR0912 a table of kinds
    random: Random, kind: str, keys: Sequence[bytes]
) -> Operation:
    """Draw one service of a kind."""
    match kind:
        case "checkpoint":
            return services.Checkpoint(*_sort(random))
        case "checkpoint_start":
            return services.CheckpointStart(random.randrange(SLOTS), *_sort(random))
        case "checkpoint_wait":
            return services.CheckpointWait(random.randrange(SLOTS))
        case "checkpoint_read":
            return services.CheckpointRead(random.randrange(3))
        case "checkpoint_validate":
            return services.CheckpointValidate(random.randrange(3))
        case "checkpoint_drop":
            return services.CheckpointDrop(random.randrange(3))
        case "checkpoint_prune":
            keep, only = random.choice((1, 2)), random.random() < 0.3
            return services.CheckpointPrune(keep, only)
        case "session":
            return _session(random, keys)
        case "session_open":
            return services.SessionOpen(random.randrange(SLOTS))
        case "session_wait":
            return services.SessionWait(random.randrange(SLOTS))
        case "session_close":
            return services.SessionClose(random.randrange(SLOTS))
        case "large":
            return _large(random, keys)
        case "collect":
            return services.Collect(random.choice((None, 0.5, 0.99, 1.0)))
        case "should_collect":
            return services.ShouldCollect(random.choice((None, 0.5, 1.0)))
        case "backup":
            return services.Backup(random.randrange(FOLDERS))
        case "upkeep_pause":
            return services.Pause(random.choice((0.0, 0.001, 0.1, 2.0)))
        case _:
            return _plain(random, kind)


def _plain(random: Random, kind: str) -> Operation:
    match kind:
        case "checkpoint_list":
            return services.CheckpointList()
        case "follow":
            frames, seconds = (
                random.choice((1, 4, 1000)),
                random.choice((0.0, 0.0, 0.1)),
            )
            return services.Follow(frames, seconds, random.random() < 0.7)
        case _:
            raise AssertionError(f"nobody draws {kind!r}")


def _sort(random: Random) -> tuple[Kind, Style, int]:
    kind, style = random.choice(KINDS), random.choice(STYLES)
    if kind in ("LOG", "INDEX"):
        style = "FOLD_OVER"
    return kind, style, random.choice((0, 0, 1))


def _session(random: Random, keys: Sequence[bytes]) -> Operation:
    slot, level = random.randrange(SLOTS), random.choice(LEVELS)
    match random.randrange(8):
        case 0:
            return services.SessionOpen(slot)
        case 1:
            return services.SessionDelete(slot, random.choice(keys), level)
        case 2 | 3:
            some = dict.fromkeys(random.choice(keys) for _ in range(3))
            sizes = (8, 30, 100, None)
            writes = tuple((key, random.choice(sizes)) for key in some)
            return services.SessionBatch(slot, writes, level)
        case _:
            size, gap = random.choice((8, 30, 100, 700)), random.choice((0, 0, 0, 5))
            return services.SessionPut(slot, random.choice(keys), size, level, gap)


def _large(random: Random, keys: Sequence[bytes]) -> Operation:
    key, level = random.choice(keys), random.choice(LEVELS)
    if random.random() < 0.2:
        return Batch(tuple((key, random.choice(SIZES)) for key in keys[:3]), level)
    return Put(key, random.choice(SIZES), level)
