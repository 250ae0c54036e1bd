"""`FaultyIo`: any `Io`, obeying a `FaultPlan`.

Each operation is numbered; the faults that strike it become one `_Verdict`: wait, do how much of
it, cut the power, raise, falsify the answer. In that order.

Invariants
- Without a striking fault an operation passes through unchanged.
- After a power cut every operation raises `PowerLostError`, those in flight when they return;
  what is below loses its power too, if it can. Closing and releasing stay silent.
"""

from collections.abc import Awaitable, Callable
from typing import Literal, TypeVar, cast

import attrs
import trio

from io_backends.errors import IoError, PowerLostError
from io_backends.faults import (
    WRITES,
    BitFlip,
    ErrorName,
    FailOp,
    Fault,
    FaultLog,
    FaultPlan,
    Hit,
    LateError,
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

T = TypeVar("T")


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
        self.power_lost = trio.Event()
        self._delay = delay
        self._on_power_cut = on_power_cut
        self._released = trio.Event()
        self._late_errors: dict[str, ErrorName] = {}
        self._remembers = any(isinstance(fault, StaleRead) for fault in plan.faults)
        self._written: dict[str, list[tuple[int, bytes]]] = {}

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
            self._check_power(op)
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
            return run()
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
        if source in self._written:
            self._written[target] = self._written.pop(source)

    def note_write(self, path: str, offset: int, data: bytes) -> None:
        if self._remembers:
            self._written.setdefault(path, []).append((offset, bytes(data)))

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
        late = self._late_errors.pop(op.path, None) if op.kind is OpKind.SYNC else None
        if not struck and late is None:
            return None
        verdict = _Verdict()
        for index in struck:
            fault = self.plan.faults[index]
            self.log.counts[index] += 1
            self.log.hits.append(Hit(op, fault))
            self._add(verdict, op, fault)
        if late is not None:
            verdict.effect = "none"
            verdict.error = verdict.error or make_error(late, op)
            verdict.drops_pages = True
        return verdict

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
                self._late_errors[op.path] = fault.error
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
            if isinstance(fault, StaleRead):
                data[:] = self._stale(op)
            elif isinstance(fault, BitFlip) and data:
                place = 0 if fault.offset is None else fault.offset - op.offset
                data[place] ^= fault.xor
        return cast("T", bytes(data))

    def _stale(self, op: Op) -> bytes:
        """Return the bytes as they were before the last write to each of them."""
        end = op.offset + op.length
        now, before = bytearray(op.length), bytearray(op.length)
        for offset, data in self._written.get(op.path, ()):
            start, stop = max(offset, op.offset), min(offset + len(data), end)
            if start < stop:
                inside = slice(start - op.offset, stop - op.offset)
                before[inside] = now[inside]
                now[inside] = data[start - offset : stop - offset]
        return bytes(before)


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
