"""When an operation gives way to other tasks: after an amount of work, never after a time.

A full checkpoint of trio costs as much as several reads, so one at every call would double the
price of a call. Every public operation checks for cancellation; it gives way once the work done
since the last time adds up to about a millisecond. Work is counted in units of roughly a
microsecond, so that it is the same in a simulation, where time stands still during work.

Invariants
- No more than `UNITS_MAX` units of work are done on the loop between two checkpoints.
"""

import trio

UNITS_MAX = 500
CALL_UNITS = 3
WRITE_UNITS = 8
WRITE_BYTES_A_UNIT = 512
BYTES_A_UNIT = 4096


class Fairness:
    """Counts the work of one store."""

    def __init__(self) -> None:
        self._left = UNITS_MAX

    async def begin(self) -> None:
        """Check for cancellation before anything is done."""
        await trio.lowlevel.checkpoint_if_cancelled()

    async def spend(self, units: int = CALL_UNITS) -> None:
        """Count work; give way to other tasks if enough has come together."""
        self._left -= units
        if self._left < 0:
            self._left = UNITS_MAX
            await trio.lowlevel.cancel_shielded_checkpoint()
