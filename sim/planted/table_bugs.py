"""Bugs of tables: checksums, bounds, filters, blocks, caches, handles."""

from random import Random

from io_backends import READS, BitFlip, Fault
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

TABLES = "store/table-*"


def _flipping(random: Random) -> tuple[Fault, ...]:
    """A bit flips on the way from a table."""
    return (BitFlip(at=random.randrange(20, 60), path=TABLES, kinds=READS),)


# Small tables of small blocks, read in every way.
READING = Directed(
    mix={
        "put": 6,
        "delete": 2,
        "flush": 2,
        "compact": 1,
        "get": 4,
        "scan": 4,
        "snapshot": 4,
        "get_many": 1,
    },
    options={
        "block_bytes": 64,
        "table_bytes_max": (256, 700),
        "level_bytes_base": (256, 1000),
        "level0_tables_max": (1, 4),
        "cache_bytes_max": (0, 2000, 1 << 20),
        "tables_open_max": (1, 2, 256),
    },
    keys=12,
    sizes=(0, 30, 60),
    lives=1,
    operations=40,
    last=20,
)
REMEMBERING = Directed(
    mix={"put": 6, "delete": 2, "flush": 4, "snapshot": 8, "compact": 0.5},
    options={"block_bytes": (64, 4096), "level0_tables_max": (1, 4)},
    keys=2,
    lives=1,
    operations=60,
)
ROTTING = Directed(
    mix={"put": 4, "batch": 2, "flush": 1, "get": 1},
    options={"block_bytes": 64, "compression": "NONE"},
    keys=12,
    sizes=(60, 100),
    lives=2,
    operations=10,
    endings=("close",),
    last=4,
    damages=(("rot", "table"),),
)
DISTURBED = Directed(
    mix={"put": 4, "get": 4, "flush": 3, "get_many": 1, "scan": 1},
    options={"cache_bytes_max": 0, "tables_open_max": 1},
    keys=6,
    lives=1,
    operations=30,
    endings=("close",),
    faults=_flipping,
)
WAITING = Directed(
    mix={"put": 3, "get": 8, "get_many": 2, "scan": 3, "flush": 2, "compact": 0.5},
    options={
        "cache_bytes_max": 0,
        "tables_open_max": 1,
        "level0_tables_max": (1, 4),
        "table_bytes_max": 256,
    },
    clients=4,
    operations=60,
    lives=1,
    endings=("close",),
    latencies=((0.001, 0.0), (0.0, 0.004)),
    uncached=(100,),
)


TABLE_BUGS: tuple[Planted, ...] = (
    Planted.edit(
        "table-block-checksum-dropped",
        "nothing of a block is believed before its checksum held (T20)",
        Edit(
            "tempest.table.format:decode_block",
            "if found != expected or checksum != expected:",
            "if False:",
        ),
        draw=ROTTING,
    ),
    Planted.edit(
        "table-wrong-block-believed",
        "a block verifies only as the very block that the index means",
        Edit(
            "tempest.table.reader:Table._take",
            "offset, path = self._index.offsets[index], self._file.path",
            "offset, path = self._index.offsets[0], self._file.path",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-bounds-too-narrow",
        "a table's bounds hold every key of it (T12)",
        Edit(
            "tempest.table.builder:TableBuilder._data_block",
            "self._last_keys.append(columns.keys[-1])",
            "self._last_keys.append(columns.keys[0])",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-filter-denies",
        "a key that was added to a filter is never denied",
        Edit(
            "tempest.table.filter:FilterBuilder.add",
            "    count = len(digests)\n",
            "    digests = digests[1:]\n    count = len(digests)\n",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-index-finds-next-block",
        "a key equal to a block's last key is in that block",
        Edit(
            "tempest.table.reader:Table.find_block",
            "return bisect_left(self._last_keys, key)",
            "return sum(last <= key for last in self._last_keys)",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-versions-split-across-blocks",
        "a block ends only between two keys (A9)",
        Edit(
            "tempest.table.pending:Pending.cuts",
            "cut = end_of_key(keys, stop - 1 if alone else stop)",
            "cut = stop - 1 if alone else stop",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-get-ignores-sequence",
        "a read at a sequence sees nothing that is newer",
        Edit(
            "tempest.table.reader:Table.get_nowait",
            "if at < self._sequence_max:",
            "if False:",
        ),
        draw=REMEMBERING,
    ),
    Planted.edit(
        "table-newest-is-exclusive",
        "a version is visible at its own sequence",
        Edit("tempest.table.block:newest", "if sequence <= at:", "if sequence < at:"),
        draw=REMEMBERING,
    ),
    Planted.edit(
        "table-clip-includes-stop",
        "the end of a range is exclusive",
        Edit(
            "tempest.row_heads:TableHead._show",
            "bisect_left(keys, stop, low)",
            "bisect_right(keys, stop, low)",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-cursor-skips-last-block",
        "a cursor reads the block in which its range ends",
        Edit(
            "tempest.table.cursor:TableCursor._place",
            "table.find_block(self._stop) + 1",
            "table.find_block(self._stop)",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-reverse-begins-a-block-early",
        "a reverse scan begins with the last block of its range",
        Edit(
            "tempest.table.cursor:TableCursor._place",
            "return self._blocks_high - 1 if self._reverse else self._blocks_low",
            "if self._reverse and self._blocks_high - self._blocks_low > 1:\n"
            "        self._blocks_high -= 1\n"
            "    return self._blocks_high - 1 if self._reverse else self._blocks_low",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-cache-serves-another-file",
        "a cached block belongs to one file",
        Edit(
            "tempest.table.cache:BlockCache.register",
            "return TableBlocks(self._serial, count, number)",
            "known = (blocks for blocks, _ in self._queue.values())\n"
            "    own = TableBlocks(self._serial, count, number)\n"
            "    return next((each for each in known if len(each.slots) == count), own)",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-cache-forgets-to-let-go",
        "blocks in slots are exactly those in the queue, within the budget",
        Edit(
            "tempest.table.cache:BlockCache._make_room",
            "blocks.slots[index] = None",
            "pass",
        ),
        draw=READING,
    ),
    Planted.edit(
        "table-closed-while-pinned",
        "a pinned table is never closed",
        Edit(
            "tempest.table.table_cache:TableCache._shrink",
            "if table.pins or table.is_used:",
            "if table.is_used:",
        ),
        Edit(
            "tempest.table.table_cache:TableCache._close_evicted",
            "for table in self._evicted if not table.pins",
            "for table in self._evicted",
        ),
        draw=WAITING,
    ),
    Planted.edit(
        "table-handle-leaked-on-damage",
        "whatever fails on the way in, the file is closed (T25)",
        Edit(
            "tempest.table.reader:Table.open",
            "        await file.aclose()\n",
            "        pass\n",
        ),
        draw=DISTURBED,
    ),
    Planted.edit(
        "table-second-opener-leaks",
        "of two tasks that open a table, one handle is closed",
        Edit(
            "tempest.table.table_cache:TableCache._open",
            "        self._evicted.append(opened)\n",
            "",
        ),
        draw=WAITING,
    ),
)
