"""What was written and read through a `FaultyIo`, so that it can give the wrong answer.

Invariants
- Only what passed through here is known; below the first write to a byte there is a zero.
"""

from fnmatch import fnmatchcase

import attrs

from io_backends.faults import MisdirectedRead, Op


@attrs.define
class Recall:
    """Bytes by place: `written` in order for each file, `seen` by length, newest last."""

    written: dict[str, list[tuple[int, bytes]]] = attrs.field(factory=dict)
    seen: dict[int, dict[tuple[str, int], bytes]] = attrs.field(factory=dict)

    def note_write(self, path: str, offset: int, data: bytes) -> None:
        self.written.setdefault(path, []).append((offset, bytes(data)))
        self.note_seen(path, offset, data)

    def note_seen(self, path: str, offset: int, data: bytes) -> None:
        """Take in that these bytes were read or written there."""
        places = self.seen.setdefault(len(data), {})
        places.pop((path, offset), None)
        places[path, offset] = bytes(data)

    def rename(self, source: str, target: str) -> None:
        if source in self.written:
            self.written[target] = self.written.pop(source)

    def stale(self, op: Op) -> bytes:
        """Return the bytes as they were before the last write to each of them."""
        return self._writes(op.path, op.offset, op.length)[1]

    def elsewhere(self, op: Op, fault: MisdirectedRead) -> bytes:
        """Return what stands at another place."""
        for (path, offset), data in reversed(self.seen.get(op.length, {}).items()):
            is_like_it = fnmatchcase(path, fault.path)
            if is_like_it and (path, offset) != (op.path, op.offset):
                return data
        return self._writes(op.path, op.offset + fault.shift, op.length)[0]

    def _writes(self, path: str, begin: int, length: int) -> tuple[bytes, bytes]:
        """Return what the writes made of a range, with and without the last to each byte."""
        end = begin + length
        now, before = bytearray(length), bytearray(length)
        for offset, data in self.written.get(path, ()):
            start, stop = max(offset, begin), min(offset + len(data), end)
            if start < stop:
                inside = slice(start - begin, stop - begin)
                before[inside] = now[inside]
                now[inside] = data[start - offset : stop - offset]
        return bytes(now), bytes(before)
