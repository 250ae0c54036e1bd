"""What a victim writes: an endless run of writes, decided by a seed and the number of its life.

Both sides of the kill make the same run, so the only thing that has to be noted outside the
store is how far the victim has come. No value is written twice, so that a write which was lost
and comes back in a later life is told from the one that took its place.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from random import Random

import attrs

from tempest import Compression, Durability, Options

MEMORY, OS, DISK = Durability.MEMORY, Durability.OS, Durability.DISK
KIB = 1024
KEYS = tuple(b"key-%03d" % number for number in range(300))
ENTRIES_MAX = 8
ENTRIES_LARGE = 600  # more than enter in one step
MOOD_WRITES_MAX = 40
DELETED_SHARE = 0.3


class Manner(Enum):
    """How a write is made. The last three write nothing, but promise what was written."""

    PUT = "put"
    NOWAIT = "nowait"
    UPDATE = "update"
    BATCH = "batch"
    SYNC = "sync"
    FLUSH = "flush"
    COMPACT = "compact"


MANNERS = (Manner.PUT, Manner.NOWAIT, Manner.UPDATE, Manner.BATCH)
PROMISES = (Manner.SYNC, Manner.FLUSH, Manner.COMPACT)
MOODS = {  # weights of the manners in a stretch of writes
    MEMORY: (8, 4, 1, 1, 0, 0, 0),
    OS: (8, 4, 2, 3, 0, 0, 0),
    DISK: (8, 0, 2, 4, 1, 1, 1),
}


@attrs.frozen
class Write:
    """One step of a victim. `entries` take effect together; value None deletes."""

    manner: Manner
    level: Durability
    entries: Mapping[bytes, bytes | None]


def writes(seed: int, life: int) -> Iterator[Write]:
    """Yield a life's writes, in moods of a level each; the first is number 1."""
    random = Random(f"writes {seed} {life}")
    number = 0
    while True:
        level = random.choice(tuple(MOODS))
        for _ in range(random.randint(1, MOOD_WRITES_MAX)):
            number += 1
            (manner,) = random.choices((*MANNERS, *PROMISES), MOODS[level])
            label = b"%d.%d." % (life, number)
            yield Write(manner, level, _entries(random, manner, label))


def _entries(random: Random, manner: Manner, label: bytes) -> dict[bytes, bytes | None]:
    if manner in PROMISES:
        return {}
    if manner is not Manner.BATCH:
        return {random.choice(KEYS): _value(random, label)}
    if random.random() < 0.02:
        rows = (b"row-%03d" % number for number in range(ENTRIES_LARGE))
        return {row: label + row for row in rows}
    keys = random.sample(KEYS, random.randint(2, ENTRIES_MAX))
    return {key: _value(random, label) for key in keys}


def _value(random: Random, label: bytes) -> bytes | None:
    if random.random() < DELETED_SHARE:
        return None
    (size,) = random.choices((200, 4 * KIB, 40 * KIB), (90, 9, 1))
    return label + random.randbytes(random.randrange(size))


def options_of(seed: int, life: int) -> Options:
    """Choose a life's options: so small that it flushes, compacts and rotates all the time.

    Lives take turns in who compacts: worker processes or the victim itself.
    """
    random = Random(f"options {seed} {life}")
    return Options(
        memtable_bytes_max=random.choice((2, 8, 32)) * KIB,
        segment_bytes_max=random.choice((4, 16, 64)) * KIB,
        table_bytes_max=random.choice((2, 8)) * KIB,
        block_bytes=random.choice((256, 2048)),
        level0_tables_max=random.choice((1, 4)),
        level_bytes_base=random.choice((8, 64)) * KIB,
        level_growth=random.choice((2, 10)),
        unsynced_bytes_max=random.choice((4, 64, 8192)) * KIB,
        manifest_rotation_bytes_min=random.choice((1, 64)) * KIB,
        cache_bytes_max=random.choice((0, 64)) * KIB,
        compression=random.choice((Compression.NONE, Compression.LZ4)),
        compaction_inline=life % 2 == 0,
    )
