"""Open a damaged twin of a disk, and hold the store to what it owes; see `sim.faults.twins`.

Both are opened, the sound disk and its twin. What the twin gives must be the same, or an error
that names what was hurt; then the loss has to be one that nobody could have avoided.

Invariants
- Neither the disk of the run nor its model learns anything from a trial.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING

import attrs

import tempest
from io_backends import (
    READS,
    FaultPlan,
    FaultyIo,
    Op,
    TracingIo,
    VirtualDisk,
    VirtualIo,
)
from sim.faults import STORE, Twin, cut_file, file_kind, hurt_runs
from sim.inspection import check_cause
from sim.marks import Marks
from sim.oracle import Violation
from tempest import Durability, Options, Store

if TYPE_CHECKING:
    from sim.world import World

TRIAL_KEY = b"\xff\xff trial"
KEYS_MAX = 2
RETIRED = ".old"
Content = dict[bytes, bytes]
Ranges = dict[str, list[tuple[int, int]]]
Action = Callable[[Store, "Found"], Awaitable[None]]


@attrs.define
class Found:
    """What an opener found: everything, or the error that ended it, and what it read."""

    content: Content | None = None
    error: tempest.TempestError | None = None
    is_open: bool = False
    ops: list[Op] = attrs.field(factory=list)


class Trial:
    """Trials of one run, after one life."""

    def __init__(self, world: "World", marks: Marks, options: Options) -> None:
        self._world = world
        self._marks = marks
        self._options = options
        self._read_only = True

    async def judge(
        self, twin: Twin, *, is_strict: bool = False, read_only: bool = False
    ) -> None:
        """See what the store makes of a twin. Strict: nothing may be missing or refused."""
        world, whole = self._world, self._world.disk
        self._read_only = read_only
        world.note_fault(twin.kind, twin.place)
        world.observer.tried(twin.kind, twin.place)
        self._marks.sometimes(f"{twin.kind} done")
        sound = await self._look(whole.clone())
        if sound.content is None:
            raise Violation("refused-opening", f"no damage: {sound.error!r}")
        hurt_disk = twin.disk.clone()
        before = hurt_disk.contents()
        found, io = await self._look_at(twin, hurt_disk)
        what = f"{twin.kind} {twin.places}"
        if found.error is not None:
            self._marks.sometimes("damage is found")
            self._marks.maybe(f"{twin.kind} found")
            self._check_error(twin, found.error, what, is_strict=is_strict)
            if not found.is_open:
                _check_unchanged(before, hurt_disk, what)
            self._check_needed(twin, sound, what)
            await self._check_innocent(twin, sound.content, what)
        elif found.content != sound.content:
            if is_strict:
                raise Violation("silent-loss", f"{what}: {_difference(sound, found)}")
            if stands_in(twin.places, twin.disk.files()):
                self._marks.sometimes("an older manifest stands in")
                return
            await self._check_torn(twin, io, sound, found, what)
            return
        else:
            self._marks.sometimes("damage does no harm")
        if found.is_open and not read_only:
            await self._mend(twin, hurt_disk, io, sound, what)

    # Looking.

    def _virtual(self, disk: VirtualDisk) -> VirtualIo:
        return self._world.process(disk)

    async def _look(self, disk: VirtualDisk) -> Found:
        io = TracingIo(self._virtual(disk))
        found = Found()
        await self._open(io, found, _scan)
        found.ops = [traced.op for traced in io.ops]
        return found

    async def _look_at(self, twin: Twin, disk: VirtualDisk) -> tuple[Found, FaultyIo]:
        io = FaultyIo(self._virtual(disk), FaultPlan(twin.faults))
        history = self._world.history
        for path in twin.places if history is not None and twin.faults else ():
            for one in history.writes.get(path, ()) if history is not None else ():
                io.note_write(path, one.offset, one.data)
        found = Found()
        await self._open(io, found, _scan if self._read_only else _use)
        return found, io

    async def _open(
        self, io: TracingIo | FaultyIo, found: Found, action: Action
    ) -> None:
        opening = tempest.open_store(
            STORE,
            io=io,
            options=self._options,
            create=False,
            read_only=self._read_only,
        )
        try:
            store = await opening.__aenter__()
        except tempest.TempestError as error:
            check_cause(error)
            found.error = error
            return
        found.is_open = True
        try:
            await action(store, found)
        except tempest.TempestError as error:
            check_cause(error)
            found.error = error
        finally:
            try:
                await opening.__aexit__(None, None, None)
            except tempest.TempestError as error:
                check_cause(error)
        left = io.open_handles
        if left:
            raise Violation("leak", f"after close of a damaged store: {left}")

    # Judging.

    def _check_error(
        self, twin: Twin, error: tempest.TempestError, what: str, *, is_strict: bool
    ) -> None:
        """Check that an error is damage, by name, and that there is reason for one."""
        if is_strict:
            raise Violation("needless-loss", f"{what}: {error!r}: {error}")
        if isinstance(error, tempest.NotAStoreError) and twin.kind == "missing":
            return
        if not isinstance(error, tempest.CorruptionError):
            raise Violation("undocumented-error", f"{what}: {error!r}: {error}")
        files = {path.removeprefix("/") for path in twin.disk.files()}
        if (
            error.path not in twin.places
            and error.path in files
            and not is_predecessor(error.path, twin.places, files)
        ):
            raise Violation("needless-loss", f"{what}: {error} blames a sound file")

    def _check_needed(self, twin: Twin, sound: Found, what: str) -> None:
        """Check that the sound store reads what was hurt: else there was nothing to refuse."""
        if twin.is_resized or twin.faults:
            return
        pages = _hurt_ranges(self._world.disk, twin)
        if not any(_covers(op, pages) for op in sound.ops):
            raise Violation("needless-loss", f"{what}: nobody reads what was hurt")

    async def _check_innocent(self, twin: Twin, content: Content, what: str) -> None:
        """Check that keys that are read without what was hurt still can be."""
        if twin.is_resized or twin.faults or not content:
            return
        pages = _hurt_ranges(self._world.disk, twin)
        keys = sorted(content)
        for key in keys[:: max(1, len(keys) // KEYS_MAX)][:KEYS_MAX]:

            async def get(store: Store, found: Found, key: bytes = key) -> None:
                value = await store.get(key)
                found.content = {} if value is None else {key: value}

            io = TracingIo(self._virtual(self._world.disk.clone()))
            found = Found()
            self._read_only, was = True, self._read_only
            await self._open(io, found, get)
            if not any(_covers(traced.op, pages) for traced in io.ops):
                twin_io, twin_found = (
                    TracingIo(self._virtual(twin.disk.clone())),
                    Found(),
                )
                await self._open(twin_io, twin_found, get)
                if twin_found.content != found.content:
                    raise Violation(
                        "needless-loss",
                        f"{what}: {key!r} is {twin_found.content}, {twin_found.error}; "
                        f"without damage {found.content}, and it reads nothing damaged",
                    )
                self._marks.sometimes("the rest of a damaged store is read")
            self._read_only = was

    async def _check_torn(
        self, twin: Twin, io: FaultyIo, sound: Found, found: Found, what: str
    ) -> None:
        """Check that what is missing may be: a tear at that place would have looked the same."""
        loss, reasons = _difference(sound, found), list[str]()
        for path, offset, is_proven in self._tears(twin, io):
            torn = self._world.disk.clone()
            cut_file(torn, path, offset)
            allowed = await self._look(torn)
            if allowed.content != found.content:
                reasons.append(f"cut at {offset} of {path} it gives {_told(allowed)}")
            elif is_proven:
                reasons.append(f"other bytes prove that {offset} of {path} was synced")
            else:
                self._marks.sometimes("damage passes for a tear")
                return
        raise Violation("silent-loss", f"{what}: {loss}; {'; '.join(reasons)}")

    def _tears(self, twin: Twin, io: FaultyIo) -> Iterator[tuple[str, int, bool]]:
        """Yield where damage begins, and whether that is proven.

        Damage that begins in what is proven and reaches beyond, begins where the proof ends:
        what is below that nobody may have to read.
        """
        history, contents = self._world.history, twin.disk.contents()
        is_hidden = bool(twin.faults) and twin.kind != "flipped read"
        places = _lied_places(io) if is_hidden else twin.places
        ranges = {} if twin.is_resized else _hurt_ranges(self._world.disk, twin)
        for path, offsets in places.items():
            proven = 0
            if history is not None and not is_hidden:
                proven = history.proven_until(contents, path)
            runs = ranges.get(path, ())
            reaches_beyond = any(start < proven < stop for start, stop in runs)
            for offset in offsets:
                if reaches_beyond:
                    yield path, max(offset, proven), False
                else:
                    yield path, offset, offset < proven

    async def _mend(
        self, twin: Twin, disk: VirtualDisk, io: FaultyIo, sound: Found, what: str
    ) -> None:
        """Put back the files that were hurt, after the store was at work.

        All is there again, but for what passed for a tear: the log has gone on behind that.
        """
        whole, files = self._world.disk, disk.files()
        for path in twin.places:
            if f"/{path}" in files and f"/{path}" in whole.files():
                disk.overwrite(path, 0, whole.read(path))
        if twin.is_resized:
            return
        found, what = await self._look(disk), f"{what}: after mending"
        if found.content is None:
            raise Violation("silent-loss", f"{what}, {found.error}")
        if found.content != sound.content:
            await self._check_torn(twin, io, sound, found, what)


def is_predecessor(path: str, hurt: Iterable[str], files: Iterable[str]) -> bool:
    """Whether a manifest is blamed for what stood in the next one, which is gone.

    Its own last edits could be missing just as well: the disk does not tell. A cut may have left
    it under both names, and then it is the retired one that tells of a next one.
    """
    names = list(files)
    left = [
        name.removesuffix(RETIRED)
        for name in names
        if file_kind(name.removesuffix(RETIRED)) == "manifest"
    ]
    blamed = path.removesuffix(RETIRED)
    is_gone = any(name > blamed and name not in names for name in _manifests(hurt))
    return is_gone and blamed == max(left, default="")


def stands_in(hurt: Iterable[str], files: Iterable[str]) -> bool:
    """Whether the manifest before the one that is gone has its full name yet.

    The power went between publishing and retiring, so the disk is one of a cut a moment before.
    """
    manifests = _manifests(path.removeprefix("/") for path in files)
    is_gone = any(name not in manifests for name in _manifests(hurt))
    return is_gone and any(not name.endswith((".old", ".tmp")) for name in manifests)


def _manifests(files: Iterable[str]) -> list[str]:
    return [name for name in files if file_kind(name) == "manifest"]


async def _scan(store: Store, found: Found) -> None:
    async with store.scan() as rows:
        content = {key: value async for key, value in rows}
    async with store.scan(reverse=True) as rows:
        backward = {key: value async for key, value in rows}
    if content != backward:
        raise Violation("range", "two directions differ on a damaged store")
    content.pop(TRIAL_KEY, None)
    found.content = content


async def _use(store: Store, found: Found) -> None:
    """Read everything; then write and merge as well, whatever comes of it."""
    try:
        await _scan(store, found)
    finally:
        try:
            await store.put(TRIAL_KEY, b"", durability=Durability.DISK)
            await store.compact()
        except tempest.TempestError as error:
            check_cause(error)


def _check_unchanged(before: dict[str, bytes], disk: VirtualDisk, what: str) -> None:
    after = disk.contents()
    changed = [
        path
        for path in sorted(before.keys() | after.keys())
        if not path.endswith("/lock") and before.get(path) != after.get(path)
    ]
    if changed:
        raise Violation("needless-loss", f"{what}: refused, and changed {changed}")


def _lied_places(io: FaultyIo) -> dict[str, tuple[int, ...]]:
    """Return where reads were answered wrongly: what begins there may all be missed."""
    places: dict[str, tuple[int, ...]] = {}
    for hit in io.log.hits:
        offsets = io.lied_at.get(hit.op.index) or (hit.op.offset,)
        places[hit.op.path] = (*places.get(hit.op.path, ()), *offsets)
    return places


def _told(found: Found) -> str:
    return f"{found.error}" if found.content is None else f"{sorted(found.content)}"


def _hurt_ranges(whole: VirtualDisk, twin: Twin) -> Ranges:
    """Return from where to where each hurt file differs."""
    return {
        path: hurt_runs(whole.read(path), twin.disk.read(path)) for path in twin.places
    }


def _covers(op: Op, ranges: Ranges) -> bool:
    return op.kind in READS and any(
        op.offset < stop and op.offset + op.length > start
        for start, stop in ranges.get(op.path, ())
    )


def _difference(sound: Found, found: Found) -> str:
    one, other = sound.content or {}, found.content or {}
    keys = sorted(
        key for key in one.keys() | other.keys() if one.get(key) != other.get(key)
    )
    return f"{len(keys)} keys differ, the first {keys[:3]}"
