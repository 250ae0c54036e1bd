"""One number for a whole run: every step, every operation with its bytes, every answer.

Invariants
- Two runs have the same digest only if they did the same in the same order.
- Nothing that differs between processes enters: no addresses, no hashes, no wall time.
"""

from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

import attrs
import trio
import xxhash

from io_backends import Fault, FaultPlan, FaultyIo, Io, Op, OpKind, Stat
from sim.faults.contracts import MANIFESTS

if TYPE_CHECKING:
    from sim.faults import History

T = TypeVar("T")
Spoil = Callable[[bool, float], None]


class OnLie(Protocol):
    """Hears of a sync that loses its pages in silence, and of the one that tells."""

    def __call__(self, op: Op, /, *, is_reported: bool) -> None: ...


Word = int | str | float | None
HELD_MAX = 8192


class Digest:
    """Takes words, in order."""

    def __init__(self) -> None:
        self._hasher = blake2b(digest_size=16)
        self._held: list[Word] = []
        self.step = self._held.append  # for the scheduler, the busiest caller

    def note(self, *words: Word) -> None:
        """Take some words."""
        held = self._held
        held += words
        if len(held) > HELD_MAX:
            self._hash()

    def hexdigest(self) -> str:
        """Return the digest of everything so far."""
        self._hash()
        return self._hasher.hexdigest()

    def _hash(self) -> None:
        self._hasher.update(repr(self._held).encode())
        self._held.clear()


def word(value: object) -> Word:
    """Make one word of an argument or result."""
    if value is None:
        return None
    match value:
        case bytes() | bytearray() | memoryview():
            return xxhash.xxh3_64_intdigest(value)
        case int() | str() | float():
            return value
        case list() | tuple():
            return repr([word(item) for item in value])
        case Stat():
            return repr(value)
        case _:
            return type(value).__name__


class WatchedIo(FaultyIo):
    """A `FaultyIo` whose every operation and result enters a digest.

    `writes_in_flight` are writes that were handed down and have not returned.
    """

    def __init__(
        self,
        inner: Io,
        plan: FaultPlan,
        digest: Digest,
        *,
        delay: Callable[[float], Awaitable[None]],
        on_power_cut: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(inner, plan, delay=delay, on_power_cut=on_power_cut)
        self._digest = digest
        self.writes_in_flight: dict[tuple[str, int], bytes] = {}
        self.is_lying = False  # syncs of the log do nothing
        # By index, how many operations had begun when it failed.
        self.failed_at: dict[int, int] = {}
        # Of tables, by the index of the operation that begins next.
        self._failed_reads: dict[int, Op] = {}
        self.manifest_syncs: list[int] = []  # indices, of the store's own
        self.history: History | None = None
        self.on_lie: OnLie | None = None

    async def around(
        self,
        op: Op,
        run: Callable[[], Awaitable[T]],
        *,
        half: Callable[[], Awaitable[None]] | None = None,
        spoil: Spoil | None = None,
    ) -> T:
        note = self._digest.note
        note(op.kind.word, op.path, op.offset, op.length, op.target)
        history = self.history
        mark = 0 if history is None else history.sync_mark(op.path)
        if op.kind is OpKind.SYNC and op.path.startswith(MANIFESTS):
            self.manifest_syncs.append(op.index)
        if self.is_lying and op.kind is OpKind.SYNC and "/log-" in op.path:
            await trio.lowlevel.checkpoint()
            return cast("T", None)
        try:
            result = await super().around(op, run, half=half, spoil=spoil)
        except BaseException as error:  # noted and raised again
            note(op.index, type(error).__name__)
            if not isinstance(error, trio.Cancelled):  # who was cancelled met nothing
                self._note_failure(op)
            raise
        finally:
            if op.kind is OpKind.WRITE and not self.power_lost.is_set():
                self.writes_in_flight.pop((op.path, op.offset), None)
        note(op.index, word(result))
        self._excuse(op)
        if history is not None:
            history.note_done(op, mark)
        return result

    def _note_failure(self, op: Op) -> None:
        self.failed_at[op.index] = self.op_count
        if op.kind is OpKind.READ and "/table-" in op.path:
            self._failed_reads[self.op_count] = op

    def _excuse(self, op: Op) -> None:
        """Forget a read of several blocks that failed if the one at its end is read at once, alone.

        Who reads ahead asks so, and need not tell. Others may ask for the rest, and will be told.
        """
        failed = self._failed_reads.get(op.index)
        if (
            failed is not None
            and (op.kind, op.path) == (OpKind.READ, failed.path)
            and op.length < failed.length
            and (
                op.offset == failed.offset
                or op.offset + op.length == failed.offset + failed.length
            )
        ):
            del self.failed_at[failed.index]

    def around_nowait(
        self, op: Op, run: Callable[[], T], *, half: Callable[[], None] | None = None
    ) -> T:
        note = self._digest.note
        note(op.kind.word, op.path, op.offset, op.length)
        try:
            result = super().around_nowait(op, run, half=half)
        except BaseException as error:  # noted and raised again
            note(type(error).__name__)
            self.failed_at[op.index] = self.op_count
            raise
        finally:
            self.writes_in_flight.pop((op.path, op.offset), None)
        note(word(result))
        if self.history is not None:
            self.history.note_done(op, 0)
        return result

    def arm(self, fault: Fault) -> None:
        """Add a fault that counts from the next operation."""
        fault = attrs.evolve(fault, at=self.op_count + fault.at)
        self.plan = FaultPlan((*self.plan.faults, fault))
        self.log.counts.append(0)

    def disarm(self) -> None:
        """Inject nothing more, and let go of what is stuck."""
        self.plan = FaultPlan()
        self.release()

    def note_write(self, path: str, offset: int, data: bytes) -> None:
        self._digest.note(word(data))
        self.writes_in_flight[path, offset] = data
        if self.history is not None:
            self.history.note_write(path, offset, data)
        super().note_write(path, offset, data)

    def note_lie(self, op: Op, *, is_reported: bool) -> None:
        if self.on_lie is not None:
            self.on_lie(op, is_reported=is_reported)
