"""When a virtual operation happens: cancellation, latency and power around one synchronous effect.

    answer (read, stat, list)         wait, effect                     the wait can be cancelled
    change (write, names, truncate)   half the wait, effect, the rest  shielded: once started, it ends
    settle (sync, sync_dir)           mark, wait, effect               shielded; covers what was
                                                                       written before the mark

So at a power cut an operation in flight may or may not have happened, and bytes written while a
sync was under way are not covered by it. Without latency there is one `delay(0)`, and the effect
comes right before the return.

Invariants
- Every operation checks for cancellation and power before it starts, and for power when it ends.
- Once the power is off no effect runs.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

import attrs
import trio

from io_backends.errors import PowerLostError
from io_backends.faults import OpKind

T = TypeVar("T")
Latency = Callable[[OpKind, int], float]
Delay = Callable[[float], Awaitable[None]]


def shielded(delay: Delay) -> Delay:
    """Return a delay that no cancellation ends."""

    async def wait(seconds: float) -> None:
        with trio.CancelScope(shield=True):
            await delay(seconds)

    return wait


@attrs.define
class Pace:
    """The time that operations take on one simulated machine, and whether it has power."""

    delay: Delay
    delay_shielded: Delay
    latency: Latency | float
    is_powered: bool = True

    async def answer(
        self, kind: OpKind, path: str, effect: Callable[[], T], length: int = 0
    ) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        self.check_power(kind, path)
        await self.delay(self._seconds(kind, length))
        self.check_power(kind, path)
        return effect()

    async def change(
        self, kind: OpKind, path: str, effect: Callable[[], T], length: int = 0
    ) -> T:
        await trio.lowlevel.checkpoint_if_cancelled()
        self.check_power(kind, path)
        seconds = self._seconds(kind, length) / 2
        await self.delay_shielded(seconds)
        self.check_power(kind, path)
        result = effect()
        if seconds > 0.0:
            await self.delay_shielded(seconds)
            self.check_power(kind, path)
        return result

    async def settle(
        self,
        kind: OpKind,
        path: str,
        mark: Callable[[], T],
        effect: Callable[[T], None],
    ) -> None:
        await self.begin(kind, path)
        covered = mark()
        await self.delay_shielded(self._seconds(kind, 0))
        self.check_power(kind, path)
        effect(covered)

    async def begin(self, kind: OpKind, path: str) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        self.check_power(kind, path)

    def check_power(self, kind: OpKind, path: str) -> None:
        if not self.is_powered:
            raise PowerLostError(kind.value, path)

    def _seconds(self, kind: OpKind, length: int) -> float:
        if isinstance(self.latency, float | int):
            return self.latency
        return self.latency(kind, length)
