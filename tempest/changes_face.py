"""What a store offers to those who follow it: the stream of changes, positions, consumers.

Invariants
- What is listed is durable.
"""

from tempest.changes import Changes, ChangesParts
from tempest.engine import Engine
from tempest.errors import InvalidError
from tempest.log_tail import LogTail
from tempest.position import Position
from tempest.translate import translated
from tempest.version import VersionEdit

NAME_BYTES_MAX = 255


class ChangesFace:
    """How others follow what is written. Part of `Store`."""

    def changes(
        self, position: Position | None = None, *, consumer: str | None = None
    ) -> Changes:
        """Follow what becomes durable: `async with store.changes() as stream`, then `async for`.

        Args:
            position: where to begin: one that a frame, `stream.position` or `store.position`
                gave. Default: where the consumer is; without one, or if it is new, now.
            consumer: a name of 1 to 255 bytes in UTF-8 under which the store remembers what
                `stream.acknowledge` was told. At most 1,024 of them, each open once.

        Entering raises `PositionLostError` for a position that is not kept, belongs to another
        timeline or lies above the log's end; `trio.BusyResourceError` if the consumer is open
        already. A named consumer's position is durable once it is entered.

        What the stream has not given out, and what a consumer has not acknowledged, is kept:
        at most `stream_retention_bytes` of the log for each, and nothing for a stream that is
        closed and has no name. Writes at MEMORY and OS level appear once they are synced.
        """
        if position is not None and not isinstance(position, Position):
            raise TypeError(f"a position is a Position, not {position!r}")
        if consumer is not None:
            _check_name(consumer)
        engine = self._writable("changes")
        streams, fairness = engine.streams, engine.reading.fairness
        place, store_id = engine.place, engine.maintenance.store_id

        def make_tail(address: int) -> LogTail:
            return LogTail(place.io, place.folder, store_id, streams, fairness, address)

        parts = ChangesParts(
            streams, fairness, self._check, make_tail, engine.maintenance.note_change
        )
        return Changes(parts, position, consumer)

    @property
    def position(self) -> Position:
        """The end of what is durable and visible now. What is written later lies behind it."""
        return self._writable("position").streams.settled

    @property
    def oldest_position(self) -> Position:
        """The lowest position that `changes` can begin at now."""
        return self._writable("oldest_position").streams.oldest

    async def consumers(self) -> dict[str, Position]:
        """Return how far every consumer has acknowledged, by name."""
        engine = self._writable("consumers")
        await engine.reading.fairness.begin()
        return engine.streams.consumers()

    async def forget_consumer(self, name: str) -> None:
        """Forget a consumer, durably: nothing is kept for it any more.

        One that is not there is no error. Raises `trio.BusyResourceError` if it is open.
        Cancelled, it may still take effect.
        """
        _check_name(name)
        engine = self._writable("forget_consumer")
        await engine.reading.fairness.begin()
        with engine.streams.owned(name), translated():
            if name in engine.streams.consumers():
                edit = VersionEdit(consumers_removed=(name.encode(),))
                await engine.manifest.append(edit)
        engine.maintenance.note_change()

    def _writable(self, operation: str) -> Engine:
        raise NotImplementedError  # `Store` has it

    def _check(self) -> None:
        raise NotImplementedError  # `Store` has it


def _check_name(name: str) -> None:
    if not isinstance(name, str):
        raise TypeError(f"a consumer's name is text, not {name!r}")
    try:
        size = len(name.encode())
    except UnicodeEncodeError as error:
        detail = f"{name!r} cannot be a consumer's name: it is no valid text"
        raise InvalidError(detail) from error
    if not 1 <= size <= NAME_BYTES_MAX:
        raise InvalidError(
            f"a consumer's name has 1 to {NAME_BYTES_MAX} bytes, not {size}"
        )
