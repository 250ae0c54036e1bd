"""`FaultyIo`: any `Io`, obeying a `FaultPlan`.

Each operation is numbered; the faults that strike it become one `_Verdict`: wait, do how much of
it, cut the power, raise, falsify the answer. In that order.

Invariants
- Without a striking fault an operation passes through unchanged.
- After a power cut every operation raises `PowerLostError`, those in flight when they return;
  what is below loses its power too, if it can. Closing and releasing stay silent.
"""

from collections.abc import Awaitable, Callable
from copy import copy
from typing import Literal, TypeVar, cast

import attrs
import trio

from io_backends.crash import SECTOR_BYTES
from io_backends.errors import IoError, PowerLostError
from io_backends.faults import (
    READS,
    WRITES,
    BitFlip,
    FailOp,
    Fault,
    FaultLog,
    FaultPlan,
    Hit,
    LateError,
    MisdirectedRead,
    MisdirectedWrite,
    Op,
    OpKind,
    PowerCut,
    Slow,
    StaleRead,
    Stuck,
    make_error,
)
from io_backends.intercept import (
    CanRelease,
    InterceptingFile,
    InterceptingIo,
    Spoil,
)
from io_backends.protocol import Io
from io_backends.recall import Recall

LIED_SECTORS_MAX = 4  # so many of each answer are told of
T = TypeVar("T")


_RECALLING = (StaleRead, MisdirectedRead)


@attrs.define
class _Verdict:
    """What is to happen to one operation."""

    seconds: float = 0.0
    is_stuck: bool = False
    effect: Literal["none", "partial", "done"] = "done"
    cuts_power: bool = False
    drops_pages: bool | None = None
    error: IoError | None = None
    lies: list[Fault] = attrs.field(factory=list)


