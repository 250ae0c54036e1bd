"""`TracingIo`: record every operation of any `Io`, to count a workload or to print what it did.

Invariants
- Changes nothing: results and errors pass through as they are.
- An operation is recorded when it starts, so one that never returned is in the list.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs

from io_backends.faults import Op, OpKind
from io_backends.intercept import InterceptingIo, Spoil
from io_backends.protocol import Io

T = TypeVar("T")


@attrs.define
class TracedOp:
    """An operation and what became of it; `result` is what it returned."""

    op: Op
    result: object = None
    error: BaseException | None = None
    is_done: bool = False

    def __str__(self) -> str:
        if not self.is_done:
            return f"{self.op}: in flight"
        return f"{self.op}: {'ok' if self.error is None else type(self.error).__name__}"


class TracingIo(InterceptingIo):
    """An `Io` that remembers: `ops` in order of start, `open_handles`, `op_count`."""

    ops: list[TracedOp]

    def __init__(self, inner: Io) -> None:
        super().__init__(inner)
        self.ops = []

    async def around(
        self,
        op: Op,
        run: Callable[[], Awaitable[T]],
        *,
        half: Callable[[], Awaitable[None]] | None = None,
        spoil: Spoil | None = None,
    ) -> T:
        traced = self._record(op)
        try:
            result = await run()
        except BaseException as error:
            traced.error = error
            raise
        else:
            traced.result = result
            return result
        finally:
            traced.is_done = True

    def around_nowait(
        self, op: Op, run: Callable[[], T], *, half: Callable[[], None] | None = None
    ) -> T:
        traced = self._record(op)
        try:
            result = run()
        except BaseException as error:
            traced.error = error
            raise
        else:
            traced.result = result
            return result
        finally:
            traced.is_done = True

    def counts(self) -> Counter[OpKind]:
        """Count the recorded operations by kind."""
        return Counter(traced.op.kind for traced in self.ops)

    def _record(self, op: Op) -> TracedOp:
        traced = TracedOp(op)
        self.ops.append(traced)
        return traced
