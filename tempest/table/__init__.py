"""Tables: sorted, immutable, checksummed files of entries, and the caches to read them by."""

from tempest.table.block import Entry as Entry, pointers_of as pointers_of
from tempest.table.builder import TableBuilder as TableBuilder
from tempest.table.cache import BlockCache as BlockCache
from tempest.table.check import check_table as check_table
from tempest.table.compression import check_available as check_available
from tempest.table.cursor import (
    UNPACKED_BYTES_STEP as UNPACKED_BYTES_STEP,
    TableCursor as TableCursor,
)
from tempest.table.meta import (
    TableMeta as TableMeta,
    TableOptions as TableOptions,
    table_name as table_name,
    table_number as table_number,
)
from tempest.table.reader import Table as Table
from tempest.table.row_cache import RowCache as RowCache
from tempest.table.table_cache import TableCache as TableCache

__all__ = [
    "UNPACKED_BYTES_STEP",
    "BlockCache",
    "Entry",
    "RowCache",
    "Table",
    "TableBuilder",
    "TableCache",
    "TableCursor",
    "TableMeta",
    "TableOptions",
    "check_available",
    "check_table",
    "pointers_of",
    "table_name",
    "table_number",
]