class FaultyIo(InterceptingIo):
    """An `Io` that fails as planned.

    `log` tells what fired; `power_lost` is set at a power cut, after `on_power_cut` was called.
    """

    def __init__(
        self,
        inner: Io,
        plan: FaultPlan = FaultPlan(),  # noqa: B008 frozen
        *,
        delay: Callable[[float], Awaitable[None]] = trio.sleep,
        on_power_cut: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(inner)
        self.plan = plan
        self.log: FaultLog = plan.new_log()
        # By operation, the first offsets at which what it was told is not so, one a sector.
        self.lied_at: dict[int, tuple[int, ...]] = {}
        self.power_lost = trio.Event()
        self._delay = delay
        self._on_power_cut = on_power_cut
        self._released = trio.Event()
        self._late_errors: dict[str, LateError] = {}
        self._redirected: dict[tuple[str, int], int] = {}
        is_recalled = any(isinstance(fault, _RECALLING) for fault in plan.faults)
        self._recall = Recall() if is_recalled else None

    def release(self) -> None:
        """Let every stuck operation go on, now and later."""
        self._released.set()

    def power_off(self) -> None:
        """Cut the power now, as a `PowerCut` does."""
        if not self.power_lost.is_set():
            super().power_off()
            if self._on_power_cut is not None:
                self._on_power_cut()
            self.power_lost.set()

    async def around(
        self,
        op: Op,
        run: Callable[[], Awaitable[T]],
        *,
        half: Callable[[], Awaitable[None]] | None = None,
        spoil: Spoil | None = None,
    ) -> T:
        self._check_power(op)
        verdict = self._judge(op)
        if verdict is None:
            result = await run()
            if self.power_lost.is_set():
                await _discard(result)
                raise PowerLostError(op.kind.value, op.path)
            if self._recall is not None:
                self._note_read(op, result)
            return result
        await self._wait(verdict)
        self._check_power(op)
        self._spoil(spoil, verdict)
        if verdict.effect == "partial" and half is not None:
            await half()
        if verdict.effect != "done":
            raise self._conclude(op, verdict)
        try:
            result = await run()
        finally:
            self._cut_power(verdict)
        if verdict.error is not None or self.power_lost.is_set():
            await _discard(result)
            raise self._conclude(op, verdict)
        return self._falsified(op, verdict, result)

    def around_nowait(
        self, op: Op, run: Callable[[], T], *, half: Callable[[], None] | None = None
    ) -> T:
        self._check_power(op)
        verdict = self._judge(op)
        if verdict is None:
            result = run()
            if self._recall is not None:
                self._note_read(op, result)
            return result
        if verdict.seconds or (verdict.is_stuck and not self._released.is_set()):
            raise trio.WouldBlock
        if verdict.effect == "partial" and half is not None:
            half()
        if verdict.effect != "done":
            raise self._conclude(op, verdict)
        try:
            result = run()
        finally:
            self._cut_power(verdict)
        if verdict.error is not None or self.power_lost.is_set():
            raise self._conclude(op, verdict)
        return self._falsified(op, verdict, result)

    async def rename(self, source: str, target: str) -> None:
        await super().rename(source, target)
        if source in self._late_errors:
            # Under both names: a handle keeps the one under which it was opened.
            self._late_errors[target] = self._late_errors[source]
        if self._recall is not None:
            self._recall.rename(source, target)

    def note_write(self, path: str, offset: int, data: bytes) -> None:
        if self._recall is not None:
            self._recall.note_write(path, offset, data)

    def _note_read(self, op: Op, result: object) -> None:
        if self._recall is not None and op.kind in READS and isinstance(result, bytes):
            self._recall.note_seen(op.path, op.offset, result)

    def note_lie(self, op: Op, *, is_reported: bool) -> None:
        """Hear of a sync that is about to lose its pages in silence, or of the one that tells."""

    def place_of_write(self, path: str, offset: int) -> int:
        return self._redirected.pop((path, offset), offset)

    def _check_power(self, op: Op) -> None:
        if self.power_lost.is_set():
            raise PowerLostError(op.kind.value, op.path)

    def _cut_power(self, verdict: _Verdict) -> None:
        if verdict.cuts_power:
            self.power_off()

    async def _wait(self, verdict: _Verdict) -> None:
        await trio.lowlevel.checkpoint_if_cancelled()
        if verdict.seconds:
            await self._delay(verdict.seconds)
        if verdict.is_stuck:
            await self._released.wait()

    def _judge(self, op: Op) -> _Verdict | None:
        """Count and combine the faults that strike; None if there are none."""
        struck = self.plan.decide(op, self.log.counts)
        late = self._late_error(op) if self._late_errors else None
        if not struck and late is None:
            return None
        verdict = _Verdict()
        for index in struck:
            fault = self.plan.faults[index]
            self.log.counts[index] += 1
            self.log.hits.append(Hit(op, fault))
            self._add(verdict, op, fault)
        if late is not None:
            self.log.hits.append(Hit(op, late, is_late=True))
            self.note_lie(op, is_reported=True)
            verdict.effect = "none"
            verdict.error = verdict.error or make_error(late.error, op)
            verdict.drops_pages = True
        return verdict

    def _late_error(self, op: Op) -> LateError | None:
        """Return what is to be told now; of a new file of that name there is nothing to tell."""
        if op.kind is OpKind.CREATE:
            self._late_errors.pop(op.path, None)
        if op.kind is not OpKind.SYNC or op.path not in self._late_errors:
            return None
        late = self._late_errors[op.path]
        self._late_errors = {
            path: other
            for path, other in self._late_errors.items()
            if other is not late
        }
        return late

    def _add(self, verdict: _Verdict, op: Op, fault: Fault) -> None:
        match fault:
            case Slow():
                verdict.seconds += fault.seconds
            case Stuck():
                verdict.is_stuck = True
            case FailOp():
                verdict.effect = fault.effect
                verdict.error = verdict.error or make_error(fault.error, op)
                if fault.effect != "done":
                    verdict.drops_pages = fault.drop_pages
            case LateError():
                verdict.drops_pages = True
                self._late_errors[op.path] = copy(fault)
                self.note_lie(op, is_reported=False)
            case MisdirectedWrite():
                place = max(0, op.offset + fault.shift)
                self._redirected[op.path, op.offset] = place
            case PowerCut():
                verdict.cuts_power = True
                verdict.effect = _effect_of_cut(op, fault)
            case _:
                verdict.lies.append(fault)

    @staticmethod
    def _spoil(spoil: Spoil | None, verdict: _Verdict) -> None:
        """Break a sync: some of it is done if its effect is partial, the rest maybe lost."""
        share = 0.5 if verdict.effect == "partial" else 0.0
        if spoil is not None and (share or verdict.drops_pages is not None):
            spoil(bool(verdict.drops_pages), share)

    def _conclude(self, op: Op, verdict: _Verdict) -> IoError:
        """Cut the power if need be; return the error that the caller gets to see."""
        self._cut_power(verdict)
        if verdict.error is None or self.power_lost.is_set():
            return PowerLostError(op.kind.value, op.path)
        return verdict.error

    def _falsified(self, op: Op, verdict: _Verdict, result: T) -> T:
        if not isinstance(result, bytes) or not verdict.lies:
            return result
        data = bytearray(result)
        for fault in verdict.lies:
            if isinstance(fault, StaleRead) and self._recall is not None:
                data[:] = self._recall.stale(op)
            elif isinstance(fault, MisdirectedRead) and self._recall is not None:
                data[:] = self._recall.elsewhere(op, fault)
            elif isinstance(fault, BitFlip) and data:
                place = 0 if fault.offset is None else fault.offset - op.offset
                data[place] ^= fault.xor
        self.lied_at[op.index] = _wrong_places(op.offset, data, result)
        return cast("T", bytes(data))


def _wrong_places(offset: int, told: bytearray, truth: bytes) -> tuple[int, ...]:
    """Return the offset of the first wrong byte in each of the first sectors that have one."""
    places: dict[int, int] = {}
    for place, (one, other) in enumerate(zip(told, truth, strict=False), offset):
        if one != other:
            places.setdefault(place // SECTOR_BYTES, place)
            if len(places) == LIED_SECTORS_MAX:
                break
    return tuple(places.values())


async def _discard(result: object) -> None:
    """Let go of a file or lock whose receiver is told that the operation failed."""
    if isinstance(result, InterceptingFile):
        await result.aclose()
    elif isinstance(result, CanRelease):
        result.release()


def _effect_of_cut(op: Op, cut: PowerCut) -> Literal["none", "partial", "done"]:
    if cut.when == "before":
        return "none"
    halves = cut.when == "during" and op.kind in (*WRITES, OpKind.SYNC)
    return "partial" if halves else "done"
