"""Published bugs of merging: deleted keys that come back (LevelDB, Badger, Scylla, Bitcask, SlateDB).

`TinyLevels` keeps what was written in levels of runs; the level above hides the one below. It is
one file, replaced at each change, for these bugs need no crash: `compact` is where they are.
"""

from collections.abc import Iterable
from typing import cast

import cbor2

from sim.corpus.bricks import (
    ROOT,
    dump,
    load_changes,
    numbered,
    read_record,
    read_whole,
    replace,
    sealed,
    unsealed,
    write_whole,
)
from sim.corpus.case import Case
from sim.corpus.engine import MiniEngine
from sim.corpus.hunt import Hunt
from sim.corpus.ledger import Changes, State, apply_changes
from sim.corpus.steps import COMPACT, FLUSH, REOPEN, both, delete, put
from sim.corpus.tiny_logs import LogStore

Entry = tuple[bytes, int, bytes | None]
Run = list[Entry]
BOTTOM = 2
RUN_ENTRIES = 2
NO_CRASH = Hunt(cuts=False, seeds=20)


class TinyLevels(MiniEngine):
    """Runs of versions in three levels: newest runs first in level 0, one order of keys below."""

    async def open(self) -> None:
        data = await read_record(self.io, "/levels")
        self.sequence, self.memtable, self.levels, self.job = load_levels(data)

    async def save(self) -> None:
        record = dump([self.sequence, self.memtable, self.levels, self.job])
        await replace(self.io, "/levels", sealed(record))

    async def write(self, changes: Changes, *, synced: bool) -> None:
        for key, value in changes.items():
            self.sequence += 1
            self.memtable.insert(0, (key, self.sequence, value))
        await self.save()

    async def rows(self) -> State:
        """Take of each key the version that is found first."""
        seen: Changes = {}
        runs = (run for level in self.levels for run in level)
        for run in (self.memtable, *runs):
            for key, _, value in run:
                seen.setdefault(key, value)
        return {key: value for key, value in seen.items() if value is not None}

    async def flush(self) -> None:
        self.levels[0].insert(0, in_order(self.memtable))
        self.memtable = []
        await self.save()

    def newest(self, *runs: Run, keeps_tombstones: bool) -> Run:
        """Merge runs, newest first: of each key its newest version, if it says anything."""
        merged: dict[bytes, Entry] = {}
        for run in runs:
            for entry in run:
                merged.setdefault(entry[0], entry)
        kept = (e for e in merged.values() if keeps_tombstones or e[2] is not None)
        return in_order(kept)


class SplitKey(TinyLevels):
    """Ends a run between two versions of one key, and moves the runs one by one."""

    async def compact(self) -> None:
        versions = in_order(e for run in self.levels[0] for e in run)
        size = RUN_ENTRIES
        while self.is_mended and splits_a_key(versions, size):
            size += 1
        first, rest = versions[:size], versions[size:]
        self.levels[BOTTOM] = [self.newest(first, keeps_tombstones=False)]
        self.levels[0], self.levels[1] = [], [rest]
        await self.save()


class SkippedLevel(TinyLevels):
    """Merges level 0 into the lowest level past the one between, where the value still is."""

    async def compact(self) -> None:
        between = self.levels[1] if self.is_mended or not self.levels[1] else []
        target = 1 if not self.levels[1] else BOTTOM
        merged = self.newest(
            *self.levels[0],
            *between,
            *self.levels[BOTTOM],
            keeps_tombstones=target != BOTTOM,
        )
        self.levels[0] = []
        self.levels[target] = [merged]
        if between:
            self.levels[1] = []
        await self.save()


class TombstoneDropped(TinyLevels):
    """Merges the newest file alone, and drops a tombstone that an older file still needs."""

    async def compact(self) -> None:
        if not self.levels[0]:
            return
        newest, *older = self.levels[0]
        keeps = self.is_mended and bool(older)
        self.levels[0] = [self.newest(newest, keeps_tombstones=keeps), *older]
        await self.save()


class StaleJob(TinyLevels):
    """Leaves the record of a job that was done by moving a run, and does it again at a start."""

    async def open(self) -> None:
        await super().open()
        if self.job:
            self.levels[1], self.job = [self.job], []
            await self.save()

    async def compact(self) -> None:
        runs = (*self.levels[0], *self.levels[1])
        is_move = len(runs) == 1
        merged = self.newest(*runs, keeps_tombstones=False)
        if is_move:
            self.job = merged
            await self.save()
        self.levels[0], self.levels[1] = [], [merged]
        if self.is_mended:
            self.job = []
        await self.save()


class WrittenBack(LogStore):
    """Collects garbage by writing live values again, one that was deleted meanwhile, too."""

    async def write(self, changes: Changes, *, synced: bool) -> None:
        apply_changes(self.state, changes)
        await self.log.append(dump(changes))
        await self.log.sync()

    async def compact(self) -> None:
        for key, value in list(self.state.items()):
            await self.log.file.size()
            if self.state.get(key) == value or not self.is_mended:
                await self.write({key: value}, synced=True)


