"""A store with all that came to the format later, kept as text: every later program reads it.

A checkpoint of each style, a session, a value in the log and one that was collected into a value
segment. `python -m tests.golden.checkpointed_store` writes the files in `checkpointed/` anew.
"""

from pathlib import Path

import attrs

import tempest
from io_backends import VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import CheckpointKind, CheckpointStyle, Options
from tests.golden.hexdump import dump, undump
from tests.golden.tiny_store import FOLDER

FILES = Path(__file__).parent / "checkpointed"
OPTIONS = Options(
    compaction_inline=True,
    block_bytes=256,
    segment_bytes_max=2048,
    separated_value_bytes_min=256,
    level0_tables_max=100,
    collection_live_share_max=0.0,
)
SESSION = "importer"
COOKIES = (b"first", b"second", b"third")


def large(number: int) -> bytes:
    return b"large value %d; " % number * 30


@attrs.frozen
class Made:
    """What is in the store, and in each of its checkpoints, by cookie."""

    disk: VirtualDisk
    content: dict[bytes, bytes]
    checkpoints: dict[bytes, dict[bytes, bytes]]


async def write_store() -> Made:
    """Return a disk on which the process was killed in its first life."""
    disk = VirtualDisk()
    rows: dict[bytes, bytes] = {}
    checkpoints: dict[bytes, dict[bytes, bytes]] = {}
    async with tempest.open_store(FOLDER, io=VirtualIo(disk), options=OPTIONS) as store:

        async def put(key: bytes, value: bytes) -> None:
            rows[key] = value
            await store.put(key, value)

        for number in range(6):
            await put(b"large %d" % number, large(number))
        await store.flush()
        for number in range(1, 6, 2):
            await put(b"large %d" % number, b"small now")
        await store.compact()
        await store.collect(1.0)
        async with store.session(SESSION) as session:
            for number in range(3):
                rows[b"row %d" % number] = b"imported"
                await session.put(b"row %d" % number, b"imported")
        await store.checkpoint(cookie=COOKIES[0])
        checkpoints[COOKIES[0]] = dict(rows)
        await put(b"large 7", large(7))
        snapshot = CheckpointStyle.SNAPSHOT
        await store.checkpoint(CheckpointKind.INCREMENTAL, snapshot, COOKIES[1])
        checkpoints[COOKIES[1]] = dict(rows)
        await store.delete(b"row 0")
        del rows[b"row 0"]
        await put(b"large 8", large(8))
        await store.checkpoint(CheckpointKind.LOG, cookie=COOKIES[2])
        checkpoints[COOKIES[2]] = dict(rows)
        await put(b"last", b"after all checkpoints")
        return Made(disk.clone(), rows, checkpoints)


def read_files() -> dict[str, bytes]:
    """Return the files by name."""
    found = {}
    for path in sorted(FILES.glob("*.hex")):
        first, _, rows = path.read_text().partition("\n")
        found[path.stem] = undump(rows, int(first.removeprefix("size ")))
    return found


def main() -> None:
    disk = run_seeded(0, write_store).disk
    FILES.mkdir(exist_ok=True)
    for old in FILES.glob("*.hex"):
        old.unlink()
    for path in disk.files():
        name, data = Path(path).name, disk.read(path)
        if data:  # the lock of a virtual disk is empty
            (FILES / f"{name}.hex").write_text(f"size {len(data)}\n{dump(data)}")


if __name__ == "__main__":
    main()
