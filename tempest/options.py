"""How a store behaves: one frozen, validated record, and the words it uses.

Every quantity carries its unit in its name. An option that is out of bounds is an
`InvalidError` that names it, raised where the record is made.

Invariants
- Each option has a test that observes its effect.
- No option changes what the bytes on disk mean: a store opens under any options.
"""

from enum import Enum, IntEnum
from typing import TYPE_CHECKING, TypeVar

import attrs

from tempest.errors import InvalidError

if TYPE_CHECKING:
    from collections.abc import Callable

KIB = 1024
MIB = 1024 * KIB
KEY_BYTES_MAX = 64 * KIB
VALUE_BYTES_MAX = 64 * MIB


class Durability(Enum):
    """What a write has survived by the time it returns.

    `MEMORY`: nothing yet; the next commit of any kind carries it (FASTER's contract).
    `OS`: a killed process; the bytes were handed to the operating system.
    `DISK`: a power cut; the bytes were synced.
    """

    MEMORY = "memory"
    OS = "os"
    DISK = "disk"


class Compression(IntEnum):
    """How table blocks are packed. A block that does not shrink is stored plain."""

    NONE = 0
    ZLIB = 1
    LZ4 = 2
    ZSTD = 3


Number = TypeVar("Number", int, float)
Choice = TypeVar("Choice")


def _between(
    low: Number, high: Number
) -> "Callable[[object, attrs.Attribute[Number], Number], None]":
    """Refuse what is no number of this kind, or out of bounds."""
    wanted = (int,) if type(low) is int else (int, float)

    def check(_: object, attribute: "attrs.Attribute[Number]", value: Number) -> None:
        if type(value) not in wanted:
            raise TypeError(f"{attribute.name} must be a number, not {value!r}")
        if not low <= value <= high:
            raise InvalidError(
                f"{attribute.name} is {value} and must lie between {low} and {high}"
            )

    return check


def _one_of(
    kind: type[Choice],
) -> "Callable[[object, attrs.Attribute[Choice], Choice], None]":
    """Refuse what is not of this type."""

    def check(_: object, attribute: "attrs.Attribute[Choice]", value: Choice) -> None:
        if not isinstance(value, kind):
            raise TypeError(
                f"{attribute.name} must be a {kind.__name__}, not {value!r}"
            )

    return check


