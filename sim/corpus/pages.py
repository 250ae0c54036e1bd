"""Published bugs of pages that are overwritten in place (redb, LMDB, bbolt, Badger's manifest)."""

from struct import Struct

from io_backends import SECTOR_BYTES
from sim.corpus.bricks import (
    dump,
    load_numbered,
    read_if_there,
    replace,
    sealed,
    unsealed,
    write_whole,
)
from sim.corpus.case import Case
from sim.corpus.engine import MiniEngine, UnreadableError
from sim.corpus.hunt import Hunt
from sim.corpus.ledger import Changes, State, apply_changes
from sim.corpus.steps import put
from sim.corpus.whole_file import WholeFile

PAGE_BYTES = 1024
HEAD = Struct("<II")


class RewrittenInPlace(WholeFile):
    """Rewrites its manifest in place."""

    async def save(self, state: State) -> None:
        if self.is_mended:
            await super().save(state)
            return
        await write_whole(self.io, self.path, sealed(dump(state)))
        await self.io.sync_dir("/")


class TwoPages(MiniEngine):
    """Writes page 0 and page 1 by turns; the newer page that is whole holds the rows."""

    async def open(self) -> None:
        data = await read_if_there(self.io, "/pages")
        if data is None:
            empty = self.page(0, {}) + self.page(0, {})
            await replace(self.io, "/pages", empty)
            data = empty
        self.file = self.keep(await self.io.open("/pages", writable=True))
        await self.file.sync()
        pages = [data[:PAGE_BYTES], data[PAGE_BYTES:]]
        found = [(*self.parse(page), place) for place, page in enumerate(pages)]
        self.turn, self.state, self.place = max(found, key=lambda item: item[0])
        if self.turn < 0:
            raise UnreadableError("no page is whole")
        await self.repair(pages)

    async def write(self, changes: Changes, *, synced: bool) -> None:
        apply_changes(self.state, changes)
        self.turn, self.place = self.turn + 1, 1 - self.place
        await self.put_page(self.place, self.page(self.turn, self.state))

    async def put_page(self, place: int, page: bytes) -> None:
        await self.file.write_at(place * PAGE_BYTES, page)
        await self.file.sync()

    async def rows(self) -> State:
        return dict(self.state)

    async def repair(self, pages: list[bytes]) -> None:
        """Make both pages whole: the other becomes a copy of the one that was taken."""
        if self.parse(pages[1 - self.place])[0] < 0:
            await self.put_page(1 - self.place, self.page(self.turn, self.state))

    def page(self, turn: int, state: State) -> bytes:
        """Lay out a page so that the turn is in its first sector and the rows in the second."""
        rows = dict(sorted({**state, b"": bytes(SECTOR_BYTES)}.items()))
        return sealed(dump([turn, rows])).ljust(PAGE_BYTES, b"\0")

    def parse(self, page: bytes) -> tuple[int, State]:
        """Return turn and rows of a page; turn -1 if it is not whole."""
        for payload, _ in unsealed(page):
            turn, rows = load_numbered(payload)
            return turn, {k: v for k, v in rows.items() if k and v is not None}
        return -1, {}


class LaunderedPage(TwoPages):
    """Begins its repair by giving the torn page a checksum that fits."""

    async def repair(self, pages: list[bytes]) -> None:
        torn = pages[1 - self.place]
        if self.parse(torn)[0] < 0 and not self.is_mended:
            length, _ = HEAD.unpack_from(torn)
            payload = torn[HEAD.size : HEAD.size + length]
            washed = sealed(payload).ljust(PAGE_BYTES, b"\0")
            await self.put_page(1 - self.place, washed)
            await self.put_page(1 - self.place, self.page(self.turn, self.state))
        await super().repair(pages)


class PageWithoutChecksum(TwoPages):
    """Overwrites the older page and takes the one with the higher turn, torn or not."""

    def parse(self, page: bytes) -> tuple[int, State]:
        if self.is_mended:
            return super().parse(page)
        length, _ = HEAD.unpack_from(page)
        payload = page[HEAD.size : HEAD.size + length]
        return super().parse(sealed(payload))


class CreatedInPlace(MiniEngine):
    """Creates its file under its name: a page with the number of pages, and then those."""

    async def open(self) -> None:
        data = await read_if_there(self.io, "/db")
        if data is None:
            await self.create({})
            data = await read_if_there(self.io, "/db") or b""
        for payload, end in unsealed(data):
            pages, _ = load_numbered(payload)
            start = -(-end // PAGE_BYTES) * PAGE_BYTES
            if len(data) < start + pages * PAGE_BYTES:
                raise UnreadableError("the file is too small for its pages")
            for inner, _ in unsealed(data[start:]):
                self.state = load_numbered(inner)[1]
                return
        raise UnreadableError("invalid database")

    async def create(self, rows: Changes) -> None:
        meta = sealed(dump([1, {}])).ljust(PAGE_BYTES, b"\0")
        leaf = sealed(dump([0, rows])).ljust(PAGE_BYTES, b"\0")
        if self.is_mended:
            await replace(self.io, "/db", meta + leaf)
            return
        await write_whole(self.io, "/db", meta + leaf)
        await self.io.sync_dir("/")

    async def write(self, changes: Changes, *, synced: bool) -> None:
        self.state.update(changes)
        meta = sealed(dump([1, {}])).ljust(PAGE_BYTES, b"\0")
        leaf = sealed(dump([0, self.state])).ljust(PAGE_BYTES, b"\0")
        await replace(self.io, "/db", meta + leaf)

    async def rows(self) -> State:
        return {k: v for k, v in self.state.items() if v is not None}


PAGES = (
    Case(
        name="badger-155-manifest-in-place",
        title="a manifest rewritten in place",
        source="badger#155",
        story=(
            "The manifest is cut off and written again in place; a power cut between leaves none, "
            "or part of one, and the store does not start."
        ),
        make=RewrittenInPlace,
        steps=(put(b"a", b"1"), put(b"b", b"2")),
    ),
    Case(
        name="redb-1290-laundered-page",
        title="a torn page gets a checksum that fits",
        source="redb#1290",
        story=(
            "A commit tears; the next start computes the checksum of the torn page anew and "
            "writes it back before it repairs. A power cut in the repair makes it the valid root."
        ),
        make=LaunderedPage,
        steps=(put(b"a", b"1"), put(b"a", b"2")),
        hunt=Hunt(cuts=False, twice=8),
    ),
    Case(
        name="lmdb-torn-meta",
        title="a torn meta page wins",
        source="ALICE, OSDI'14: LMDB",
        story=(
            "The commit overwrites the older of two meta pages, which has no checksum; half of it "
            "reaches the disk, its number is the higher one, and it points nowhere."
        ),
        make=PageWithoutChecksum,
        steps=(put(b"a", b"1"), put(b"a", b"2"), put(b"a", b"3")),
    ),
    Case(
        name="etcd-torn-creation",
        title="a database torn at its creation",
        source="LazyFS etcd-16, etcd-17, etcd-18",
        story=(
            "The first write of a new database file reaches the disk in part: without its end the "
            "file is too small (SIGBUS there), without its beginning it is invalid."
        ),
        make=CreatedInPlace,
        steps=(put(b"a", b"1"),),
    ),
)
