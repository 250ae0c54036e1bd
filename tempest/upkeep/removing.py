"""What goes: segments that nobody needs leave the version, files that nobody names leave the disk.

Invariants
- Files are removed after the edit that drops them is durable, never while its outcome is unknown.
- A file that could not be removed, or whose removal was given up, is removed later.
- A segment leaves when replay, tables and readers of the log are through with it, however busy
  the store is: nothing has to be clean for that.
- Of earlier openings, each of which left a segment, fewer than `EARLIER_SEGMENTS_MAX` are left for the
  next one to read, if this one had a moment for it, or was closed with little in memory.
"""

import attrs

from io_backends import IoError, NotFoundError
from tempest.coordinator import Work
from tempest.log import segment_name
from tempest.table import table_name
from tempest.upkeep.publishing import Publishing
from tempest.version import VersionEdit

RECLAIMED_SHARE = 32  # of a segment: 1 MiB of the default
EARLIER_SEGMENTS_MAX = 16  # each costs an opening 0.1 to 0.5 ms


@attrs.define(eq=False)
class Removing(Publishing):
    """Retires segments and removes files."""

    async def retire_segments(self, *, automatic: bool = False) -> int:
        """Drop the segments that nobody needs any more; return how many."""
        retired: tuple[int, ...] = ()

        def change() -> VersionEdit | None:
            nonlocal retired
            retired = self._retired()
            return VersionEdit(segments_removed=retired) if retired else None

        async with self.coordinator.turn(Work.LOG, automatic=automatic):
            if self._retired():
                await self._change(change)
        return len(retired)

    async def sweep(self) -> None:
        """Remove the files that nobody needs any more, but those that cannot be removed now.

        It takes no turn: closing calls it when nothing else runs.
        """
        await self._sweep()

    async def reclaim(self) -> None:
        """Give back all space that can be given back: of the log behind its flush, of old files.

        The log goes on in a new segment if that frees a good part of one: up to
        `segment_bytes_max` bytes, which nothing else frees before the segment is full.
        """
        committer = self.committer
        segment = committer.log.segment
        assert segment is not None, "an open store has a segment"
        flushed = committer.manifest.current.replay_from - segment.meta.first
        if flushed >= committer.options.segment_bytes_max // RECLAIMED_SHARE:
            committer.manifest.unpin(await committer.roll())
        async with self.coordinator.turn(Work.LOG):
            await self._change(self._drop_log)
        try:
            await self._sweep_obsolete(automatic=False)
        except IoError as error:
            committer.health.warn(Work.SWEEP.value, error)
            self.wake(Work.SWEEP)  # whose task tries again, and takes the warning back

    def _drop_log(self) -> VersionEdit | None:
        """Drop the segments that nobody needs, also the one that ends in marks."""
        version = self.committer.manifest.current
        start = max(version.replay_from, self._bare_until())
        retired = version.retired_segments(start, floor=self.log_floor)
        if not retired:
            return None
        return VersionEdit(segments_removed=retired, replay_from=start)

    def _bare_until(self) -> int:
        """Return where replay may as well start if there are only marks behind what is in tables.

        That is where the active segment begins; 0 if anything else stands in the log. What has
        gathered, or comes while the edit is on its way, is sealed above. The memtable is left
        as it is, so nothing here depends on what becomes of the edit: its stretch begins with
        marks that may be gone, and cuts go on from where they were.
        """
        committer = self.committer
        log, segment, memtables = (
            committer.log,
            committer.log.segment,
            committer.memtables,
        )
        assert segment is not None, "an open store has a segment"
        first = segment.meta.first
        flushed = committer.manifest.current.replay_from
        is_bare = (
            (log.data_end <= flushed or not memtables.active)
            and not memtables.waiting
            and first <= committer.settled  # a stream that opens now begins there
        )
        return first if is_bare else 0

    def _is_log_due(self) -> bool:
        """Whether segments can go, or too many of earlier openings are still to be replayed."""
        return bool(self._retired()) or self._are_many_earlier()

    def _are_many_earlier(self) -> bool:
        """Say whether many closed segments of earlier lives are still to be replayed."""
        version = self.committer.manifest.current
        earlier = [
            segment
            for segment in version.segments
            if segment.life < version.life
            and segment.end is not None
            and segment.end > version.replay_from
        ]
        return len(earlier) >= EARLIER_SEGMENTS_MAX

    async def _retire(self, *, automatic: bool) -> bool:
        """Drop what nobody needs; let a flush see to what earlier openings wrote, if that is many.

        It may be a few bytes in each: no memtable is full for a long time then.
        """
        await self.retire_segments(automatic=automatic)
        if self._are_many_earlier():
            async with self.coordinator.turn(Work.LOG, automatic=automatic):
                await self._change(self._drop_log)
            if not self._are_many_earlier():
                self.shape_changed.fire()
            elif not self.committer.memtables.waiting:
                self.committer.ask(sync=True, switch=True)
        return False

    async def _sweep_obsolete(self, *, automatic: bool) -> bool:
        async with self.coordinator.turn(Work.SWEEP, automatic=automatic):
            problem = await self._sweep()
            if problem is not None:
                raise problem
        return False

    async def _sweep(self) -> IoError | None:
        """Remove files; return what prevented it for one of them."""
        manifest = self.committer.manifest
        numbers = manifest.take_obsolete()
        problem: IoError | None = None
        try:
            while numbers:
                try:
                    await self._remove(numbers[-1])
                except IoError as error:
                    problem = error
                    manifest.drop_again(numbers[-1])
                numbers.pop()
        finally:
            for number in numbers:
                manifest.drop_again(number)
        return problem

    async def _remove(self, number: int) -> None:
        await self.tables.evict(number)
        await self.values.evict(number)
        for name in (table_name(number), segment_name(number)):
            try:
                await self.io.remove(f"{self.folder}/{name}")
            except NotFoundError:
                continue
            self.counters.files_removed += 1

    def _retired(self) -> tuple[int, ...]:
        version = self.committer.manifest.current
        return version.retired_segments(version.replay_from, floor=self.log_floor)
