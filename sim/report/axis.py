"""The time axis: virtual time from left to right, as wide as what happens in it.

Most of a run happens in moments without duration, and most of its time passes in silence. So an
event takes room for itself, and silence takes room as the logarithm of its length. What a dead
process still does takes none.

Invariants
- Positions never go back, and every picture over the same axis agrees on them.
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import log1p

from sim import events
from sim.events import Event
from sim.report.numbers import moment_texts

OPERATION_ROOM, IO_ROOM, OTHER_ROOM = 1.0, 0.12, 0.3
SILENCE_ROOM, SILENCES_A_SECOND = 0.35, 1000.0


class Axis:
    """Where each event of a stretch of a run stands, in pixels."""

    def __init__(
        self,
        run: Sequence[Event],
        start: int,
        end: int,
        *,
        left: float,
        width: float,
        io_room: float = IO_ROOM,
    ) -> None:
        self._run, self._start = run, start
        self.left, self.right = left, left + width
        room, total, is_dead = [0.0], 0.0, False
        for before, event in zip(run[start:end], run[start + 1 : end], strict=False):
            is_dead = isinstance(before, events.Dark) or (
                is_dead and not isinstance(event, events.LifeBegun)
            )
            if not is_dead:
                total += _room(event, io_room)
                total += SILENCE_ROOM * log1p(
                    SILENCES_A_SECOND * (event.at - before.at)
                )
            room.append(total)
        scale = width / (total or 1.0)
        self._places = [left + scale * place for place in room]

    def x(self, event: int) -> float:
        """Where an event stands; those outside the stretch at its edges."""
        place = min(max(event - self._start, 0), len(self._places) - 1)
        return self._places[place]

    def ticks(self, count: int) -> list[tuple[float, str]]:
        """Return positions and their virtual time in words, evenly spread, each time once."""
        found: list[tuple[float, float]] = []
        for number in range(count + 1):
            wanted = self.left + (self.right - self.left) * number / count
            place = min(bisect_left(self._places, wanted), len(self._places) - 1)
            seconds = self._run[self._start + place].at
            if not found or seconds > found[-1][1]:
                found.append((self._places[place], seconds))
        texts = moment_texts([seconds for _, seconds in found])
        return [(x, text) for (x, _), text in zip(found, texts, strict=True)]


def _room(event: Event, io_room: float) -> float:
    if isinstance(event, events.OperationBegun | events.OperationEnded):
        return OPERATION_ROOM
    if isinstance(event, events.IoBegun | events.IoEnded):
        return io_room
    return OTHER_ROOM
