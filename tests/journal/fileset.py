"""A small manifest, as the tests' state: which files are live, and the counters beside them."""

from typing import ClassVar, Self

import attrs

from journal import InvalidEditError


@attrs.frozen
class FileMeta:
    """One live file: enough to notice a missing, truncated or swapped one (T12)."""

    number: int
    level: int = 0
    size: int = 0
    smallest: bytes = b""
    largest: bytes = b""
    checksum: int = 0


@attrs.frozen
class Edit:
    """One change: files and log segments in and out, and how far the counters have moved."""

    added: tuple[FileMeta, ...] = ()
    removed: tuple[int, ...] = ()
    next_number: int | None = None
    clock: int | None = None
    segments_added: tuple[int, ...] = ()
    segments_removed: tuple[int, ...] = ()


@attrs.frozen
class Snapshot:
    """The whole state, flat and sorted."""

    files: tuple[FileMeta, ...]
    next_number: int
    clock: int
    segments: tuple[int, ...]


def _refuse_unless(claim: bool, reason: str) -> None:
    if not claim:
        raise InvalidEditError(reason)


@attrs.frozen
class FileSet:
    """Live files by number, the next number to give out, a clock's high-water mark, log segments."""

    edit_type: ClassVar[type[Edit]] = Edit
    snapshot_type: ClassVar[type[Snapshot]] = Snapshot

    files: tuple[FileMeta, ...] = ()
    next_number: int = 0
    clock: int = 0
    segments: tuple[int, ...] = ()

    @classmethod
    def initial(cls) -> Self:
        return cls()

    @classmethod
    def from_snapshot(cls, snapshot: Snapshot, /) -> Self:
        return cls(
            snapshot.files, snapshot.next_number, snapshot.clock, snapshot.segments
        )

    def snapshot(self) -> Snapshot:
        return Snapshot(self.files, self.next_number, self.clock, self.segments)

    @property
    def numbers(self) -> list[int]:
        return [file.number for file in self.files]

    def apply(self, edit: Edit, /) -> Self:
        next_number = self.next_number if edit.next_number is None else edit.next_number
        clock = self.clock if edit.clock is None else edit.clock
        _refuse_unless(next_number >= self.next_number, "the counter goes backwards")
        _refuse_unless(clock >= self.clock, "the clock goes backwards")
        live = {file.number: file for file in self.files}
        for file in edit.added:
            _refuse_unless(file.number not in live, f"file {file.number} is live")
            _refuse_unless(file.number < next_number, f"{file.number} is not reserved")
            live[file.number] = file
        for number in edit.removed:
            _refuse_unless(number in live, f"file {number} is not live")
            del live[number]
        segments = set(self.segments)
        _refuse_unless(segments.issuperset(edit.segments_removed), "no such segment")
        segments = (segments - set(edit.segments_removed)) | set(edit.segments_added)
        files = tuple(live[number] for number in sorted(live))
        return attrs.evolve(
            self,
            files=files,
            next_number=next_number,
            clock=clock,
            segments=tuple(sorted(segments)),
        )


def add(number: int, level: int = 0) -> Edit:
    """An edit that reserves `number` and makes it live."""
    meta = FileMeta(number, level, size=100 + number, smallest=b"a", largest=b"z")
    return Edit(added=(meta,), next_number=number + 1)
