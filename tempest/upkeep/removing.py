"""What goes: segments that nobody needs leave the version, files that nobody names leave the disk.

Invariants
- Files are removed after the edit that drops them is durable, never while its outcome is unknown.
- A file that could not be removed, or whose removal was given up, is removed later.
- A segment leaves when replay, tables and readers of the log are through with it, however busy
  the store is: nothing has to be clean for that.
"""

import attrs

from io_backends import IoError, NotFoundError
from tempest.coordinator import Work
from tempest.log import segment_name
from tempest.table import table_name
from tempest.upkeep.publishing import Publishing
from tempest.version import VersionEdit


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

    async def _retire(self, *, automatic: bool) -> bool:
        await self.retire_segments(automatic=automatic)
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
