"""Who reads the log by address, and how much of it is kept for them.

A consumer with a name is in the manifest: it has everything below the address that it
acknowledged last. A stream without a name counts only while it is open. Each pins the log from
where it stands, but never more than a fixed number of bytes behind what is settled: one that is
too slow, or was forgotten about, loses its position and is told so.

Invariants
- The log is complete from `oldest` on; below, nobody is given anything.
- A consumer is open once at most.
- Bytes are counted as the segments hold them: a hole between two segments costs nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

import attrs
import trio

from tempest.committer import Committer
from tempest.errors import PositionLostError
from tempest.log import Regions, Watermarks
from tempest.position import Position
from tempest.version import Version


class Standing(Protocol):
    """Somebody who reads the log and stands at an address."""

    @property
    def address(self) -> int: ...


@attrs.define(eq=False)
class Streams:
    """The readers of one store's log."""

    committer: Committer
    _standing: list[Standing] = attrs.field(factory=list)
    _open_names: set[str] = attrs.field(factory=set)
    _watermarks: Watermarks = attrs.field(factory=Watermarks)

    @property
    def version(self) -> Version:
        return self.committer.manifest.current

    @property
    def oldest(self) -> Position:
        """From where on the log is complete."""
        return self.at(self.version.begin)

    @property
    def settled(self) -> Position:
        """The end of what is durable and visible."""
        return self.at(self.committer.settled)

    @property
    def count(self) -> int:
        """How many streams are open."""
        return len(self._standing)

    def regions(self) -> Regions:
        """Return where the regions of the log begin now; none has moved back."""
        log, version = self.committer.log, self.version
        memtables = self.committer.memtables
        oldest = memtables.waiting[0] if memtables.waiting else memtables.active
        return self._watermarks.note(
            Regions(
                begin=version.begin,
                replay_from=version.replay_from,
                head=oldest.first,
                durable=log.durable,
                flushed=log.flushed,
                read_only=log.tail,
                tail=log.tail,
            )
        )

    def at(self, address: int) -> Position:
        """Return the position of an address in this timeline."""
        return Position(self.version.timeline, address)

    def check(self, position: Position) -> None:
        """Raise `PositionLostError` if nobody can go on from this position."""
        oldest, settled = self.oldest, self.settled
        if position.timeline != settled.timeline:
            reason = f"it belongs to timeline {position.timeline}, and "
        elif position > settled:
            reason = "it lies above the end of the log, and "
        elif position < oldest:
            reason = ""
        else:
            return
        raise PositionLostError(
            f"Position {position} is lost: {reason}the log is kept from {oldest} to {settled}"
        )

    def floor(self) -> int | None:
        """Return the lowest address that is kept for somebody, or None."""
        version = self.version
        begin, timeline = version.begin, version.timeline
        wanted = [reader.address for reader in self._standing]
        wanted += [c.address for c in version.consumers if c.timeline == timeline]
        kept = [address for address in wanted if address >= begin]
        return max(min(kept), self._lowest()) if kept else None

    def consumers(self) -> dict[str, Position]:
        """Return how far every consumer has acknowledged."""
        return {
            consumer.name.decode(): Position(consumer.timeline, consumer.address)
            for consumer in self.version.consumers
        }

    @contextmanager
    def kept_for(self, reader: Standing) -> Iterator[None]:
        """Keep the log for a reader from where it stands."""
        self._standing.append(reader)
        try:
            yield
        finally:
            self._standing.remove(reader)

    @contextmanager
    def owned(self, name: str) -> Iterator[None]:
        """Be the only one who acts for this consumer, or `trio.BusyResourceError`."""
        if name in self._open_names:
            raise trio.BusyResourceError(f"consumer {name!r} is open already")
        self._open_names.add(name)
        try:
            yield
        finally:
            self._open_names.remove(name)

    def _lowest(self) -> int:
        """Return the address that lies as far behind the end of what is settled as is kept at most.

        What is durable may be ahead of that, and nobody was told of it yet.
        """
        settled = self.committer.settled
        left = self.committer.options.stream_retention_bytes
        for segment in reversed(self.version.segments):
            end = settled if segment.end is None else min(settled, segment.end)
            if end - segment.first >= left:
                return end - left
            left -= max(0, end - segment.first)
        return 0
