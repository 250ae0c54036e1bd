"""The bytes on disk are pinned: what one version wrote, every later one reads, and writes alike.

`golden/manifest.hex` is the file of one generation: a header over an empty state, one edit, and the
mark of a clean close; sixteen bytes a line, lines of zeros left out. docs/formats.md explains it.
"""

from pathlib import Path

from journal.framing import SECTOR_BYTES
from journal.reader import replay
from tests.journal.fileset import Edit, FileMeta, FileSet
from tests.journal.world import STORE_ID, impatient, new_disk, open_journal

GOLDEN = Path(__file__).parent / "golden" / "manifest.hex"
EDIT = Edit(
    added=(FileMeta(7, 1, 4096, b"a", b"z", 0xC0FFEE),),
    next_number=8,
    clock=1000,
    segments_added=(3,),
)


def dump(data: bytes) -> str:
    lines = [
        f"{place:04x}: {data[place : place + 16].hex(' ')}\n"
        for place in range(0, len(data), 16)
        if any(data[place : place + 16])
    ]
    return "".join(lines)


def undump(text: str, size: int) -> bytes:
    data = bytearray(size)
    for line in text.splitlines():
        place, _, octets = line.partition(": ")
        start = int(place, 16)
        data[start : start + 16] = bytes.fromhex(octets)
    return bytes(data)


async def test_a_journal_writes_the_golden_bytes() -> None:
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await journal.append(EDIT)
    await journal.aclose()

    assert dump(disk.read(journal.path)) == GOLDEN.read_text()


def test_the_golden_bytes_are_read_back() -> None:
    data = undump(GOLDEN.read_text(), 3 * SECTOR_BYTES)

    loaded = replay("manifest", data, FileSet)

    assert loaded.state == FileSet.initial().apply(EDIT)
    assert (loaded.replayed, loaded.end, loaded.torn_bytes) == (1, 1536, 0)
    assert loaded.header.store_id == STORE_ID
    assert (loaded.header.generation, loaded.header.generation_ceiling) == (1, 65)
