"""Read what surrounds a table's data, and believe it only if it is what the manifest means.

Invariants
- Header, footer, filter, index and properties were all verified, by checksums and against each
  other, before a `TableParts` exists.
- No length is used before it was bounded by the size of the file.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import attrs
import trio

from io_backends import EndOfFileError, File
from tempest.errors import CorruptionError
from tempest.header import HEADER_SIZE, check_identity, decode_header, place_seed
from tempest.table.filter import Filter
from tempest.table.format import FOOTER_SIZE, Footer, decode_block, decode_footer
from tempest.table.index import TableIndex, decode_index
from tempest.table.meta import TableMeta
from tempest.table.properties import FILTER_TWO_WORDS, decode_properties, difference

_SIZE_MIN = HEADER_SIZE + FOOTER_SIZE


@attrs.frozen
class TableParts:
    """What must be known of a table to read its blocks."""

    seed: int
    bloom: Filter
    index: TableIndex


async def read_parts(file: File, store_id: bytes, meta: TableMeta) -> TableParts:
    """Read and verify everything but the data, or raise `CorruptionError`."""
    path, size = file.path, await file.size()
    if size != meta.size or size < _SIZE_MIN:
        raise CorruptionError(
            path,
            min(size, meta.size),
            f"expected a table of {meta.size} bytes, found {size}",
        )
    expected = meta.header(store_id)
    header = decode_header(await _read(file, 0, HEADER_SIZE), path)
    check_identity(header, expected, path)
    seed = place_seed(expected)
    end = size - FOOTER_SIZE
    footer = decode_footer(
        seed, await _read(file, end, FOOTER_SIZE), meta.checksum, size, path
    )
    start = footer.filter_offset
    tail = _Tail(await _read(file, start, end - start), start, seed, path)
    return tail.decode(footer, meta, end)


class _Tail:
    """The bytes between data and footer: filter, index and properties."""

    def __init__(self, data: bytes, start: int, seed: int, path: str) -> None:
        self._data = data
        self._start = start
        self._seed = seed
        self._path = path

    def decode(self, footer: Footer, meta: TableMeta, end: int) -> TableParts:
        """Return filter and index; `CorruptionError` where they or the properties lie."""
        words = self._payload(
            footer.filter_offset, footer.index_offset, footer.filter_checksum
        )
        rows = self._payload(
            footer.index_offset, footer.properties_offset, footer.index_checksum
        )
        said = self._payload(footer.properties_offset, end, footer.properties_checksum)
        with self._damage_at(footer.properties_offset):
            properties = decode_properties(said)
            if found := difference(meta, properties):
                raise ValueError(f"properties: {found}")
        with self._damage_at(footer.filter_offset):
            known = properties.filter_kind == FILTER_TWO_WORDS
            bloom = Filter.decode(words if known else b"")
        with self._damage_at(footer.index_offset):
            index = decode_index(rows, footer.filter_offset)
            bounds = (index.first_key, index.last_keys[-1], len(index.last_keys))
            if bounds != (meta.smallest, meta.largest, properties.blocks):
                raise ValueError("the index has other bounds than the properties")
        return TableParts(self._seed, bloom, index)

    def _payload(self, start: int, stop: int, checksum: int) -> bytes:
        block = self._data[start - self._start : stop - self._start]
        return decode_block(self._seed, start, block, checksum, self._path)

    @contextmanager
    def _damage_at(self, offset: int) -> Iterator[None]:
        try:
            yield
        except ValueError as error:
            raise CorruptionError(self._path, offset, str(error)) from error


async def _read(file: File, offset: int, length: int) -> bytes:
    """Read from the page cache if that is possible: no thread, no waiting."""
    try:
        try:
            return file.read_at_nowait(offset, length)
        except trio.WouldBlock:
            return await file.read_at(offset, length)
    except EndOfFileError as error:
        raise cut_short(file.path, offset) from error


def cut_short(path: str, offset: int) -> CorruptionError:
    """Return the error for a file that is shorter than it must be."""
    return CorruptionError(path, offset, "the file ends before what stood here")
