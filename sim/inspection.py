"""The oracles that look at the whole store: after opening, when all is quiet, after close."""

from typing import TYPE_CHECKING

import trio

import tempest
from io_backends import (
    FailOp,
    Hit,
    IoError,
    OpKind,
    Slow,
    Stuck,
)
from journal import JournalError
from sim.checkpoint_client import listed
from sim.faults import MANIFESTS, STORE
from sim.keepsakes import Listed
from sim.model import Sight
from sim.operations import Scan
from sim.oracle import Violation
from sim.schedule import waiting
from sim.sights import Lookout, check_common, is_common
from sim.values import account, session_key
from tempest import HealthState, Store

if TYPE_CHECKING:
    from sim.life import LifeWorld

QUIET_SECONDS = 2.0
LIVE_SECONDS_MAX = 120.0
SETTLED_OPS = 60  # by so many later operations, somebody has met an error
WHOLE = Scan()
PREPARING = (
    OpKind.CREATE,
    OpKind.WRITE,
    OpKind.SYNC,
)  # a manifest, before it has its name
LOOKING = (OpKind.OPEN, OpKind.SIZE, OpKind.READ)
# What nobody needs to hear of: a removal is done again, a read that may not wait by one that may,
# and what gets no second name is copied.
ABSORBED = (OpKind.REMOVE, OpKind.READ_NOWAIT, OpKind.LIST, OpKind.LINK)


def _is_absorbed(hit: Hit, delayed: list[int], names: list[str]) -> bool:
    """Whether nobody needs to notice: the store gets by, and loses nothing.

    What could not be listed, removed or retired is swept later; what the page cache cannot answer
    is asked of the device; a manifest that cannot be rotated goes on as it is; a file that
    found no handle is opened once handles were given back. What is `delayed` would block on the spot,
    and then it does not happen at all.
    """
    op, fault = hit.op, hit.fault
    final = op.path.removesuffix(".tmp")
    was_published = f"/{final}" in names or f"/{final}.old" in names
    is_upkeep = (op.kind is OpKind.RENAME and op.target.endswith(".old")) or (
        op.kind in PREPARING and op.path.endswith(".tmp") and not was_published
    )
    found_no_handle = (
        isinstance(fault, FailOp)
        and fault.error in ("EMFILE", "ENFILE")
        and (op.kind in LOOKING or "table-" in op.path)
    )
    would_block = op.kind is OpKind.WRITE_NOWAIT and op.index in delayed
    # A backup's journal that cannot be ended as it should be goes on in another generation.
    is_upkeep |= op.path.startswith("backup ") and "/manifest-" in op.path
    return op.kind in ABSORBED or is_upkeep or found_no_handle or would_block


def check_cause(error: BaseException) -> None:
    """Walk down to what an error came from: a documented error, or the disk."""
    seen: BaseException | None = error
    while seen is not None:
        if not isinstance(
            seen,
            tempest.TempestError
            | IoError
            | JournalError
            | trio.WouldBlock
            | trio.Cancelled
            | TypeError,
        ):
            raise Violation(
                "undocumented-error", f"{type(seen).__name__}: {seen} under {error!r}"
            )
        seen = seen.__cause__


def _is_validating(store: Store) -> bool:
    """Say whether a checkpoint is being read so that older ones may go: it tells at the end."""
    try:
        return tempest.Work.RETENTION in store.maintenance.running
    except tempest.TempestError:
        return False  # it is closed, and so is all of its work


async def settle(life: "LifeWorld", store: Store) -> None:
    """Wait until nothing happens any more, and sync; faults have stopped: it has to go well."""
    await rest(life, store)
    if life.is_damaged:
        return
    with trio.move_on_after(LIVE_SECONDS_MAX) as scope:
        await store.sync()
    if scope.cancelled_caught:
        raise Violation("liveness", f"a sync does not come back: {waiting()}")


async def rest(life: "LifeWorld", store: Store) -> None:
    """Wait until nothing happens any more, nor is under way."""
    clock, give_up = life.world.clock, trio.current_time() + LIVE_SECONDS_MAX
    while True:
        before = life.io.op_count
        await trio.sleep(QUIET_SECONDS)
        is_well = store.health().state is HealthState.HEALTHY or life.is_damaged
        if is_well and life.io.op_count == before and not clock.is_awaited:
            break
        if trio.current_time() > give_up:
            what = store.health() if not is_well else "it never rests"
            raise Violation(
                "liveness",
                f"{LIVE_SECONDS_MAX} s without a fault: {what}; {waiting()}",
            )


