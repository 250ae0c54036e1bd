"""Draw what clients do: swarms of operations over a few keys, under options at their extremes.

Each run favours some operations and leaves others out (swarm testing), so that runs differ from
one another more than uniform ones would.

Invariants
- A workload depends on the `Random` alone.
- Every key belongs to one client, but for those of the bank and the ring.
"""

from collections.abc import Sequence
from random import Random

import attrs

from sim import operations as ops
from sim.operations import Level, Operation
from sim.service_draw import SERVICES, draw_service
from sim.values import ACCOUNTS, PLACES, RACE

LEVELS: tuple[Level, ...] = ("memory", "os", "disk")
KINDS: dict[str, float] = {
    "put": 10,
    "delete": 5,
    "batch": 5,
    "update": 4,
    "put_nowait": 3,
    "get": 4,
    "get_nowait": 2,
    "get_many": 2,
    "scan": 2,
    "snapshot": 3,
    "held_scan": 1,
    "sync": 0.5,
    "flush": 0.5,
    "compact": 0.25,
    "cancelled": 3,
    "common": 3,
    "look": 1,
    "sleep": 1,
    "wait_writable": 1,
    "mistake": 1,
    "open_twice": 0.3,
}
OPTIONS: dict[str, Sequence[int | float | str | bool]] = {
    "memtable_bytes_max": (1024, 1024, 1024, 1500, 3000, 1 << 16),
    "cache_bytes_max": (0, 512, 1 << 20),
    "unsynced_bytes_max": (1, 500, 1 << 20),
    "segment_bytes_max": (1024, 1024, 2048, 1 << 20),
    "block_bytes": (64, 64, 200, 4096),
    "table_bytes_max": (256, 256, 700, 1 << 20),
    "compression": ("NONE", "ZLIB", "LZ4", "LZ4"),  # a seed needs no extra
    "filter_bits_per_key": (0, 1, 10),
    "level0_tables_max": (1, 1, 2, 4),
    "level_bytes_base": (256, 256, 1000, 1 << 20),
    "level_growth": (2, 2, 3, 10),
    "compaction_inline": (False, True),
    "tables_open_max": (1, 2, 256),
    "manifest_rotation_bytes_min": (1, 500, 1 << 16),
    "resume_seconds_max": (0.0, 0.05, 1.0, 10.0),
    "close_seconds_max": (5.0, 30.0),
    "durability": ("MEMORY", "OS", "DISK"),
}
UPKEEP_SECONDS = (0.004, 0.008, 0.012, 0.016, 0.024, 0.032)
EXTREMES = (*(0.02,) * 7, *(0.05,) * 4, *(0.1,) * 4, *(0.2,) * 3, 0.5, 1.0)
CALM: dict[str, int] = {  # what makes work for every operation, when it does not
    "memtable_bytes_max": 1 << 15,
    "segment_bytes_max": 1 << 16,
    "unsynced_bytes_max": 1 << 20,
    "table_bytes_max": 1 << 16,
    "level_bytes_base": 1 << 16,
    "block_bytes": 512,
    "level0_tables_max": 4,
    "manifest_rotation_bytes_min": 1 << 14,
    "cache_bytes_max": 1 << 20,
    "tables_open_max": 256,
}


@attrs.frozen
class Keys:
    """The keys of a run, and who owns each."""

    of_client: tuple[tuple[bytes, ...], ...]

    @classmethod
    def draw(cls, random: Random, clients: int) -> "Keys":
        """Draw keys that interleave: short ones, long ones, prefixes of each other."""
        count = random.choice((2, 4, 8, 12))
        tail = random.choice((b"", b"", b"\xff", b"x" * 40, b"y" * 300))
        of_client = [
            tuple(b"k%02d.%d" % (number, client) + tail for number in range(count))
            for client in range(clients)
        ]
        if random.random() < 0.2:
            of_client[0] = (b"", b"\x00", b"\xff" * 9, *of_client[0])
        return cls(tuple(of_client))

    def owners(self) -> dict[bytes, int]:
        return {
            key: client for client, keys in enumerate(self.of_client) for key in keys
        }


