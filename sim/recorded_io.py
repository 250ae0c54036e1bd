"""A `WatchedIo` that also tells an `Observer` of every operation.

Invariants
- It adds no checkpoint and no operation: the run is the same as without it.
"""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from io_backends import FaultPlan, Io, Op
from sim.digest import Digest, Spoil, WatchedIo
from sim.record import OBSERVER, Observer

T = TypeVar("T")


class RecordedIo(WatchedIo):
    """A `WatchedIo` that is listened to."""

    def __init__(
        self,
        inner: Io,
        plan: FaultPlan,
        digest: Digest,
        *,
        observer: Observer,
        delay: Callable[[float], Awaitable[None]],
        on_power_cut: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(inner, plan, digest, delay=delay, on_power_cut=on_power_cut)
        self._observer = observer

    async def around(
        self,
        op: Op,
        run: Callable[[], Awaitable[T]],
        *,
        half: Callable[[], Awaitable[None]] | None = None,
        spoil: Spoil | None = None,
    ) -> T:
        self._observer.io_begun(op)
        try:
            result = await super().around(op, run, half=half, spoil=spoil)
        except BaseException as error:  # told and raised again
            self._observer.io_ended(op, type(error).__name__)
            raise
        self._observer.io_ended(op, answer_text(result))
        return result

    def around_nowait(
        self, op: Op, run: Callable[[], T], *, half: Callable[[], None] | None = None
    ) -> T:
        self._observer.io_begun(op)
        try:
            result = super().around_nowait(op, run, half=half)
        except BaseException as error:  # told and raised again
            self._observer.io_ended(op, type(error).__name__)
            raise
        self._observer.io_ended(op, answer_text(result))
        return result


def watch(
    observer: Observer,
    inner: Io,
    plan: FaultPlan,
    digest: Digest,
    *,
    delay: Callable[[float], Awaitable[None]],
    on_power_cut: Callable[[], None] | None = None,
) -> WatchedIo:
    """Return a `WatchedIo`, which tells the observer if somebody listens."""
    if observer is OBSERVER:
        return WatchedIo(inner, plan, digest, delay=delay, on_power_cut=on_power_cut)
    return RecordedIo(
        inner, plan, digest, observer=observer, delay=delay, on_power_cut=on_power_cut
    )


def answer_text(result: object) -> str:
    """Say in a few words what an Io operation gave."""
    match result:
        case None:
            return "done"
        case bytes():
            return f"{len(result)} bytes"
        case list():
            return f"{len(result)} names"
        case int() | float() | str():
            return str(result)
        case _:
            return "done"