class Inspection:
    """Looks at the store of one life."""

    def __init__(self, life: "LifeWorld") -> None:
        self._life = life
        self._store: Store | None = None
        self.has_common = False

    async def after_opening(self, store: Store) -> None:
        """Check that what came back is what the model allows, and begin again from it."""
        life, world = self._life, self._life.world
        self._store = store
        report = store.statistics().recovery
        life.digest.note(repr(report))
        self._mark_recovery(report)
        content = await self._read_all(store)
        if content is None:
            life.io.power_off()
            await trio.sleep_forever()
        serials, position = await store.sessions(), store.position
        restored = life.elsewhere.take_restored(position.timeline)
        if restored is not None:
            restored.check(content, serials)
        else:
            self._explain(content, serials)
        infos = listed(await store.checkpoints())
        self._take_checkpoints(infos, is_blind=restored is not None)
        self._explain_race(content)
        check_common(content)
        self.has_common = account(0) in content
        if world.has_common and not self.has_common and restored is None:
            raise Violation("outcome-pinned", "the bank was there after a recovery")
        world.has_common = self.has_common
        world.recovered_position = position
        sessions = {session_key(name): b"%d" % n for name, n in serials.items()}
        own = {k: v for k, v in content.items() if not is_common(k)}
        life.model.rebase(own | sessions)
        world.is_power_lost = world.is_killed = False

    async def _read_all(self, store: Store) -> dict[bytes, bytes] | None:
        """Read everything in both directions; None if the disk would not let us."""
        life = self._life
        for _ in range(4):
            try:
                async with store.scan() as rows:
                    forward = [row async for row in rows]
                async with store.scan(reverse=True) as rows:
                    backward = [row async for row in rows]
                keys = [key for key, _ in forward][:8]
                got = await store.get_many(keys)
            except tempest.TempestError as error:
                life.take_error("Scan", error)
                continue
            if forward != backward[::-1] or got != [v for _, v in forward][:8]:
                raise Violation("range", "two directions or get and scan differ")
            for key, value in forward:
                life.see(key, value)
            return dict(forward)
        return None

    def _take_checkpoints(self, infos: list[Listed], *, is_blind: bool) -> None:
        """Check that those are there that were acknowledged, and take in the others."""
        keepsakes = self._life.keepsakes
        before, model = keepsakes.kept(), self._life.model
        keepsakes.listed(infos, before, model, is_settled=True, is_blind=is_blind)
        self._life.mark("a checkpoint survives", when=bool(before))

    def _explain(self, content: dict[bytes, bytes], serials: dict[str, int]) -> None:
        model, world, marks = self._life.model, self._life.world, self._life.marks
        was_written = any(track.writes for track in model.tracks)
        asked = model.asked()
        lows = (
            model.durable
            if world.is_power_lost
            else model.flushed
            if world.is_killed
            else model.durable
        )
        name = "prefix-no-hole" if was_written else "outcome-pinned"
        sessions = {session_key(name): b"%d" % n for name, n in serials.items()}
        model.check_batches(content | sessions, model.owners)
        whole = Sight.between([0] * len(asked), asked, name, name)
        sight = Sight.between(lows, asked, "acknowledged-survives", "prefix-no-hole")
        lookout, promised = Lookout(model, whole), Lookout(model, sight)
        rows = sorted(content.items())
        for one in (lookout, promised):
            one.rows(WHOLE, rows)
            one.sessions(serials)
        if world.is_power_lost and was_written:
            cuts = model.cuts(sight)
            marks.sometimes("all writes survive a cut", when=cuts == asked)
            marks.sometimes("some writes are lost in a cut", when=cuts != asked)
            marks.sometimes(
                "a write survives that nobody was promised", when=cuts > list(lows)
            )

    def _explain_race(self, content: dict[bytes, bytes]) -> None:
        """Check what is left of a race that a crash came into, or came after."""
        world, marks = self._life.world, self._life.marks
        race, world.race = world.race, None
        if race is None:
            return
        marks.sometimes("a race is cut", when=any(e.is_open for e in race.events))
        levels = ("disk",) if world.is_power_lost else ("os", "disk")
        race.recovered(content, levels)

    def look(self, store: Store) -> None:
        """Check health and statistics, and mark what they tell."""
        life = self._life
        health, stats = store.health(), store.statistics()
        life.digest.note(repr(health), repr(stats))
        is_well = health.state is HealthState.HEALTHY
        if not is_well and not life.is_troubled and not life.is_dark:
            raise Violation("health", f"{health} on a sound disk")
        if stats.failures and not life.is_troubled and not life.is_dark:
            raise Violation("health", f"{stats.failures} failures on a sound disk")
        self._mark_statistics(stats)
        life.marks.sometimes(
            "the store turns read-only", when=health.state is HealthState.READ_ONLY
        )
        life.marks.sometimes(
            "the store resumes", when=health.state is HealthState.RESUMING
        )
        life.marks.sometimes(
            "the store comes back", when=is_well and stats.failures > 0
        )

    def freeze(self) -> None:
        """At a crash, check what can be said of faults by then: those that are old enough."""
        store = self._store
        if store is None or self._life.is_damaged or self._life.world.violation:
            return
        settled = self._life.io.op_count - SETTLED_OPS
        violation = self._unnoticed(store, settled, but_reads=_is_validating(store))
        if violation is not None:
            self._life.world.fail(violation)

    def check_noticed(self, store: Store) -> None:
        """Check that an error of the disk was met by somebody: a caller, or health's count."""
        violation = self._unnoticed(store, self._life.io.op_count + 1)
        if violation is not None:
            raise violation

    def _unnoticed(
        self, store: Store, ops: int, *, but_reads: bool = False
    ) -> Violation | None:
        """Say which errors that came before the `ops`-th operation began nobody met.

        A call that was cancelled may have met one, and taken it along.
        """
        life, names = self._life, self._life.world.disk.files()
        delayed = [
            hit.op.index
            for hit in life.io.log.hits
            if isinstance(hit.fault, (Slow, Stuck))
        ]
        errors: dict[
            int, Hit
        ] = {}  # of several faults the first one is what the caller gets
        for hit in life.io.log.hits:
            if isinstance(hit.fault, FailOp) or hit.is_late:
                errors.setdefault(hit.op.index, hit)
        hits = [
            str(hit.op)
            for index, hit in errors.items()
            if life.io.failed_at.get(index, ops) < ops
            and not any(self._went_along(hit, gone) for gone in life.cancelled)
            and not _is_absorbed(hit, delayed, names)
            and not (but_reads and hit.op.kind is OpKind.READ)
        ]
        if hits and not life.errors and not store.statistics().failures:
            return Violation(
                "silent-fault", f"nobody noticed that these failed: {hits}"
            )
        return None

    def _went_along(self, hit: Hit, gone: range) -> bool:
        """Whether a call that was `gone` by then may have been all that waited for this.

        An edit of the manifest stays in the queue when its caller is cancelled. It is written as
        the next group, so before that at most the group that was under way then was synced.
        """
        index = hit.op.index
        if index in gone:
            return True
        syncs = self._life.io.manifest_syncs
        between = [i for i in syncs if gone.stop <= i < index]
        is_manifest = hit.op.path.startswith(MANIFESTS)
        return is_manifest and index >= gone.stop and len(between) <= 1

    async def open_twice(self, *, read_only: bool) -> None:
        """Open the store from another process while this one has it open."""
        life = self._life
        model = life.model
        other = life.world.process(life.world.disk)
        opening = tempest.open_store(
            STORE, io=other, options=life.options, read_only=read_only, create=False
        )
        try:
            store = await opening.__aenter__()
        except tempest.LockedError:
            if read_only:
                raise
            life.marks.sometimes("a second opener is refused")
            return
        except tempest.StorageError as error:
            # The writer was faster each time; a file that it retires is no damage.
            if read_only and "a writer changed the store" in error.detail:
                life.marks.sometimes("a reader gives up on a busy writer", when=True)
                return
            raise
        try:
            if not read_only:
                raise Violation("leak", "a second opener got the lock")
            async with store.scan() as rows:
                found = [row async for row in rows]
            serials = await store.sessions()
        finally:
            await opening.__aexit__(None, None, None)
        life.marks.sometimes("a read-only store reads")
        sight = Sight.between(
            [0] * model.clients, model.asked(), "prefix-no-hole", "prefix-no-hole"
        )
        lookout = Lookout(model, sight)
        lookout.rows(WHOLE, found)
        lookout.sessions(serials)

    def mark_hit(self, hit: Hit) -> None:
        """Mark which fault met which operation."""
        marks, fault = self._life.marks, hit.fault
        marks.maybe(f"fault {type(fault).__name__}")
        if isinstance(fault, FailOp):
            marks.maybe(f"FailOp at {hit.op.kind.value}")
            marks.maybe(f"FailOp {fault.effect}")
            marks.maybe(f"FailOp {fault.error}")

    def _mark_recovery(self, report: tempest.RecoveryReport) -> None:
        mark = self._life.marks.sometimes
        mark("recovery replays", when=report.entries > 0)
        mark("recovery replays nothing", when=report.entries == 0)
        mark("recovery cuts a torn tail", when=report.torn_bytes > 0)
        mark("recovery writes frames again", when=report.rewritten_frames > 0)
        mark("recovery removes orphans", when=report.orphans_removed > 0)
        mark("opened clean", when=report.clean)

    def _mark_statistics(self, stats: tempest.Statistics) -> None:
        mark = self._life.marks.sometimes
        for level in stats.levels:
            self._life.marks.maybe(f"level {level.level}")
        mark("a flush", when=stats.flushes > 0)
        mark("a compaction", when=stats.compactions > 0)
        mark("a trivial move", when=stats.moves > 0)
        tables = sum(level.tables for level in stats.levels)
        mark("five tables", when=tables >= 5)
        mark("twenty tables", when=tables >= 20)
        mark("a memtable waits", when=stats.memtables_waiting > 0)
        mark("a writer stalls", when=stats.stalls > 0)
        mark("a writer is slowed down", when=stats.delayed_seconds > 0)
        mark("files are removed", when=stats.files_removed > 0)
        mark("several segments", when=stats.log_segments > 2)
        mark("a snapshot is held", when=stats.snapshots > 0)
        mark("the block cache hits", when=stats.block_cache_hits > 0)
        mark(
            "tombstones in tables",
            when=any(level.tombstones for level in stats.levels),
        )
