"""Bugs of reading: memtables, scans, snapshots, bounds, and the order in which sources are asked."""

import attrs

from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

SCANNING = Directed(
    mix={"put": 6, "delete": 2, "scan": 8, "flush": 0.5, "batch": 1},
    options={"block_bytes": (64, 512), "table_bytes_max": (256, 1 << 16)},
    keys=12,
    sizes=(0, 8),
    lives=1,
    operations=40,
    last=20,
)
HOLDING = Directed(
    mix={"put": 8, "delete": 3, "snapshot": 6, "held_scan": 6, "get": 2, "flush": 0.3},
    keys=3,
    sizes=(0, 8),
    lives=1,
    operations=50,
    last=30,
)
PENDING = Directed(
    mix={"put": 8, "delete": 2, "get": 8, "scan": 3, "snapshot": 4, "update": 2},
    keys=2,
    sizes=(0, 8),
    levels=(1, 1, 3),
    clients=3,
    lives=1,
    operations=60,
    latencies=((0.001, 0.0), (0.0, 0.004)),
)
LAYERED = Directed(
    mix={"put": 8, "delete": 3, "get": 4, "scan": 2, "flush": 4},
    keys=4,
    options={"level0_tables_max": 4, "block_bytes": (64, 512)},
    lives=1,
    operations=40,
    last=20,
)

