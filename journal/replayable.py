"""What a journal can keep: an immutable state that edits turn into its successor.

    class Counter:
        edit_type: ClassVar[type[Add]] = Add
        snapshot_type: ClassVar[type[CounterSnapshot]] = CounterSnapshot

Invariants
- `apply` is pure: it returns the successor or raises `InvalidEditError`, and never changes `self`.
  Live edits and replayed ones go through the same `apply`.
- The snapshot is one flat attrs record that holds the whole state, counters included, in an order
  that depends on nothing but the state: `from_snapshot(state.snapshot()) == state`.
"""

from typing import ClassVar, Never, Protocol, Self, TypeVar, cast

import attrs

from journal.codec import decode_record, encode_record
from journal.errors import InvalidEditError, RecordError


class Replayable(Protocol):
    """A state that a journal rebuilds: a snapshot, then edits in order.

    `Never` says that each state takes its own edit and snapshot types; the journal checks them
    against `edit_type` and `snapshot_type` before it hands them over.
    """

    edit_type: ClassVar[type]
    snapshot_type: ClassVar[type]

    @classmethod
    def initial(cls) -> Self:
        """Return the state before the first edit."""
        ...

    @classmethod
    def from_snapshot(cls, snapshot: Never, /) -> Self:
        """Return the state that `snapshot` holds; `InvalidEditError` if it contradicts itself."""
        ...

    def apply(self, edit: Never, /) -> Self:
        """Return the state after `edit`, or raise `InvalidEditError`."""
        ...

    def snapshot(self) -> attrs.AttrsInstance:
        """Return the whole state as one flat record of `snapshot_type`."""
        ...


State = TypeVar("State", bound=Replayable)


def apply_edit(state: State, edit: object) -> State:
    """Return the state after `edit`; a foreign type of edit is invalid, too."""
    if not isinstance(edit, state.edit_type):
        raise InvalidEditError(
            f"{type(edit).__name__} is not a {state.edit_type.__name__}"
        )
    return state.apply(cast("Never", edit))


def encode_edit(edit: attrs.AttrsInstance) -> bytes:
    """Return the bytes of an edit; one that could not be read back is invalid."""
    try:
        return encode_record(edit)
    except RecordError as error:
        raise InvalidEditError(error.detail) from error


def encode_snapshot(state: Replayable) -> bytes:
    """Return the bytes of the whole state."""
    return encode_record(state.snapshot())


def decode_snapshot(state_type: type[State], data: bytes) -> State:
    """Return the state whose snapshot is `data`; `RecordError`, `InvalidEditError`."""
    return state_type.from_snapshot(decode_record(state_type.snapshot_type, data))