@attrs.frozen(kw_only=True)
class Options:
    """Everything that can be chosen about an open store. All have defaults.

    Attributes:
        durability: level of writes that name none. Default `DISK`.
        memtable_bytes_max: bytes of keys and values (and bookkeeping) in the active memtable
            before it is switched and flushed to a table; also how much a flush writes at once.
            1 KiB upwards, default 32 MiB. Up to two more wait for their flush before writers do.
        cache_bytes_max: bytes of decoded blocks, of their rows by key, and of open tables'
            indexes and filters kept for reads. Default 32 MiB; 0 keeps no block between reads.
            One table stays open anyway. Tables (2.6 bytes an entry) may use three quarters of it;
            blocks and rows have what they leave.
        unsynced_bytes_max: log bytes below DISK level after which the store syncs by itself.
            Default 8 MiB.
        segment_bytes_max: size of a log segment file; a larger frame gets one of its own.
            Default 32 MiB.
        batch_bytes_max: largest batch. Default 64 MiB.
        separated_value_bytes_min: values of at least so many bytes stay in the log, and tables
            point to them. Default 32 KiB; more than 64 MiB separates none.
        read_cache_bytes_max: bytes of separated values kept for reads. Default 16 MiB; 0 keeps
            none between reads.
        mutable_fraction: share of `memtable_bytes_max` that the open frame gathers, and updates
            in place, before it is sealed without anybody asking for it. Default 0.1.
        memory_bytes_max: bytes of all memtables at which writers wait; each takes a third of
            them at most. Default None: three times `memtable_bytes_max`.
        log_page_bytes: how much of the log is read at once by scans of it. Default 256 KiB:
            what is in the page cache comes without a thread then.
        stream_retention_bytes: log bytes that a stream of changes, named or open, keeps from
            being removed at most. Default 64 MiB.
        collection_live_share_max: segments of which a smaller share is still pointed to are
            collected by themselves. Default 0.5; 0 collects none.
        checkpoint_interval_seconds: age of the newest automatic checkpoint at which another is
            taken, if anything was written. Default 0: never.
        checkpoint_log_bytes: log bytes since the last automatic checkpoint at which another is
            taken. Default 0: never.
        checkpoint_dirty_bytes: bytes in memtables at which an automatic checkpoint is taken.
            Default 0: never.
        checkpoints_kept: automatic checkpoints that retention keeps, at least 1. Default 2.
        block_bytes: target size of a table block before compression. Default 8 KiB.
        table_bytes_max: target size of a table written by compaction. Default 8 MiB.
        compression: how table blocks are packed. Default LZ4.
        filter_bits_per_key: bits of a table's Bloom filter for each key; 0 makes no filter.
            Default 10 (about one needless block read in a hundred misses).
        level0_tables_max: tables in level 0 that start a compaction; at three times as many
            writers wait. Default 4.
        level_bytes_base: bytes in level 1 that start a compaction. Default 64 MiB.
        level_growth: how much larger each level may be than the one above. Default 10.
        compaction_inline: run flush and compaction in this process, cut into small steps,
            instead of in a worker process. Default False.
        tables_open_max: table files held open at once. Default 256.
        manifest_rotation_bytes_min: manifest size below which it is never rewritten.
            Default 64 KiB.
        resume_seconds_max: how long after a failed write or sync waiters wait for the store
            to resume before it turns read-only. Default 10.
        close_seconds_max: how long closing may take before it gives up. Default 30.
    """

    durability: Durability = attrs.field(
        default=Durability.DISK, validator=_one_of(Durability)
    )
    memtable_bytes_max: int = attrs.field(
        default=32 * MIB, validator=_between(KIB, 4096 * MIB)
    )
    cache_bytes_max: int = attrs.field(
        default=32 * MIB, validator=_between(0, 1024 * 1024 * MIB)
    )
    unsynced_bytes_max: int = attrs.field(
        default=8 * MIB, validator=_between(1, 1024 * MIB)
    )
    segment_bytes_max: int = attrs.field(
        default=32 * MIB, validator=_between(KIB, 1024 * MIB)
    )
    batch_bytes_max: int = attrs.field(
        default=64 * MIB, validator=_between(KIB, 1024 * MIB)
    )
    separated_value_bytes_min: int = attrs.field(
        default=32 * KIB, validator=_between(64, VALUE_BYTES_MAX + 1)
    )
    read_cache_bytes_max: int = attrs.field(
        default=16 * MIB, validator=_between(0, 1024 * 1024 * MIB)
    )
    mutable_fraction: float = attrs.field(default=0.1, validator=_between(0.0, 1.0))
    memory_bytes_max: int | None = attrs.field(
        default=None,
        validator=attrs.validators.optional(_between(KIB, 1024 * 1024 * MIB)),
    )
    log_page_bytes: int = attrs.field(
        default=256 * KIB, validator=_between(4 * KIB, 64 * MIB)
    )
    stream_retention_bytes: int = attrs.field(
        default=64 * MIB, validator=_between(0, 1024 * 1024 * MIB)
    )
    collection_live_share_max: float = attrs.field(
        default=0.5, validator=_between(0.0, 1.0)
    )
    checkpoint_interval_seconds: float = attrs.field(
        default=0.0, validator=_between(0.0, 31_536_000.0)
    )
    checkpoint_log_bytes: int = attrs.field(
        default=0, validator=_between(0, 1024 * 1024 * MIB)
    )
    checkpoint_dirty_bytes: int = attrs.field(
        default=0, validator=_between(0, 1024 * 1024 * MIB)
    )
    checkpoints_kept: int = attrs.field(default=2, validator=_between(1, 10_000))
    block_bytes: int = attrs.field(default=8 * KIB, validator=_between(64, 4 * MIB))
    table_bytes_max: int = attrs.field(
        default=8 * MIB, validator=_between(256, 1024 * MIB)
    )
    compression: Compression = attrs.field(
        default=Compression.LZ4, validator=_one_of(Compression)
    )
    filter_bits_per_key: int = attrs.field(default=10, validator=_between(0, 64))
    level0_tables_max: int = attrs.field(default=4, validator=_between(1, 1000))
    level_bytes_base: int = attrs.field(
        default=64 * MIB, validator=_between(256, 1024 * 1024 * MIB)
    )
    level_growth: int = attrs.field(default=10, validator=_between(2, 100))
    compaction_inline: bool = attrs.field(default=False, validator=_one_of(bool))
    tables_open_max: int = attrs.field(default=256, validator=_between(1, 100_000))
    manifest_rotation_bytes_min: int = attrs.field(
        default=64 * KIB, validator=_between(1, 1024 * MIB)
    )
    resume_seconds_max: float = attrs.field(
        default=10.0, validator=_between(0.0, 86_400.0)
    )
    close_seconds_max: float = attrs.field(
        default=30.0, validator=_between(0.001, 86_400.0)
    )

    @property
    def memory_budget_bytes(self) -> int:
        """Bytes of all memtables at which writers wait."""
        if self.memory_bytes_max is None:
            return 3 * self.memtable_bytes_max
        return self.memory_bytes_max

    @property
    def memtable_share_bytes(self) -> int:
        """Bytes at which the active memtable is switched, so that others fit beside it."""
        return min(self.memtable_bytes_max, self.memory_budget_bytes // 3)
