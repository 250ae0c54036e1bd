"""Back-pressure: writers slow down smoothly, then wait, as unflushed work grows.

Pressure is the larger of two shares: bytes in memtables of the memory budget (three memtables'
worth unless `memory_bytes_max` says otherwise), tables in level 0 of three times the number that
starts a compaction. Up to two thirds nobody notices; from there each byte written costs time,
more and more of it; at one, writers wait.

Writes on the spot (`tempest.spot`) ask `may_pass`, for some writes at once: while nobody is slowed for
as long as that is bound to last, and else for a few, whose time they owe together.

Invariants
- System work (flush, compaction, manifest) never asks here.
- Waiters are woken when the shape of the store or its health changes, and look again.
"""

import attrs
import trio

from tempest.errors import ThrottledError
from tempest.health import HealthMonitor
from tempest.memory import Memtables
from tempest.memtable import ENTRY_BYTES, Memtable
from tempest.options import Options
from tempest.version import Manifest
from tempest.wakeup import Pulse, Wakeup

SMOOTH_FROM = 2 / 3
BYTES_A_SECOND_MIN = 4 << 20
SLEEP_SECONDS_MIN = 0.004  # few and long: each is a late write, and ends 1 ms late;
SHORT_SECONDS_MIN = 0.001  # with a memtable that would fill in less than 32 of them
CALM_WRITES = 64  # made without a look at level 0; a look takes a microsecond
SLOWED_WRITES = 16  # made without a look, while writes owe time for their bytes,
SLOWED_BYTES = 16 << 10  # and by how much they may make the memtable grow meanwhile


@attrs.define(eq=False)
class Throttle:
    """Decides whether a write may go on, and how late."""

    memtables: Memtables
    manifest: Manifest
    health: HealthMonitor
    options: Options
    stalls: int = 0
    delayed_seconds: float = 0.0
    _debt_seconds: float = 0.0
    changed: Pulse = attrs.field(factory=Pulse)
    filling: Wakeup = attrs.field(
        factory=Wakeup
    )  # a memtable fills: a flush will follow
    calm_until: int = 0  # a sequence: see `may_pass`
    _charged: Memtable | None = None  # and up to which size: see `_owe_growth`
    _charged_bytes: int = 0
    _memory_bytes_max: int = attrs.field(init=False)
    _level0_tables_max: int = attrs.field(init=False)
    _filling_bytes: int = attrs.field(init=False)
    _sleep_seconds_min: float = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        share = self.options.memtable_share_bytes
        short = max(SHORT_SECONDS_MIN, share / 32 / BYTES_A_SECOND_MIN)
        self._sleep_seconds_min = min(SLEEP_SECONDS_MIN, short)
        self._memory_bytes_max = self.options.memory_budget_bytes
        self._level0_tables_max = 3 * self.options.level0_tables_max
        self._filling_bytes = share // 4

    @property
    def pressure(self) -> float:
        """0.0 is idle; at 1.0 and above writers wait."""
        memory = self.memtables.held_bytes / self._memory_bytes_max
        level0 = len(self.manifest.current.levels[0]) / self._level0_tables_max
        return max(memory, level0)

    def may_pass(self, sequence: int) -> bool:
        """Whether writes on the spot may go on, and note for how long they need not ask again.

        That is until the active memtable has grown to its `calm_bytes`, or the sequences to
        `calm_until`: tables may have come to level 0 by then. If not, the next one is for
        `admit`, which lets it wait, or `admit_nowait`.
        """
        memtables, active = self.memtables, self.memtables.active
        pressure = self.pressure
        if pressure <= SMOOTH_FROM:
            calm = int(SMOOTH_FROM * self._memory_bytes_max)
            active.calm_bytes = calm - memtables.held_bytes + active.bytes
            self.calm_until = sequence + CALM_WRITES
            if active.bytes >= self._filling_bytes:
                self.filling.set()
            self._charged = None
            return True
        self._owe_growth(pressure, active)
        if pressure >= 1 or self._debt_seconds >= self._sleep_seconds_min:
            active.calm_bytes = -1
            return False
        room = self._memory_bytes_max - memtables.held_bytes
        active.calm_bytes = active.bytes + min(SLOWED_BYTES, room)
        self.calm_until = sequence + SLOWED_WRITES
        return True

    def _owe_growth(self, pressure: float, active: Memtable) -> None:
        """Let what was written on the spot since the last look owe its time.

        That is what the active memtable has grown by, in keys and values: what took the place
        of an older version there makes no work for flush and compaction.
        """
        size = active.bytes - ENTRY_BYTES * len(active)
        if self._charged is active:
            self._owe(pressure, max(0, size - self._charged_bytes))
        self._charged, self._charged_bytes = active, size

    def admit_nowait(self, size: int) -> None:
        """Let a write of `size` bytes pass, or raise `ThrottledError` or `BackgroundError`.

        It passes if nothing is owed, and then owes its own time: `wait_writable` pays that.
        """
        self.health.check_writable()
        pressure = self.pressure
        if pressure <= SMOOTH_FROM:
            return
        if pressure >= 1 or self._debt_seconds >= self._sleep_seconds_min:
            raise ThrottledError("flush or compaction is behind")
        self._owe_admitted(pressure, size)

    async def admit(self, size: int) -> None:
        """Let a write of `size` bytes pass, late if need be. Cancellable while it waits."""
        self.health.check_writable()
        if self.pressure <= SMOOTH_FROM:
            return
        await self._wait_for_room()
        self._owe_admitted(self.pressure, size)
        await self._pay()

    async def wait_writable(self) -> None:
        """Wait until a write would not have to wait; `BackgroundError` if the store only reads."""
        self.health.check_writable()
        await self._wait_for_room()
        await self._pay()

    async def _wait_for_room(self) -> None:
        if self.pressure < 1:
            return
        self.stalls += 1
        while self.pressure >= 1:
            await self.changed.wait()
            self.health.check_writable()

    def _owe_admitted(self, pressure: float, size: int) -> None:
        """Let a write owe its time before it is made: it is no growth that owes once more."""
        self._owe(pressure, size)
        self._charged_bytes += size

    def _owe(self, pressure: float, size: int) -> None:
        severity = min(1.0, max(0.0, (pressure - SMOOTH_FROM) / (1 - SMOOTH_FROM)))
        self._debt_seconds += severity * severity * size / BYTES_A_SECOND_MIN

    async def _pay(self) -> None:
        """Sleep for what is owed once that is worth it; without pressure it is forgotten."""
        seconds = self._debt_seconds
        if self.pressure <= SMOOTH_FROM:
            self._debt_seconds = 0.0
            return
        if seconds < self._sleep_seconds_min:
            return
        self._debt_seconds = 0.0
        self.delayed_seconds += seconds
        started = trio.current_time()
        await trio.sleep(seconds)
        overslept = trio.current_time() - started - seconds
        self.delayed_seconds += overslept
        self._debt_seconds -= overslept  # paid in advance
        self.health.check_writable()