READ_BUGS: tuple[Planted, ...] = (
    Planted.edit(
        "read-asks-the-oldest-table-first",
        "tables are asked newest first: the first hit wins (T23)",
        Edit(
            "tempest.reader:Lookup.tables",
            "for table in self.level0:",
            "for table in reversed(self.level0):",
        ),
        Edit(
            "tempest.reader:Lookup.is_newest",
            "for table in self.level0:",
            "for table in reversed(self.level0):",
        ),
        Edit(
            "tempest.reader:Reader._search_tables",
            "for meta in lookup.level0:",
            "for meta in reversed(lookup.level0):",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "read-passes-a-tombstone",
        "a tombstone answers; nobody looks below it (T22)",
        Edit(
            "tempest.reader:Reader._search_waiting",
            "    if entry is not None:\n        return entry.value\n",
            "    if entry is not None and entry.value is not None:\n        return entry.value\n",
        ),
        Edit(
            "tempest.reader:Reader.search_nowait",
            "if entry is not None and (",
            "if entry is not None and entry.value is not None and (",
        ),
        Edit(
            "tempest.reader:Reader.get_many_nowait",
            "if entry is not None:",
            "if entry is not None and entry.value is not None:",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "read-of-a-pending-version",
        "a version in memory is the answer only if it, or all there, is visible",
        Edit(
            "tempest.reader:Reader.search_nowait",
            "(active.last_sequence <= at or entry.sequence <= at)",
            "(active.last_sequence - len(active) <= at or entry.sequence <= at)",
        ),
        draw=PENDING,
    ),
    Planted.edit(
        "row-of-a-pointer",
        "rows are values of puts that are alone with their key",
        Edit(
            "tempest.table.cache:_plain_rows",
            "not (kinds and kinds[place])\n        and ",
            "",
        ),
        draw=Directed(
            mix={"put": 8, "get": 8, "flush": 3},
            options={"separated_value_bytes_min": 64},
            keys=3,
            sizes=(30, 100),
            lives=1,
            operations=40,
            last=20,
        ),
    ),
    Planted.edit(
        "row-outlives-a-write",
        "a key that is written has no row any more",
        Edit("tempest.memtable:Memtable.put", "if self.rows.is_used:", "if False:"),
        Edit("tempest.spot:Spot.put_memory", "if active.rows.is_used:", "if False:"),
        Edit("tempest.spot:Spot.put_os", "if active.rows.is_used:", "if False:"),
        draw=LAYERED,
    ),
    Planted.edit(
        "lone-row-outlives-a-write",
        "a key that is written has no lone row any more either",
        Edit(
            "tempest.table.row_cache:RowCache.forget",
            "if self.lone.bytes:",
            "if False:",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "row-of-what-a-write-hides",
        "a key that is in memory gets no row with its block",
        Edit("tempest.table.cache:BlockCache.index", "rows.forget_all(in_memory)", ""),
        draw=LAYERED,
    ),
    Planted.edit(
        "row-of-a-table-below-another",
        "a block gives rows only if no newer table has keys of its range",
        Edit(
            "tempest.reader:Reader._newest_in",
            "if not self.lookup().is_newest(number, keys[0], keys[-1]):",
            "if False:",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "row-while-a-write-is-pending",
        "what is read below a write that is not visible yet gets no row",
        Edit(
            "tempest.reader:Reader._search_waiting",
            "is_newest = not memtables.has(key)",
            "is_newest = True",
        ),
        draw=attrs.evolve(
            PENDING, mix={"put": 8, "get": 12, "flush": 3}, sizes=(8, 30)
        ),
    ),
    Planted.edit(
        "row-is-newer-than-the-reader",
        "a row serves a snapshot only if no table has anything newer than that",
        Edit(
            "tempest.reader:Reader._search_past",
            "if at >= self.lookup().sequence_max:",
            "if True:",
        ),
        draw=attrs.evolve(
            HOLDING, mix={"put": 8, "get": 12, "snapshot": 8, "flush": 3}, sizes=(8, 30)
        ),
    ),
    Planted.edit(
        "rows-are-whole-beside-a-closed-table",
        "what has no row is nowhere only if the rows of all tables are known",
        Edit(
            "tempest.reader:Reader._is_whole",
            "self.tables.peek(table.number) is not None",
            "True",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "scan-yields-tombstones",
        "a scan gives no row for a deleted key (T24)",
        Edit(
            "tempest.row_merger:RowMerger._next_parts",
            "if marks & HIDES:",
            "if False:",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "scan-limit-counts-from-the-wrong-end",
        "a reverse scan gives the highest rows",
        Edit(
            "tempest.short_scan:_of_one",
            "names = memtable.keys(start, stop, reverse=wanted.reverse, count=count)",
            "names = memtable.keys(start, stop, reverse=False, count=count)",
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-limit-reaches-beyond-what-a-table-gave",
        "a scan of few rows goes no further than it has seen of every table",
        Edit(
            "tempest.short_scan:_Gathered.merged",
            "if self.is_narrowed:",
            "if False:",
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-limit-holds-for-each-chunk",
        "a limit bounds the whole scan",
        Edit("tempest.scan:Scan.step", "self.left -= count", "pass"),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-prefix-end-too-low",
        "the end of a prefix lies above every key that begins with it (T28)",
        Edit(
            "tempest.keys:prefix_end",
            "return stem[:-1] + bytes([stem[-1] + 1])",
            'return prefix + b"."',
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-start-is-exclusive",
        "the lower bound is inclusive, also in memory",
        Edit(
            "tempest.ordered_keys:OrderedKeys.forward",
            "low = 0 if found else bisect_left(chunk, start)",
            "low = 0 if found else bisect_right(chunk, start)",
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-stop-is-inclusive-in-reverse",
        "the upper bound is exclusive, also in reverse",
        Edit(
            "tempest.ordered_keys:OrderedKeys.backward",
            "high = len(chunk) if stop is None else bisect_left(chunk, stop)",
            "high = len(chunk) if stop is None else bisect_right(chunk, stop)",
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-loses-keys-above-the-last",
        "a chunk's last key grows with the chunk",
        Edit(
            "tempest.ordered_keys:OrderedKeys._merge",
            "    self._lasts[index] = chunk[-1]\n",
            "",
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "scan-sees-later-writes",
        "a scan sees one moment: the one at which it was opened",
        Edit(
            "tempest.row_heads:rows_of_memtable",
            "entry = found if found.sequence <= at else table.get(key, at)",
            "entry = found",
        ),
        draw=HOLDING,
    ),
    Planted.edit(
        "scan-takes-versions-before-it-filters",
        "the newest version at or below a position is visible, not the newest of all",
        Edit(
            "tempest.row_heads:rows_of_memtable",
            "entry = found if found.sequence <= at else table.get(key, at)",
            "entry = found if found.sequence <= at else None",
        ),
        draw=HOLDING,
    ),
    Planted.edit(
        "scan-keeps-no-position",
        "what a scan can see is kept until it is closed",
        Edit(
            "tempest.scan:Scan.__init__",
            "self._position = parts.positions.take(at)",
            "self._position = at",
        ),
        Edit(
            "tempest.scan:Scan.close",
            "        self._parts.positions.release(self._position)\n",
            "",
        ),
        draw=HOLDING,
    ),
    Planted.edit(
        "memtable-overwrites-what-a-snapshot-sees",
        "a version stays while a position lies at it (T24)",
        Edit(
            "tempest.memtable:Memtable.put",
            "taken[-1] >= old.sequence",
            "taken[-1] > old.sequence",
        ),
        draw=attrs.evolve(HOLDING, levels=(1, 0, 0)),
    ),
    Planted.edit(
        "memtable-overwrites-what-is-visible",
        "a version stays while its successor is not visible yet",
        Edit(
            "tempest.memtable:Memtable.put",
            "entry.sequence > visible or (taken and taken[-1] >= old.sequence)",
            "taken and taken[-1] >= old.sequence",
        ),
        draw=PENDING,
    ),
    Planted.edit(
        "memtable-answers-with-the-oldest",
        "of the versions at or below a position, the newest answers",
        Edit(
            "tempest.memtable:Memtable.get",
            "reversed(self._older.get(key, ()))",
            "self._older.get(key, ())",
        ),
        draw=HOLDING,
    ),
    Planted.edit(
        "memtable-forgets-the-middle",
        "a chained version stays while a position lies between it and its successor",
        Edit(
            "tempest.memtable:_seen",
            "return index < len(taken) and taken[index] < successor",
            "return index < len(taken) and taken[index] < sequence",
        ),
        draw=HOLDING,
    ),
    Planted.edit(
        "batch-deletes-nothing",
        "a delete in a batch is a delete",
        Edit(
            "tempest.batch:Batch.delete", "self._add(key, None)", 'self._add(key, b"")'
        ),
        draw=SCANNING,
    ),
    Planted.edit(
        "merge-beyond-what-it-has",
        "a merge cuts where the first of its sources ends",
        Edit(
            "tempest.row_merger:RowMerger._cut",
            "if cut is None or reach < cut:",
            "if cut is None or reach > cut:",
        ),
        draw=LAYERED,
    ),
    Planted.edit(
        "merge-reverse-beyond-what-it-has",
        "a reverse merge cuts where the first of its sources ends",
        Edit(
            "tempest.row_merger:RowMerger._cut",
            "if cut is None or reach > cut:",
            "if cut is None or reach < cut:",
        ),
        draw=LAYERED,
    ),
)
