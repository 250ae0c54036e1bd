"""Where `tempest load` takes rows from."""

import io
import os
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from tempest.cli.data import row_line
from tempest.cli.load import BATCH_BYTES_MAX, BATCH_ROWS_MAX, batches
from tempest.cli.output import UsageError
from tempest.cli.sources import Row, Source, json_rows, open_source

rows = st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=50)))


@given(rows)
def test_what_scan_prints_load_reads(pairs: list[tuple[bytes, bytes]]) -> None:
    printed = b"".join(row_line(pair, json=True) for pair in pairs)

    read = list(json_rows(io.BytesIO(printed), "printed"))

    assert [(row.key, row.value) for row in read] == pairs
    assert [row.position for row in read][-1:] in ([], [len(printed)])


def test_a_tree_becomes_paths_and_contents_in_order(tmp_path: Path) -> None:
    files = {"b": b"", "a/z.txt": b"\x00\xff", "a/b/c": b"deep", "a.txt": b"text"}
    for name, content in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    (tmp_path / "link").symlink_to(tmp_path / "b")
    (tmp_path / "empty").mkdir()

    with open_source(str(tmp_path)) as source:
        read = list(source.rows)

    expected = {name.encode(): content for name, content in files.items()}
    assert [(row.key, row.value) for row in read] == sorted(expected.items())
    assert read[-1].position == source.bytes_total == sum(map(len, files.values()))


def test_a_file_name_that_is_no_text_is_kept(tmp_path: Path) -> None:
    name = b"caf\xe9"
    try:
        (tmp_path / os.fsdecode(name)).write_bytes(b"latin")
    except OSError:
        pytest.skip("this filesystem takes UTF-8 names only")

    with open_source(str(tmp_path)) as source:
        assert [row.key for row in source.rows] == [name]


def test_empty_lines_are_skipped() -> None:
    lines = b'\n{"key": "a", "value": "1"}\n  \n{"key_base64": "/w==", "value": ""}'

    read = list(json_rows(io.BytesIO(lines), "lines"))

    assert [(row.key, row.value) for row in read] == [(b"a", b"1"), (b"\xff", b"")]


@pytest.mark.parametrize(
    "line",
    [
        b"{",
        b"[]",
        b'"key"',
        b'{"key": "a"}',
        b'{"value": "a"}',
        b'{"key": 1, "value": "a"}',
        b'{"key": "a", "value": "a", "more": 1}',
        b'{"key": "a", "key_base64": "YQ==", "value": "a"}',
        b'{"key_base64": "!", "value": "a"}',
        b'{"key": "\xff", "value": "a"}',
        b'{"key": "\\ud800", "value": "a"}',
    ],
)
def test_a_line_that_is_no_row_is_named(line: bytes) -> None:
    lines = io.BytesIO(b'{"key": "a", "value": "1"}\n' + line)

    with pytest.raises(UsageError, match=r"Line 2 of 'rows\.jsonl' is no row"):
        list(json_rows(lines, "rows.jsonl"))


def test_a_source_that_is_not_there_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="nowhere"),
        open_source(str(tmp_path / "nowhere")),
    ):
        pass


@given(st.lists(st.integers(0, BATCH_BYTES_MAX), max_size=12), st.integers(0, 600))
def test_batches_keep_order_and_bounds(sizes: list[int], small: int) -> None:
    contents = [b"x" * size for size in sizes] + [b""] * small
    made = [Row(b"%d" % at, value, at) for at, value in enumerate(contents)]

    cut = list(batches(Source("made", None, iter(made))))

    assert [row for batch in cut for row in batch] == made
    for batch in cut:
        before_last = sum(len(row.key) + len(row.value) for row in batch[:-1])
        assert 0 < len(batch) <= BATCH_ROWS_MAX
        assert before_last < BATCH_BYTES_MAX
