"""What a trio program pays for a synchronous engine: a hop to a thread for every call."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

import attrs
import trio

from benchmarks.peers.engine import AsyncFace, Engine, Row, Traits

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")
OPERATIONS_MAX = 4000  # at 150 us each


class Threaded:
    """A synchronous engine behind `trio.to_thread.run_sync`."""

    def __init__(self, inner: Engine) -> None:
        self._inner = inner
        self.traits: Traits = attrs.evolve(
            inner.traits, operations_max=OPERATIONS_MAX, budget_bytes=None
        )

    @asynccontextmanager
    async def session(self, path: str, *, sync: bool) -> AsyncIterator[AsyncFace]:
        inner = self._inner.open(path, sync=sync)
        limiter = trio.CapacityLimiter(1 if self.traits.one_writer else 64)

        def hop(
            function: Callable[Parameters, Result],
        ) -> Callable[Parameters, Awaitable[Result]]:
            async def call(
                *arguments: Parameters.args, **named: Parameters.kwargs
            ) -> Result:
                del named
                return await trio.to_thread.run_sync(
                    function, *arguments, limiter=limiter
                )

            return call

        async def scan(reverse: bool) -> AsyncIterator[Sequence[Row]]:  # noqa: FBT001, the face's shape
            parts = inner.scan(reverse)
            step = hop(lambda: next(parts, None))
            while (part := await step()) is not None:
                yield part

        try:
            yield AsyncFace(
                put=hop(inner.put),
                get=hop(inner.get),
                delete=hop(inner.delete),
                write=hop(inner.write),
                get_many=hop(inner.get_many),
                scan=scan,
                seek=hop(inner.seek),
                update=hop(inner.update),
                settle=hop(inner.settle),
            )
        finally:
            inner.close()