def draw_options(
    random: Random,
) -> tuple[tuple[str, int | float | str | bool], ...]:
    """Draw options: in most lives one or two are extreme, in some nearly all are."""
    extreme = random.choice(EXTREMES)
    return tuple(
        (
            name,
            random.choice(values)
            if name not in CALM or random.random() < extreme
            else CALM[name],
        )
        for name, values in OPTIONS.items()
    )


class Drawer:
    """Draws the operations of one life."""

    def __init__(
        self,
        random: Random,
        keys: Keys,
        *,
        weights: dict[str, float] | None = None,
        levels: Sequence[float] | None = None,
        sizes: Sequence[int] | None = None,
    ) -> None:
        """Draw a swarm, but for what is given: kinds, weights of levels, sizes of values."""
        self._random = random
        self._keys = keys
        self._all = tuple(key for part in keys.of_client for key in part)
        if weights is None:
            weights = self._draw_weights()
        self._kinds = list(weights)
        self._weights = list(weights.values())
        self._levels = levels or random.choice(
            ((1, 1, 1), (0, 0, 1), (2, 0, 1), (5, 3, 1), (0, 4, 1), (3, 3, 1))
        )
        self._sizes = sizes or random.choice(
            ((0, 8, 20), (0, 8, 60), (20, 60, 100), (8, 200, 700), (8, 30, 30, 3000))
        )

    def _draw_weights(self) -> dict[str, float]:
        random = self._random
        weights = {
            kind: weight * random.choice((0.3, 1.0, 1.0, 3.0))
            for kind, weight in KINDS.items()
        }
        for kind in random.sample(sorted(KINDS), 6):
            weights[kind] = 0.0
        weights["put"] = max(weights["put"], 3.0)
        return weights

    def client(self, number: int, count: int) -> tuple[Operation, ...]:
        """Draw the operations of one client."""
        kinds = self._random.choices(self._kinds, self._weights, k=count)
        return tuple(self._operation(kind, number) for kind in kinds)

    def _level(self) -> Level:
        return self._random.choices(LEVELS, self._levels)[0]

    def _size(self) -> int:
        return self._random.choice(self._sizes)

    def _own(self, number: int) -> bytes:
        return self._random.choice(self._keys.of_client[number])

    def _any(self) -> bytes:
        return self._random.choice(self._all)

    def _operation(  # noqa: C901, PLR0911, PLR0912 - a table of kinds
        self, kind: str, number: int
    ) -> Operation:
        random = self._random
        match kind:
            case "put":
                return ops.Put(self._own(number), self._size(), self._level())
            case "put_nowait":
                level = random.choice(LEVELS[:2])
                return ops.PutNowait(self._own(number), self._size(), level)
            case "delete":
                return ops.Delete(self._own(number), self._level())
            case "batch":
                return self._batch(number)
            case "whole_batch":
                keys = self._keys.of_client[number]
                return ops.Batch(tuple((key, 8) for key in keys), self._level())
            case "pause":
                return ops.Sleep(random.choice((0.0002, 0.0005, 0.001, 0.002)))
            case "cancelled_upkeep":
                upkeep = random.choice((ops.Compact(), ops.Compact(), ops.Flush()))
                return ops.Cancelled(upkeep, random.choice(UPKEEP_SECONDS))
            case "update":
                size = None if random.random() < 0.2 else self._size()
                return ops.Update(self._own(number), size, self._level())
            case "get":
                return ops.Get(self._any())
            case "get_nowait":
                return ops.GetNowait(self._any())
            case "get_many":
                count = random.randrange(6)
                return ops.GetMany(tuple(self._any() for _ in range(count)))
            case "scan":
                return self._scan()
            case "snapshot":
                return self._snapshot()
            case "held_scan":
                return self._held_scan()
            case "compact":
                return self._compact()
            case "cancelled":
                return self._cancelled(number)
            case "common":
                return self._common()
            case _ if kind in SERVICES:
                return draw_service(random, kind, self._keys.of_client[number])
            case _:
                return self._plain(kind)

    def _batch(self, number: int) -> ops.Batch:
        count = self._random.choice((0, 1, 2, 3, 5, 8))
        keys = dict.fromkeys(self._own(number) for _ in range(count))
        return ops.Batch(
            tuple(
                (key, None if self._random.random() < 0.25 else self._size())
                for key in keys
            ),
            self._level(),
        )

    def _scan(self) -> ops.Scan:
        random = self._random
        shape = random.randrange(4)
        low, high = sorted((self._any(), self._any()))
        return ops.Scan(
            prefix=self._any()[: random.randrange(4)] if shape == 1 else None,
            start=low if shape >= 2 else None,
            stop=high if shape == 3 else None,
            reverse=random.random() < 0.5,
            limit=random.choice((None, None, None, 0, 1, 3)),
            keys_only=random.random() < 0.15,
            chunk=random.choice((0, 0, 1, 3, 100)),
        )

    def _snapshot(self) -> Operation:
        slot = self._random.randrange(2)
        match self._random.randrange(5):
            case 0 | 1:
                return ops.SnapshotOpen(slot)
            case 2:
                return ops.SnapshotRead(slot, ops.Get(self._any()))
            case 3:
                return ops.SnapshotRead(slot, self._scan())
            case _:
                return ops.SnapshotClose(slot)

    def _held_scan(self) -> Operation:
        slot = self._random.randrange(2)
        match self._random.randrange(4):
            case 0 | 1:
                return ops.ScanOpen(slot, self._scan())
            case 2:
                return ops.ScanRead(slot, self._random.randrange(1, 4))
            case _:
                return ops.ScanClose(slot)

    def _compact(self) -> ops.Compact:
        if self._random.random() < 0.5:
            return ops.Compact()
        low, high = sorted((self._any(), self._any()))
        return ops.Compact(low, high)

    def _cancelled(self, number: int) -> ops.Cancelled:
        random = self._random
        kind = random.choice(
            (
                *("put", "put", "delete", "batch", "batch", "update"),
                *("get", "get_many", "scan", "sync", "flush", "compact"),
                *("snapshot", "held_scan", "wait_writable", "common", "open_twice"),
            )
        )
        operation = self._operation(kind, number)
        seconds = random.choice((0.0, 0.0, 1e-5, 1e-4, 1e-3, 0.01))
        return ops.Cancelled(operation, seconds)  # type: ignore[arg-type]

    def _common(self) -> Operation:
        random = self._random
        if random.random() < 0.5:
            return ops.Transfer(
                random.randrange(ACCOUNTS),
                random.randrange(ACCOUNTS),
                random.randrange(1, 50),
                self._level(),
            )
        return ops.Swap(
            random.randrange(PLACES), random.randrange(PLACES), self._level()
        )

    def _plain(self, kind: str) -> Operation:  # noqa: PLR0911 a table
        random = self._random
        match kind:
            case "sync":
                return ops.Sync()
            case "flush":
                return ops.Flush()
            case "look":
                return ops.Look()
            case "wait_writable":
                return ops.WaitWritable()
            case "open_twice":
                return ops.OpenTwice(random.random() < 0.5)
            case "mistake":
                wrongs: tuple[ops.Wrong, ...] = (
                    *("key", "value", "level"),
                    *("limit", "large key"),
                )
                return ops.Mistake(random.choice(wrongs))
            case _:
                return ops.Sleep(random.choice((0.0, 0.001, 0.1, 2.0)))


def draw_race(random: Random) -> tuple[tuple[Operation, ...], ...]:
    """Draw what three clients do to two keys that all of them use."""
    keys = [RACE + b"%d" % number for number in range(2)]

    def operation() -> Operation:
        key, level = random.choice(keys), random.choice(LEVELS)
        drawn: tuple[Operation, ...] = (
            ops.Put(key, 0, level),
            ops.Delete(key, level),
            ops.Update(key, 0, level),
            ops.Get(key),
            ops.Get(key),
        )
        return random.choice(drawn)

    return tuple(tuple(operation() for _ in range(3)) for _ in range(3))
