"""What a client asks for besides reads and writes: each sort of it has a part of its own.

Invariants
- Documented refusals that are explained leave as `RefusedError`; every other error as it is.
"""

from collections.abc import Callable

import trio

import tempest
from sim import services
from sim.checkpoint_client import CheckpointClient
from sim.follow_client import FollowClient
from sim.keepsakes import backup_folder
from sim.oracle import Violation
from sim.services import Service
from sim.session_client import SessionClient, Write
from sim.surroundings import RefusedError, Surroundings
from tempest import CollectionMethod, Store


class ServiceClient:
    """The part of a client that performs `sim.services`."""

    def __init__(
        self,
        world: Surroundings,
        number: int,
        store: Store,
        write: Write,
        value: Callable[[int], bytes],
    ) -> None:
        self._world = world
        self._store = store
        self._checkpoints = CheckpointClient(world, store)
        self._sessions = SessionClient(world, number, store, write, value)
        self._follower = FollowClient(world, number, store)

    async def perform(self, operation: Service) -> None:
        """Perform one operation."""
        name = type(operation).__name__
        if name.startswith("Checkpoint"):
            await self._checkpoints.perform(operation)
        elif name.startswith("Session"):
            await self._sessions.perform(operation)
        else:
            await self._other(operation)

    async def let_go(self) -> None:
        """Leave what is open, at the end of a life."""
        await self._sessions.let_go()

    async def _other(self, operation: Service) -> None:
        match operation:
            case services.Follow():
                await self._follower.perform(operation)
            case services.Pause(seconds):
                await self._pause(seconds)
            case services.Collect(share):
                await self._collect(share)
            case services.ShouldCollect(share):
                await self._should_collect(share)
            case services.Backup(folder):
                await self._backup(folder)
            case _:
                raise AssertionError(f"nobody performs {operation}")

    async def _collect(self, share: float | None) -> None:
        report = await self._store.collect(share)
        self._world.mark("a collection frees segments", when=report.bytes_removed > 0)
        self._world.mark("a collection copies values", when=report.values_copied > 0)

    async def _should_collect(self, share: float | None) -> None:
        for method in CollectionMethod:
            estimate = await self._store.should_collect(method, share)
            sizes = (estimate.bytes_to_copy, estimate.bytes_freed)
            if min(sizes) < 0 or estimate.is_worthwhile != bool(estimate.segments):
                raise Violation("values", f"{method}: {estimate}")

    async def _backup(self, number: int) -> None:
        """Bring a backup up to date and read it; until it is whole, the older one is there."""
        world, keepsakes = self._world, self._world.keepsakes
        lows = world.model.acknowledged()
        older = keepsakes.begin_backup(number)
        try:
            await self._store.backup(backup_folder(number))
        except tempest.BackupError as error:
            if keepsakes.is_from_backup:  # other files may have the same numbers
                raise RefusedError from error
            raise
        finally:
            keepsakes.end_backup(number)
        if world.is_dark:
            return
        made = keepsakes.backed_up(number, world.model, lows)
        world.mark("a backup is brought up to date", when=older is not None)
        found = await world.read_elsewhere(backup_folder(number), None)
        if found is not None and made.state == "kept":
            made.check(*found)

    async def _pause(self, seconds: float) -> None:
        upkeep = self._store.maintenance
        upkeep.pause()
        try:
            await trio.sleep(seconds)
        finally:
            upkeep.resume()
