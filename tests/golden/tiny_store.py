"""A tiny store, kept as text: what the first format wrote, every later program reads.

`python -m tests.golden.tiny_store` writes the files in `store/` anew. A new format number is the only
reason to do that, and then the old ones stay beside them.
"""

from pathlib import Path

import tempest
from io_backends import Io, VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import Durability, Options
from tests.golden.hexdump import dump, undump

FILES = Path(__file__).parent / "store"
FOLDER = "store"
OPTIONS = Options(compaction_inline=True, block_bytes=256, segment_bytes_max=16384)
STORE_ID = bytes(15) + b"\1"


def first_value(number: int) -> bytes:
    return b"value %d of the first table; " % number * 3


def content() -> dict[bytes, bytes]:
    """What is in the store: a table, then a closed segment, then frames of a killed process."""
    rows = {b"key %02d" % number: first_value(number) for number in range(12)}
    del rows[b"key 03"]
    return rows | {b"key 04": b"again", b"key 05": b"last", b"key 06": b"os"}


async def write_store() -> VirtualDisk:
    """Return a disk on which the process was killed in its second life."""
    disk = VirtualDisk()
    io = VirtualIo(disk)
    async with tempest.open_store(FOLDER, io=io, options=OPTIONS) as store:
        async with store.batch() as batch:
            for number in range(12):
                batch.put(b"key %02d" % number, first_value(number))
        await store.flush()
        async with store.batch() as batch:
            batch.delete(b"key 03")
            batch.put(b"key 04", b"again")
    async with tempest.open_store(FOLDER, io=io, options=OPTIONS) as store:
        await store.put(b"key 05", b"last")
        await store.put(b"key 06", b"os", durability=Durability.OS)
        return disk.clone()


def read_files() -> dict[str, bytes]:
    """Return the files by name."""
    found = {}
    for path in sorted(FILES.glob("*.hex")):
        first, _, rows = path.read_text().partition("\n")
        size = int(first.removeprefix("size "))
        found[path.stem] = undump(rows, size)
    return found


async def make_disk(io: Io, files: dict[str, bytes]) -> None:
    """Put the files into the store's folder."""
    await io.make_dir(FOLDER)
    for name, data in files.items():
        file = await io.create_exclusive(f"{FOLDER}/{name}")
        await file.write_at(0, data)
        await file.sync()
        await file.aclose()
    await io.sync_dir(FOLDER)


def main() -> None:
    disk = run_seeded(0, write_store)
    FILES.mkdir(exist_ok=True)
    for path in disk.files():
        name, data = Path(path).name, disk.read(path)
        if data:  # the lock of a virtual disk is empty
            text = f"size {len(data)}\n{dump(data)}"
            (FILES / f"{name}.hex").write_text(text)


if __name__ == "__main__":
    main()
