"""Read a stretch of a file in order, a page at a time.

Single buffered, a page is read when something in it is asked for. Double buffered, the page after
it is read meanwhile, in a nursery that the caller opens around the scan:

    async with trio.open_nursery() as nursery:
        pages = PageReader(file, stop, page_bytes, nursery)

Invariants
- Going forward, no byte is read twice: what of the old page is asked for again is kept.
- Nothing at or above `stop` is read: it may be being written.
- What reading ahead met is raised to whoever asks for those bytes, and to nobody else.
- What is kept is a page and what was asked for, with another page ahead of it.
"""

import attrs
import trio

from io_backends import File, IoError

PAGE_BYTES = 1 << 20


@attrs.define(eq=False)
class _Ahead:
    """A page on its way: bytes, an error, or (cancelled) neither once it is done."""

    offset: int
    size: int
    data: bytes = b""
    error: IoError | None = None
    done: trio.Event = attrs.field(factory=trio.Event)
    scope: trio.CancelScope = attrs.field(factory=trio.CancelScope)


class PageReader:
    """The bytes of a file below `stop`; with a nursery it reads one page ahead."""

    def __init__(
        self,
        file: File,
        stop: int,
        page_bytes: int = PAGE_BYTES,
        nursery: trio.Nursery | None = None,
    ) -> None:
        self._file = file
        self._stop = stop
        self._page_bytes = page_bytes
        self._nursery = nursery
        self._window = b""
        self._window_at = 0
        self._ahead: _Ahead | None = None

    async def read(self, offset: int, length: int) -> bytes:
        """Return `length` bytes from `offset` on, or none if they do not lie below `stop`.

        Raises `IoError`. Cancellation gives up the read, and nothing that was read.
        """
        if offset + length > self._stop:
            return b""
        start = offset - self._window_at
        if start < 0 or start + length > len(self._window):
            await self._move(offset, length)
            start = 0
        return self._window[start : start + length]

    async def window(self, offset: int, length: int) -> tuple[bytes, int]:
        """Return a page that holds `offset`, uncopied, and the place of that in it.

        At least `length` bytes stand there, or all that there are. Raises as `read` does.
        """
        length = min(length, self._stop - offset)
        if length <= 0:
            return b"", 0
        start = offset - self._window_at
        if start < 0 or start + length > len(self._window):
            await self._move(offset, length)
            start = 0
        return self._window, start

    async def aclose(self) -> None:
        """Give up what is being read ahead; the file is the caller's."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.scope.cancel()
            with trio.CancelScope(shield=True):
                await ahead.done.wait()

    async def _move(self, offset: int, length: int) -> None:
        """Let the window begin at `offset`, and hold so much at least."""
        window, at = self._window, self._window_at
        kept = window[offset - at :] if at <= offset <= at + len(window) else b""
        kept += await self._take_ahead(offset + len(kept))
        if len(kept) < length:
            place = offset + len(kept)
            size = max(length - len(kept), self._page_bytes)
            kept += await self._file.read_at(place, min(size, self._stop - place))
        self._window, self._window_at = kept, offset
        self._read_ahead(offset + len(kept))

    def _read_ahead(self, offset: int) -> None:
        """Set the page at `offset` on its way."""
        size = min(self._page_bytes, self._stop - offset)
        if self._nursery is None or self._ahead is not None or size <= 0:
            return
        self._ahead = _Ahead(offset, size)
        self._nursery.start_soon(self._fetch, self._ahead)

    async def _fetch(self, ahead: _Ahead) -> None:
        try:
            with ahead.scope:
                ahead.data = await self._file.read_at(ahead.offset, ahead.size)
        except IoError as error:
            ahead.error = error
        finally:
            ahead.done.set()

    async def _take_ahead(self, offset: int) -> bytes:
        """Return the page that was read ahead if it is the one at `offset`."""
        ahead = self._ahead
        if ahead is None:
            return b""
        if ahead.offset != offset:
            await self.aclose()
            return b""
        await ahead.done.wait()
        self._ahead = None
        if ahead.error is not None:
            raise ahead.error
        return ahead.data