class InputsDeletedOneByOne(MiniEngine):
    """Takes every table in the folder for live, and deletes the inputs of a merge one by one."""

    async def open(self) -> None:
        for name in await self.deletions():
            if name in await self.io.list(ROOT):
                await self.io.remove(f"/{name}")
        await self.io.sync_dir(ROOT)
        self.state: State = {}
        names = await self.io.list(ROOT)
        for number in numbered(names, "table"):
            data = await read_whole(self.io, f"/{number}.table")
            for payload, _ in unsealed(data):
                apply_changes(self.state, load_changes(payload))

    async def deletions(self) -> list[str]:
        """Return the tables that a merge was about to delete."""
        data = await read_record(self.io, "/deletions")
        return [] if data is None else data.decode().split()

    async def write(self, changes: Changes, *, synced: bool) -> None:
        names = await self.io.list(ROOT)
        number = max(numbered(names, "table"), default=0) + 1
        await write_whole(self.io, f"/{number}.tmp", sealed(dump(changes)))
        await self.io.rename(f"/{number}.tmp", f"/{number}.table")
        await self.io.sync_dir(ROOT)
        apply_changes(self.state, changes)

    async def rows(self) -> State:
        return dict(self.state)

    async def compact(self) -> None:
        names = [n for n in await self.io.list(ROOT) if n.endswith(".table")]
        if self.state:
            return
        if self.is_mended:
            await replace(self.io, "/deletions", sealed(" ".join(names).encode()))
        for name in names:
            await self.io.remove(f"/{name}")
        await self.io.sync_dir(ROOT)


def splits_a_key(run: Run, size: int) -> bool:
    """Tell whether the first `size` entries end between two versions of one key."""
    return size < len(run) and run[size - 1][0] == run[size][0]


def in_order(entries: Iterable[Entry]) -> Run:
    """Sort by key, the newest version of each first."""
    return sorted(entries, key=lambda entry: (entry[0], -entry[1]))


def load_levels(data: bytes | None) -> tuple[int, Run, list[list[Run]], Run]:
    """Return sequence, memtable, levels and the job that was submitted last."""
    if data is None:
        return 0, [], [[], [], []], []
    sequence, memtable, levels, job = cast(
        "tuple[int, Run, list[list[Run]], Run]", cbor2.loads(data)
    )
    return sequence, memtable, levels, job


LEVELS = (
    Case(
        name="leveldb-184-split-key",
        title="a whole range of deleted keys is back",
        source="leveldb#184",
        story=(
            "A merge ends a table between two versions of one key; the table with the tombstone "
            "moves down alone, and the older version in the level above hides it."
        ),
        make=SplitKey,
        steps=(
            *(put(b"a", b"1"), FLUSH),
            *(put(b"b", b"2"), FLUSH),
            *(delete(b"b"), FLUSH),
            COMPACT,
        ),
        hunt=NO_CRASH,
    ),
    Case(
        name="badger-2278-skipped-level",
        title="a tombstone lands below its value",
        source="badger#2278, #2143",
        story=(
            "A merge from level 0 goes to the lowest level past one that holds the value; the "
            "tombstone is dropped there, and the key is back."
        ),
        make=SkippedLevel,
        steps=(put(b"a", b"1"), FLUSH, COMPACT, delete(b"a"), FLUSH, COMPACT),
        hunt=NO_CRASH,
    ),
    Case(
        name="badger-2310-written-back",
        title="garbage collection writes a deleted value back",
        source="badger#2310",
        story=(
            "Garbage collection of the value log reads a live value; it is deleted; then the "
            "collection writes it again, as the newest version."
        ),
        make=WrittenBack,
        steps=(put(b"a", b"1"), both(COMPACT, delete(b"a"))),
        hunt=NO_CRASH,
    ),
    Case(
        name="scylla-4082-inputs-one-by-one",
        title="the tombstone's table is deleted before the value's",
        source="scylladb#4082",
        story=(
            "The inputs of a merge are deleted one by one; a power cut in between leaves the "
            "table with the value and not the one with the tombstone."
        ),
        make=InputsDeletedOneByOne,
        steps=(put(b"a", b"1"), delete(b"a"), COMPACT),
    ),
    Case(
        name="bitcask-82-tombstone-dropped",
        title="a merge drops a tombstone that is still needed",
        source="bitcask#82",
        story=(
            "A merge of the newer file drops its tombstones although the older file with the "
            "values has no part in it; after a restart the keys are back."
        ),
        make=TombstoneDropped,
        steps=(put(b"a", b"1"), FLUSH, delete(b"a"), FLUSH, COMPACT),
        hunt=NO_CRASH,
    ),
    Case(
        name="slatedb-2002-stale-job",
        title="a compaction that was done is done again",
        source="slatedb#2002",
        story=(
            'A compaction is done by moving a table and its record stays "submitted"; the next '
            "start takes it up again and brings back what has since been overwritten."
        ),
        make=StaleJob,
        steps=(
            *(put(b"a", b"1"), FLUSH, COMPACT),
            *(put(b"a", b"2"), FLUSH, COMPACT),
            *(REOPEN, put(b"b", b"3")),
        ),
        hunt=NO_CRASH,
    ),
)
