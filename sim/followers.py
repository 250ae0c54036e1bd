"""What a consumer of changes knows, and what it may be told next.

A follower keeps the value of every key that a stream has told, and what the others may have been
where it began. At the end of each frame that has to be one moment of the store, and none before
the moment of an earlier frame.

Invariants
- A position that may have been acknowledged is kept with what was known there.
- Behind a recovery nothing is checked before the stream has come to where that ended.
"""

from collections.abc import Iterable

import attrs

from sim.model import Model, Sight
from sim.oracle import Violation
from sim.sights import Lookout, is_common
from sim.values import is_session
from tempest import ChangeFrame, Position

Known = dict[bytes, bytes | None]


@attrs.define(eq=False)
class Follower:
    """A named consumer."""

    name: str
    began: dict[bytes, tuple[bytes | None, ...]] = attrs.field(factory=dict)
    known: Known = attrs.field(factory=dict)
    lows: list[int] = attrs.field(factory=list)
    saved: dict[Position, Known] = attrs.field(factory=dict)
    acknowledged: Position | None = None
    sequence: int = 0
    retention_bytes: int = 1 << 62  # the least that was kept since it acknowledged
    is_registered: bool = False
    tracks: object = None  # of the epoch that `lows` belong to

    def begin(self, position: Position, model: Model, lows: list[int]) -> None:
        """Start anew at the end of what is durable, which was `lows` before it was asked for."""
        highs = model.asked()
        sight = Sight.between(lows, highs, "changes", "changes")
        self.began = {
            key: tuple(values_between(model, sight, key))
            for key in model.owners
            if not is_session(key)
        }
        self.known, self.lows, self.tracks = {}, lows, model.tracks
        self.saved, self.acknowledged, self.sequence = {position: {}}, None, 0
        self.is_registered = False

    def resume(self, position: Position) -> None:
        """Go on from a position that was acknowledged, or may have been."""
        known = self.saved.get(position)
        if known is None:
            raise Violation("changes", f"{self.name!r} begins at {position}")
        if self.acknowledged is not None and position < self.acknowledged:
            raise Violation(
                "changes", f"{self.name!r} is back at {position}, {self.acknowledged}"
            )
        self.known, self.lows, self.sequence = dict(known), [], 0

    def take(self, frame: ChangeFrame) -> None:
        """Take in a frame."""
        for change in frame.changes:
            if change.sequence <= self.sequence:
                raise Violation(
                    "changes",
                    f"{self.name!r}: {change} comes behind sequence {self.sequence}",
                )
            self.sequence = change.sequence
            self.known[change.key] = change.value

    def check(self, model: Model) -> None:
        """Check that what is known is one moment, and none before the last one."""
        if not self.lows or self.tracks is not model.tracks:
            self.lows, self.tracks = [0] * len(model.tracks), model.tracks
        sight = Sight.between(self.lows, model.asked(), "changes", "changes")
        lookout = Lookout(model, sight)
        for key, value in self.known.items():
            if not is_common(key):
                lookout.value(key, value)
        for key, values in self.began.items():
            if key not in self.known:
                self._check_untold(model, sight, key, values)
        model.cuts(sight)
        self.lows = [(mask & -mask).bit_length() - 1 for mask in sight.masks]

    def _check_untold(
        self,
        model: Model,
        sight: Sight,
        key: bytes,
        values: Iterable[bytes | None],
    ) -> None:
        client, mask = model.owners[key], 0
        for value in values:
            mask |= model.mask(key, value)
        if not mask & sight.masks[client]:
            raise Violation(
                "changes",
                f"{self.name!r} heard nothing of {key!r}, which began as one of {values}. "
                f"{model.story(key)}",
            )
        sight.masks[client] &= mask

    def save(self, position: Position) -> None:
        """Note that a position is about to be acknowledged."""
        self.saved[position] = dict(self.known)

    def confirm(self, position: Position, retention_bytes: int) -> None:
        """Note that it was."""
        self.acknowledged = position
        self.retention_bytes = retention_bytes
        self.saved = {p: known for p, known in self.saved.items() if p >= position}

    def check_lost(self, end: Position, oldest: Position) -> None:
        """Check that a position was lost for a reason: another timeline, or much log since."""
        first = min(self.saved, default=end)
        if first.timeline != end.timeline:
            return
        if end.address - first.address <= self.retention_bytes:
            raise Violation(
                "changes",
                f"{self.name!r} lost {first}: the log goes from {oldest} to {end}, and "
                f"{self.retention_bytes} bytes are kept",
            )


def values_between(model: Model, sight: Sight, key: bytes) -> Iterable[bytes | None]:
    """Yield every value that a key may have at the cuts of a sight."""
    track = model.tracks[model.owners[key]]
    values = [write.entries[key] for write in track.of_key.get(key, ())]
    for value in dict.fromkeys((model.base.get(key), *values)):
        if model.mask(key, value) & sight.masks[model.owners[key]]:
            yield value
