"""`examples/read_checkpoint.py`, written by docs/formats.md alone, sees what the store sees.

O18: the pages are complete if somebody who has read nothing else can read what was written.
"""

import ast
import json
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import attrs
import pytest

import tempest
from examples.read_checkpoint import DamageError, Reader, lz4_block
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointStyle, Compression, Options
from tempest.table.compression import compress
from tests.golden.tiny_store import read_files
from tests.tempest.backup.support import BACKUP, OPTIONS, STORE, fill, read_all

EXAMPLE = Path(__file__).parents[1] / "examples" / "read_checkpoint.py"
KINDS = [
    (CheckpointKind.FULL, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.FULL, CheckpointStyle.SNAPSHOT),
    (CheckpointKind.LOG, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INDEX, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INCREMENTAL, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INCREMENTAL, CheckpointStyle.SNAPSHOT),
]
Content = dict[bytes, bytes]


@attrs.define
class Made:
    """A store on a virtual disk, and what each of its checkpoints holds."""

    disk: VirtualDisk
    contents: dict[bytes, Content] = attrs.field(factory=dict)
    sessions: dict[bytes, dict[str, int]] = attrs.field(factory=dict)

    def put_into(self, folder: Path, name: str = STORE) -> Path:
        """Copy one folder of the disk to the real one."""
        folder.mkdir(exist_ok=True)
        for path in self.disk.files():
            if Path(path).parent.name == name:
                (folder / Path(path).name).write_bytes(self.disk.read(path))
        return folder


async def make(options: Options) -> Made:
    """Take a checkpoint of each kind, writing in between, with compactions and a collection."""
    made = Made(VirtualDisk())
    io = VirtualIo(made.disk)
    for opening in range(2):
        async with tempest.open_store(STORE, io=io, options=options) as store:
            for at, (kind, style) in enumerate(KINDS):
                await fill(store, 5 * at + opening, 6)
                token = await store.checkpoint(kind, style)
                made.contents[token] = await read_all(store)
                made.sessions[token] = await store.sessions()
                if at == 2:
                    await store.compact()
                    await store.collect(1.0)
            await store.put(b"behind", b"all checkpoints")
            await store.backup(BACKUP)
    return made


@pytest.mark.parametrize(
    "compression", [Compression.NONE, Compression.ZLIB, Compression.LZ4]
)
async def test_it_lists_what_the_store_holds(
    compression: Compression, tmp_path: Path
) -> None:
    options = attrs.evolve(OPTIONS, compression=compression, block_bytes=2048)
    made = await make(options)
    for name in (STORE, BACKUP):
        reader = Reader(made.put_into(tmp_path / name, name))
        assert sorted(reader.checkpoints) == sorted(made.contents)
        for token, content in made.contents.items():
            if reader.checkpoints[token].kind == CheckpointKind.INDEX:
                with pytest.raises(DamageError, match="index checkpoint"):
                    dict(reader.entries(token))
                continue
            assert dict(reader.entries(token)) == content
            found = reader.checkpoints[token].sessions
            assert {n.decode(): serial for n, serial in found.items()} == (
                made.sessions[token]
            )


async def test_it_reads_values_that_were_moved_to_value_segments(
    tmp_path: Path,
) -> None:
    made = Made(VirtualDisk())
    io = VirtualIo(made.disk)
    async with tempest.open_store(STORE, io=io, options=OPTIONS) as store:
        await fill(store, 0, 6)
        await fill(store, 10, 6)
        await store.compact()
        report = await store.collect(1.0)
        token = await store.checkpoint()
        content = await read_all(store)
    reader = Reader(made.put_into(tmp_path / STORE))
    firsts = [segment.first for segment in reader.checkpoints[token].segments]

    assert report.values_copied > 0
    assert any(first >= 1 << 62 for first in firsts)
    assert dict(reader.entries(token)) == content


async def test_every_damaged_file_is_refused(tmp_path: Path) -> None:
    """Whatever byte of what it reads is turned, it says so and lists nothing false."""
    made = await make(OPTIONS)
    folder = made.put_into(tmp_path / STORE)
    reader = Reader(folder)
    tokens = [
        t for t, c in reader.checkpoints.items() if c.kind != CheckpointKind.INDEX
    ]
    levels = [level for token in tokens[-2:] for level in reader.levels(token)]
    tables = {f"table-{table.number:012}" for level in levels for table in level}
    names = [path.name for path in folder.glob("manifest-*")]
    newest = max(name for name in names if "." not in name)
    assert tables
    for path in sorted(folder.iterdir()):
        data = path.read_bytes()
        refused = 0
        for place in range(0, len(data), max(1, len(data) // 7)):
            path.write_bytes(
                data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
            )
            with suppress(DamageError):
                refused += 1
                spoilt = Reader(folder)
                for token in tokens[-2:]:
                    assert dict(spoilt.entries(token)) == made.contents[token]
                refused -= 1
        path.write_bytes(data)
        is_read = path.name in tables or path.name == newest
        assert refused or not is_read, path


async def test_a_store_without_checkpoints_has_none(tmp_path: Path) -> None:
    """What the first format wrote is read as well: its records lack the fields that came later."""
    for name, data in read_files().items():
        (tmp_path / name).write_bytes(data)

    assert Reader(tmp_path).checkpoints == {}


@pytest.mark.parametrize("raw", [b"", b"a", b"ab" * 900, bytes(range(256)) * 9])
def test_its_lz4_is_lz4(raw: bytes) -> None:
    if not raw:
        assert lz4_block(b"\0") == b""
        return
    kind, packed = compress(Compression.LZ4, raw)
    if kind is Compression.LZ4:
        assert lz4_block(packed) == raw


def test_it_needs_nothing_of_the_library() -> None:
    tree = ast.parse(EXAMPLE.read_text())
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        (node.module or "").partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom)
    }

    assert imported - set(sys.stdlib_module_names) == {"cbor2", "msgspec", "xxhash"}


async def test_it_is_a_program(tmp_path: Path) -> None:
    made = await make(OPTIONS)
    folder = made.put_into(tmp_path / STORE)
    listed = run(folder)
    assert listed.stdout.split() == [token.decode() for token in made.contents]
    token = next(iter(made.contents))
    rows = [json.loads(line) for line in run(folder, token).stdout.splitlines()]
    assert {row["key"].encode(): row["value"].encode() for row in rows} == (
        made.contents[token]
    )
    wrong = run(folder, b"nonsense")
    assert (wrong.returncode, wrong.stdout) == (1, "")
    assert "no checkpoint 'nonsense'" in wrong.stderr


def run(folder: Path, token: bytes | None = None) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, str(EXAMPLE), str(folder)]
    words += [] if token is None else [token.decode()]
    return subprocess.run(words, capture_output=True, text=True, check=False)
