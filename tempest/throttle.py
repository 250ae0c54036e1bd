"""Back-pressure: writers slow down smoothly, then wait, as unflushed work grows.

Pressure is the larger of two shares: bytes in memtables of the memory budget (three memtables'
worth unless `memory_bytes_max` says otherwise), tables in level 0 of three times the number that
starts a compaction. Up to two thirds nobody notices; from there each byte written costs time,
more and more of it; at one, writers wait.

Invariants
- System work (flush, compaction, manifest) never asks here.
- Waiters are woken when the shape of the store or its health changes, and look again.
"""

import attrs
import trio

from tempest.errors import ThrottledError
from tempest.health import HealthMonitor
from tempest.memory import Memtables
from tempest.options import Options
from tempest.version import Manifest
from tempest.wakeup import Pulse

SMOOTH_FROM = 2 / 3
BYTES_A_SECOND_MIN = 4 << 20
SLEEP_SECONDS_MIN = 0.001
CALM_WRITES = 64  # made without a look at level 0; a look takes half a microsecond


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
    calm_until: int = 0  # a sequence: see `is_calm`
    _memory_bytes_max: int = attrs.field(init=False)
    _level0_tables_max: int = attrs.field(init=False)

    def __attrs_post_init__(self) -> None:
        self._memory_bytes_max = self.options.memory_budget_bytes
        self._level0_tables_max = 3 * self.options.level0_tables_max

    @property
    def pressure(self) -> float:
        """0.0 is idle; at 1.0 and above writers wait."""
        memory = self.memtables.held_bytes / self._memory_bytes_max
        level0 = len(self.manifest.current.levels[0]) / self._level0_tables_max
        return max(memory, level0)

    def is_calm(self, sequence: int) -> bool:
        """Whether nobody is slowed, and note for how long writers need not ask again.

        That is until the active memtable has grown to its `calm_bytes`, or the sequences to
        `calm_until`: tables may have come to level 0 by then.
        """
        memtables = self.memtables
        active = memtables.active
        if self.pressure > SMOOTH_FROM:
            active.calm_bytes = -1
            return False
        calm = int(SMOOTH_FROM * self._memory_bytes_max)
        active.calm_bytes = calm - memtables.held_bytes + active.bytes
        self.calm_until = sequence + CALM_WRITES
        return True

    def admit_nowait(self, size: int) -> None:
        """Let a write of `size` bytes pass, or raise `ThrottledError` or `BackgroundError`.

        It passes if nothing is owed, and then owes its own time: `wait_writable` pays that.
        """
        self.health.check_writable()
        pressure = self.pressure
        if pressure <= SMOOTH_FROM:
            return
        if pressure >= 1 or self._debt_seconds >= SLEEP_SECONDS_MIN:
            raise ThrottledError("flush or compaction is behind")
        self._owe(pressure, size)

    async def admit(self, size: int) -> None:
        """Let a write of `size` bytes pass, late if need be. Cancellable while it waits."""
        self.health.check_writable()
        if self.pressure <= SMOOTH_FROM:
            return
        await self._wait_for_room()
        self._owe(self.pressure, size)
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

    def _owe(self, pressure: float, size: int) -> None:
        severity = min(1.0, max(0.0, (pressure - SMOOTH_FROM) / (1 - SMOOTH_FROM)))
        self._debt_seconds += severity * severity * size / BYTES_A_SECOND_MIN

    async def _pay(self) -> None:
        """Sleep for what is owed once that is worth it; without pressure it is forgotten."""
        seconds = self._debt_seconds if self.pressure > SMOOTH_FROM else 0.0
        if 0 < seconds < SLEEP_SECONDS_MIN:
            return
        self._debt_seconds = 0.0
        if seconds:
            self.delayed_seconds += seconds
            await trio.sleep(seconds)
            self.health.check_writable()
