"""Names of tables, and the ranges they cover."""

import attrs
import pytest

from tempest.header import FileHeader, FileKind
from tempest.options import Compression, Options
from tempest.table import TableOptions, table_name, table_number
from tests.tempest.table.support import STORE_ID, build, puts


@pytest.mark.parametrize("number", [0, 1, 999_999_999_999, 10**12, 2**63])
def test_a_number_is_read_back_from_its_name(number: int) -> None:
    assert table_number(table_name(number)) == number


@pytest.mark.parametrize(
    "name",
    [
        *("", "7", "table-", "table-7", "table-00000000000x", "table--00000000007"),
        *("log-000000000007", "000000000007", "table-000000000007.tmp"),
        "table-00000000000\u0667",
    ],
)
def test_any_other_name_has_no_number(name: str) -> None:
    """T16: files that are not ours are left alone."""
    assert table_number(name) is None


def test_overlap_is_inclusive_on_both_sides() -> None:
    meta = attrs.evolve(build(puts(1))[1], smallest=b"c", largest=b"f")
    assert meta.overlaps(b"a", b"c")
    assert meta.overlaps(b"f", b"z")
    assert meta.overlaps(b"d", b"e")
    assert not meta.overlaps(b"a", b"b")
    assert not meta.overlaps(b"g", b"z")


def test_the_header_is_that_of_the_file() -> None:
    meta = build(puts(1), number=7, life=2)[1]
    assert meta.header(STORE_ID) == FileHeader(FileKind.TABLE, STORE_ID, 2, 7)


def test_table_options_are_those_of_the_store() -> None:
    options = Options(
        block_bytes=1000, compression=Compression.ZLIB, filter_bits_per_key=3
    )
    assert TableOptions.of(options) == TableOptions(1000, Compression.ZLIB, 3)
    assert TableOptions.of(Options()) == TableOptions()
