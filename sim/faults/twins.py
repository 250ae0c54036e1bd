"""A twin of a disk, with damage done to it that the disk itself is spared.

What a store owes on the twin (`sim.trial` holds it to that):

- Damage is refused by an error that names the file, or the store never comes to read it. Wrong
  bytes are never given, nothing goes missing in silence, and an opening that is refused has
  changed nothing.
- The atlas rule: damage in the newest segment of the log or the newest manifest, at a place that
  nothing else on the disk proves to have been synced, cannot be told from a tear by a power
  cut. There, and only there, a store may open without what begins at the damage; everything
  before it has to come back, exactly as if the file had been cut at that place.
- A place is proven by a whole write behind it in its file that began after a sync of it had
  returned (its frame says so), by a newer segment that the log has gone on in, or by a newer
  manifest. A table is known whole.

Invariants
- The disk that is given is never changed.
"""

from random import Random

import attrs

from io_backends import (
    BitFlip,
    Fault,
    MisdirectedRead,
    StaleRead,
    VirtualDisk,
)
from sim.faults.contracts import STORE, file_kind
from sim.faults.history import SECTOR_BYTES, History, Written
from sim.faults.planting import write_file
from sim.script import Damage
from sim.seeds import Seeds


@attrs.define
class Twin:
    """A disk that was hurt: where in which files damage begins, and which reads will lie."""

    kind: str
    disk: VirtualDisk
    places: dict[str, tuple[int, ...]]
    faults: tuple[Fault, ...] = ()
    is_resized: bool = False  # a file is shorter, longer, gone or new

    @property
    def place(self) -> str:
        """What kind of file was hit, for counting."""
        return ", ".join(sorted({file_kind(path) for path in self.places}))


def hurt(disk: VirtualDisk, damage: Damage, history: History) -> Twin | None:
    """Return a twin with this damage, or None if there is no place for it."""
    random = Seeds(damage.seed).stream("damage")
    paths = sorted(p.removeprefix("/") for p in disk.files())
    paths = [path for path in paths if path.startswith(f"{STORE}/")]
    paths = [path for path in paths if file_kind(path) == damage.file]
    if not paths:
        return None
    path = paths[-1] if random.random() < 0.5 else random.choice(paths)
    twin = _Surgery(disk, history, random, paths, path).perform(damage)
    if twin is None or (twin.disk.contents() == disk.contents() and not twin.faults):
        return None
    return twin


