"""How a client follows the changes of the store, and holds them against what it knows.

Invariants
- A stream is open only while one operation goes on: who follows is the consumer, not the stream.
"""

import trio

import tempest
from sim.followers import Follower
from sim.services import Follow
from sim.surroundings import RefusedError, Surroundings
from tempest import Changes, Store


class FollowClient:
    """The part of a client that is a consumer of changes."""

    def __init__(self, world: Surroundings, number: int, store: Store) -> None:
        self._world = world
        self._store = store
        self._name = f"client {number}"

    async def perform(self, operation: Follow) -> None:
        """Follow for a while, from where the consumer was."""
        world, store = self._world, self._store
        follower = world.followers.setdefault(self._name, Follower(self._name))
        start = None if follower.is_registered else store.position
        if start is not None:
            follower.begin(start, world.model, list(world.model.durable))
        try:
            async with store.changes(start, consumer=self._name) as stream:
                if start is None:
                    follower.resume(stream.position)
                elif not world.is_dark:
                    follower.is_registered = True
                    follower.confirm(start, store.options.stream_retention_bytes)
                await self._follow(stream, follower, operation)
        except tempest.PositionLostError as error:
            follower.check_lost(store.position, store.oldest_position)
            follower.is_registered = False
            world.mark("a position is lost")
            raise RefusedError from error

    async def _follow(
        self, stream: Changes, follower: Follower, operation: Follow
    ) -> None:
        world, store = self._world, self._store
        end, wait = store.position, operation.seconds + 0.001
        for _ in range(operation.frames):
            if stream.position >= end and not operation.seconds:
                break
            frame: tempest.ChangeFrame | None = None
            with trio.move_on_after(wait):
                frame = await anext(stream)
            if frame is None:
                break
            follower.take(frame)
            world.see(*(change.value for change in frame.changes))
        if stream.position >= world.recovered_position:
            follower.check(world.model)
            world.mark("a consumer has caught up", when=stream.position >= end)
        if operation.acknowledge:
            position = stream.position
            follower.save(position)
            await stream.acknowledge()
            if not world.is_dark:
                follower.confirm(position, store.options.stream_retention_bytes)
