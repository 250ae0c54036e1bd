"""Read a table: find a key, or take block after block.

A read asks the filter, finds the block by the last keys of all blocks, takes it from the cache
(or reads, verifies and decodes it), and finds the key in it: a few calls of C builtins.

Invariants
- The file is believed only as far as its checksums, from the manifest's down, were verified.
- Damage is `CorruptionError` with file and offset; a read that failed is never "not there".
- A table in use is not closed: whoever awaits one of its methods holds a pin of `TableCache`.
"""

from bisect import bisect_left
from typing import TYPE_CHECKING

import trio
from xxhash import xxh3_64_intdigest

from io_backends import EndOfFileError, File, Io, NotFoundError
from tempest.columns import Columns, decode_held
from tempest.errors import CorruptionError
from tempest.table.block import Entry, newest
from tempest.table.cache import BlockCache, TableBlocks
from tempest.table.filter import MASKS
from tempest.table.format import decode_block
from tempest.table.meta import TableMeta
from tempest.table.parts import TableParts, cut_short, read_parts

if TYPE_CHECKING:
    from array import array


class Table:
    """An open table. `open` is the only way to make one."""

    __slots__ = (
        "_blocks",
        "_cache",
        "_file",
        "_filter",
        "_index",
        "_last_keys",
        "_marks",
        "_seed",
        "_sequence_max",
        "_slots",
        "_words",
        "_words_count",
        "found",
        "is_used",
        "meta",
        "pins",
    )

    def __init__(
        self, file: File, meta: TableMeta, parts: TableParts, cache: BlockCache
    ) -> None:
        self.meta = meta
        self.pins = 0
        self.is_used = False
        self.found = 0  # the block of what `get_nowait` found last
        self._file = file
        self._cache = cache
        self._seed, self._filter, self._index = parts.seed, parts.bloom, parts.index
        self._blocks = cache.register(len(self._index.last_keys), meta.number)
        # What `get_nowait` needs, one attribute away.
        self._sequence_max = meta.sequence_max
        self._words = self._filter.words
        self._words_count = len(self._words)
        self._last_keys = self._index.last_keys
        self._slots = self._blocks.slots
        self._marks = self._blocks.marks

    @classmethod
    async def open(
        cls, io: Io, path: str, store_id: bytes, meta: TableMeta, cache: BlockCache
    ) -> "Table":
        """Open the table that the manifest means by `meta`, or say how it is not that one."""
        try:
            file = await io.open(path)
        except NotFoundError as error:
            detail = "the manifest names this table and no such file exists"
            raise CorruptionError(path, 0, detail) from error
        try:
            return cls(file, meta, await read_parts(file, store_id, meta), cache)
        except BaseException:
            await file.aclose()
            raise

    @property
    def path(self) -> str:
        return self._file.path

    @property
    def last_keys(self) -> list[bytes]:
        """The greatest key of each block. Not to be changed."""
        return self._last_keys

    @property
    def block_count(self) -> int:
        return len(self._last_keys)

    @property
    def blocks(self) -> TableBlocks:
        """The table's part of the cache."""
        return self._blocks

    @property
    def memory_bytes(self) -> int:
        """Roughly what the open table occupies beside its blocks."""
        return 8 * self._words_count + self._index.memory_bytes + 1000

    def find_block(self, key: bytes) -> int:
        """Return the first block that can hold `key` or a greater one; the count if none."""
        return bisect_left(self._last_keys, key)

    @property
    def offsets(self) -> "array[int]":
        """Where in the file each block starts, and where the last one ends. Not to be changed."""
        return self._index.offsets

    def block_offset(self, index: int) -> int:
        """Return where in the file block `index` stands."""
        return self._index.offsets[index]

    def may_contain(self, key: bytes) -> bool:
        """Ask the filter."""
        return self._filter.may_contain(key)

    def mark(self, key: bytes) -> None:
        """Note that the table, and the block that may hold `key`, are in use."""
        self.is_used = True
        index = self.find_block(key)
        if index < len(self._marks):
            self._marks[index] = 1

    def get_nowait(self, key: bytes, at: int) -> Entry | None:  # noqa: PLR0911 - the hot path
        """Return the newest version of `key` with sequence <= `at`, from memory.

        Raises `trio.WouldBlock` if the block is neither in this cache nor in the system's.

        This is the hot path of every read: the probe of the filter and the search in the block
        stand here in full (`Filter.may_contain` and `block.newest` say the same).

        Measured on the reference machine, 70,000 entries in blocks of 8 KiB, all warm: 0.27 us
        for an absent key; 1.1 for a present one (filter 0.31, last keys 0.15, block 0.10,
        mark and count 0.1, sequence 0.2), 1.7-2.2 where keys and values miss the processor's
        caches; 11 if the block is read from the system's cache and decoded.
        """
        words, count = self._words, self._words_count
        digest = xxh3_64_intdigest(key)
        mask = MASKS[digest & 4095]
        if words[(digest >> 38) % count] & mask != mask:
            return None
        mask = MASKS[digest >> 52]
        if words[(digest >> 12 & 0x3FFFFFF) % count] & mask != mask:
            return None
        index = bisect_left(self._last_keys, key)
        try:
            columns = self._slots[index]
        except IndexError:
            return None  # greater than every key
        if columns is None:
            return self._look_into(index, self.read_nowait(index, index + 1), key, at)
        self._cache.hits += 1
        if self._marks[index] < 2:  # scans leave 1
            self._marks[index] = 2
            self._cache.index(self._blocks, index)
        if at < self._sequence_max:
            return newest(columns, key, at)
        keys = columns.keys
        place = bisect_left(keys, key)
        if keys[place] != key:
            return None
        self.found = index
        kinds = columns.kinds
        return (
            columns.sequence(place),
            kinds[place] if kinds else 0,
            columns.values[place],
        )

    def index_another(self) -> None:
        """Read and index one of the last blocks of all tables that have given no rows yet.

        Does nothing where many are left. Raises what `block_nowait` does.
        """
        index = self._cache.another(self._blocks)
        if index >= 0:
            self.block_nowait(index)
            self._cache.index(self._blocks, index)

    async def get(self, key: bytes, at: int) -> Entry | None:
        """Return what `get_nowait` does; wait for the block if need be."""
        try:
            return self.get_nowait(key, at)
        except trio.WouldBlock:
            index = self.find_block(key)
            data = await self.read(index, index + 1)
            return self._look_into(index, data, key, at)

    def block_nowait(self, index: int) -> Columns:
        """Return block `index` from this cache or the system's, or raise `trio.WouldBlock`."""
        columns = self._slots[index]
        if columns is not None:
            self._marks[index] = 1
            self._cache.hits += 1
            return columns
        return self.block_from(index, index, self.read_nowait(index, index + 1))

    def held_block(self, index: int) -> Columns | None:
        """Return block `index` if it is in this cache."""
        columns = self._slots[index]
        if columns is not None:
            self._marks[index] = 1
            self._cache.hits += 1
        return columns

    def held_blocks(self, places: range) -> list[Columns]:
        """Return the blocks at these places, up to the first that is not in this cache."""
        slots, marks = self._slots, self._marks
        held: list[Columns] = []
        for index in places:
            columns = slots[index]
            if columns is None:
                break
            marks[index] = 1
            held.append(columns)
        self._cache.hits += len(held)
        return held

    def holds(self, index: int) -> bool:
        """Say whether block `index` is in this cache."""
        return self._slots[index] is not None

    async def block(self, index: int) -> Columns:
        """Return block `index`; a checkpoint only if it has to be read from the device."""
        try:
            return self.block_nowait(index)
        except trio.WouldBlock:
            pass
        return self.block_from(index, index, await self.read(index, index + 1))

    def read_nowait(self, low: int, high: int) -> bytes:
        """Return the bytes of blocks [low, high) from the system's cache, or `trio.WouldBlock`."""
        offsets = self._index.offsets
        start = offsets[low]
        try:
            return self._file.read_at_nowait(start, offsets[high] - start)
        except EndOfFileError as error:
            raise cut_short(self._file.path, start) from error

    async def read(self, low: int, high: int) -> bytes:
        """Return the bytes of blocks [low, high)."""
        offsets = self._index.offsets
        start = offsets[low]
        try:
            return await self._file.read_at(start, offsets[high] - start)
        except EndOfFileError as error:
            raise cut_short(self._file.path, start) from error

    def block_from(self, index: int, low: int, data: bytes) -> Columns:
        """Return block `index` out of the bytes that were read from block `low` on."""
        offsets = self._index.offsets
        base = offsets[low]
        block = data[offsets[index] - base : offsets[index + 1] - base]
        keeps = self._cache.wants(self._blocks, index)
        return self._take(index, block, keeps=keeps)

    def drop_blocks(self) -> None:
        """Take the table's blocks out of the cache for good."""
        self._cache.drop(self._blocks)

    async def aclose(self) -> None:
        """Close the file. Idempotent."""
        await self._file.aclose()

    def _look_into(self, index: int, data: bytes, key: bytes, at: int) -> Entry | None:
        """Find a key in a block that was read for it; keep and index the block if that pays."""
        self.found = index
        keeps = self._cache.wants(self._blocks, index)
        columns = self._take(index, data, keeps=keeps)
        if keeps:
            self._cache.index(self._blocks, index)
        return newest(columns, key, at)

    def _take(self, index: int, data: bytes, *, keeps: bool) -> Columns:
        """Verify and decode a block that was read; keep it if it should be."""
        self._cache.misses += 1
        offset, path = self._index.offsets[index], self._file.path
        raw = decode_block(self._seed, offset, data, self._index.checksums[index], path)
        try:
            columns = decode_held(raw, path)
        except ValueError as error:
            raise CorruptionError(path, offset, f"data block: {error}") from error
        if not columns.keys or columns.keys[-1] != self._last_keys[index]:
            raise CorruptionError(
                path, offset, "the block does not end at the key that the index tells"
            )
        if keeps:
            self._cache.keep(self._blocks, index, columns, len(raw))
        return columns