@attrs.frozen
class _Surgery:
    """How each kind of damage is done to a file `path`, one of `paths` of its kind."""

    disk: VirtualDisk
    history: History
    random: Random
    paths: list[str]
    path: str

    def perform(self, damage: Damage) -> Twin | None:  # noqa: PLR0911 a table
        twin = self.disk.clone()
        match damage.kind:
            case "rot":
                return self._rot(twin)
            case "stale":
                return self._stale(twin)
            case "misdirected":
                return self._misdirect(twin)
            case "shortened":
                return self._shorten(twin)
            case "missing":
                twin.remove(self.path)
                return Twin("missing", twin, {self.path: (0,)}, is_resized=True)
            case "swapped":
                return self._swap(twin)
            case "doubled":
                return self._double(twin)
            case _:
                return self._lie(twin, damage.kind)

    def _rot(self, twin: VirtualDisk) -> Twin | None:
        offset = self._offset()
        if offset is None:
            return None
        twin.corrupt(self.path, offset, 1 << self.random.randrange(8))
        return Twin("rot", twin, {self.path: (offset,)})

    def _offset(self) -> int | None:
        """Choose a byte, mostly one that is not zero: most of a log may be zeros written ahead."""
        content = self.disk.read(self.path)
        if not content:
            return None
        offset = self.random.randrange(len(content))
        written = len(content.rstrip(b"\0")) or len(content)
        for _ in range(8):
            if content[offset]:
                break
            offset = self.random.randrange(written)
        return offset

    def _whole_writes(self, paths: list[str]) -> list[Written]:
        contents = self.disk.contents()
        return [
            one
            for path in paths
            for one in self.history.writes.get(path, ())
            if one.data and one.is_whole(contents)
        ]

    def _stale(self, twin: VirtualDisk) -> Twin | None:
        """Take back a write, or some sectors of it: there are zeros, as there were before."""
        writes = self._whole_writes([self.path])
        if not writes:
            return None
        one = self.random.choice(writes)
        start = one.offset
        stop = one.end
        if len(one.data) > SECTOR_BYTES and self.random.random() < 0.5:
            sector = self.random.randrange(
                -(-start // SECTOR_BYTES), stop // SECTOR_BYTES + 1
            )
            start, stop = sector * SECTOR_BYTES, min(stop, (sector + 1) * SECTOR_BYTES)
        twin.overwrite(self.path, start, bytes(max(0, stop - start)))
        return Twin("stale", twin, {self.path: (start,)})

    def _misdirect(self, twin: VirtualDisk) -> Twin | None:
        """Let a write go to the place of another, in this file or in one of its kind."""
        mine, others = self._whole_writes([self.path]), self._whole_writes(self.paths)
        if not mine or len(others) < 2:
            return None
        one, other = self.random.choice(mine), self.random.choice(others)
        if (one.path, one.offset) == (other.path, other.offset):
            return None
        places: dict[str, tuple[int, ...]] = {other.path: (other.offset,)}
        if self.random.random() < 0.5:  # it never came where it belongs
            twin.overwrite(one.path, one.offset, bytes(len(one.data)))
            places[one.path] = (one.offset, *places.get(one.path, ()))
        twin.overwrite(other.path, other.offset, one.data)
        return Twin("misdirected", twin, places)

    def _shorten(self, twin: VirtualDisk) -> Twin | None:
        content = self.disk.read(self.path)
        if not content:
            return None
        length = self.random.randrange(len(content))
        written = len(content.rstrip(b"\0"))
        if length > written > 0 and self.random.random() < 0.75:
            length = self.random.randrange(written)  # not among zeros written ahead
        cut_file(twin, self.path, length)
        return Twin("shortened", twin, {self.path: (length,)}, is_resized=True)

    def _swap(self, twin: VirtualDisk) -> Twin | None:
        others = [path for path in self.paths if path != self.path]
        if not others:
            return None
        other = self.random.choice(others)
        for path, source in ((self.path, other), (other, self.path)):
            twin.remove(path)
            write_file(twin, path, self.disk.read(source))
        return Twin("swapped", twin, {self.path: (0,), other: (0,)}, is_resized=True)

    def _double(self, twin: VirtualDisk) -> Twin | None:
        """Let the newest manifest stand under a newer number, too."""
        if file_kind(self.path) != "manifest":
            return None
        name, _, number = self.paths[-1].rpartition("-")
        newer = int(number) + self.random.choice((1, 2, 1000))
        path = f"{name}-{newer:0{len(number)}d}"
        write_file(twin, path, self.disk.read(self.paths[-1]))
        return Twin("doubled", twin, {path: (0,)}, is_resized=True)

    def _lie(self, twin: VirtualDisk, kind: str) -> Twin | None:
        times = self.random.choice((1, 1, 3))
        offset = self._offset()
        if offset is None:
            return None
        fault: Fault
        if kind == "flipped read":
            xor = 1 << self.random.randrange(8)
            fault = BitFlip(path=self.path, offset=offset, xor=xor, times=times)
        elif kind == "blank read":
            fault = StaleRead(path=self.path, at=self.random.randrange(30), times=times)
        else:
            at = self.random.randrange(30)
            shift = self.random.choice((-SECTOR_BYTES, SECTOR_BYTES))
            fault = MisdirectedRead(path=self.path, at=at, shift=shift, times=times)
        place = offset if kind == "flipped read" else 0
        return Twin(kind, twin, {self.path: (place,)}, (fault,))


def cut_file(disk: VirtualDisk, path: str, length: int) -> None:
    """Let a file end there, for good."""
    content = disk.read(path)[:length]
    disk.remove(path)
    write_file(disk, path, content)


def lacking(whole: VirtualDisk, disk: VirtualDisk) -> Twin | None:
    """Return the twin of a whole disk that lacks some of its bytes, or None if it lacks none."""
    places: dict[str, tuple[int, ...]] = {}
    is_resized = False
    found = disk.contents()
    for path, content in whole.contents().items():
        other = found.get(path, b"")
        runs = hurt_runs(content, other)
        if runs:
            places[path.removeprefix("/")] = tuple(start for start, _ in runs)
            is_resized |= len(content) != len(other)
    if not places:
        return None
    return Twin("lost pages", disk, places, is_resized=is_resized)


def hurt_runs(one: bytes, other: bytes) -> list[tuple[int, int]]:
    """Return from where to where two contents differ; runs less than a sector apart are one."""
    runs: list[tuple[int, int]] = []
    shorter, longer = sorted((len(one), len(other)))
    places = [at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b]
    places += range(shorter, longer, SECTOR_BYTES)
    for at in places:
        if runs and at - runs[-1][1] < SECTOR_BYTES:
            runs[-1] = (runs[-1][0], at + 1)
        else:
            runs.append((at, at + 1))
    return runs
