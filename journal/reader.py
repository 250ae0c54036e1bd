"""Rebuild a state from a journal file, and tell a torn tail from damage. Changes nothing.

Replay applies frame after frame and stops at the first that does not verify. What lies there was
either never synced (a power cut tore it: the journal ends here) or was synced once (damage). The
frames say which: each carries how far the file had been synced when it was written, and the header
was synced before the file got its name.

Invariants
- The state is that after a prefix of the edits, and at least every edit below the highest mark.
- At or above the highest mark of any verifiable frame, whatever lies behind: a torn tail. Below:
  `CorruptJournalError`. A frame that verifies and cannot be decoded or applied is damage as well.
- The newest generation counts; an older one is never taken in its stead.
"""

import contextlib
from typing import Generic

import attrs

from io_backends import Io, NotFoundError
from journal.codec import decode_record
from journal.errors import CorruptJournalError, InvalidEditError, RecordError
from journal.framing import Frame, decode_frame, highest_mark
from journal.replayable import State, apply_edit, decode_snapshot
from journal.segment import GenerationName, Header, Role, decode_header, parse_names

_RACES_MAX = 16


@attrs.frozen
class Loaded(Generic[State]):
    """What one journal file holds: the state, and how it was come by.

    `replayed` counts edits, `end` is the size of the valid part, `torn_bytes` what lies behind it.
    """

    state: State
    generation: int
    path: str
    replayed: int
    end: int
    torn_bytes: int
    header: Header


def replay(path: str, data: bytes, state_type: type[State]) -> Loaded[State]:
    """Return what the bytes of one file hold."""
    header, frame = decode_header(path, data)
    state = _first_state(path, header, state_type)
    seed, mark, count, end = header.place_seed(), frame.end, 0, frame.end
    while end < len(data):
        read = decode_frame(seed, data, end)
        if not isinstance(read, Frame):
            if end < max(mark, highest_mark(seed, data, end)):
                raise CorruptJournalError(path, end, read.expected, read.found)
            break
        if read.payload:
            state = _next_state(path, read, state)
            count += 1
        mark = max(mark, read.synced_until)
        end = read.end
    torn_bytes = len(data) - end
    return Loaded(state, header.generation, path, count, end, torn_bytes, header)


def _first_state(path: str, header: Header, state_type: type[State]) -> State:
    try:
        return decode_snapshot(state_type, header.snapshot)
    except (RecordError, InvalidEditError) as error:
        raise CorruptJournalError(
            path, 0, "a snapshot of the state", str(error)
        ) from error


def _next_state(path: str, frame: Frame, state: State) -> State:
    try:
        return apply_edit(state, decode_record(state.edit_type, frame.payload))
    except (RecordError, InvalidEditError) as error:
        raise CorruptJournalError(
            path, frame.address, "an edit that fits the state", str(error)
        ) from error


async def load_file(io: Io, path: str, state_type: type[State]) -> Loaded[State]:
    """Return what the file at `path` holds, whatever its role: for repair and checks."""
    file = await io.open(path)
    try:
        size = await file.size()
        data = await file.read_at(0, size) if size else b""
    finally:
        await file.aclose()
    return replay(path, data, state_type)


async def load_newest(
    io: Io, folder: str, prefix: str, state_type: type[State]
) -> Loaded[State] | None:
    """Return what the newest generation in `folder` holds, or None if none was ever finished."""
    path = folder
    for _ in range(_RACES_MAX):
        names = parse_names(prefix, await io.list(folder))
        finished = [name for name in names if name.role is not Role.TEMPORARY]
        if not finished:
            return None
        path = finished[-1].in_folder(folder)
        if finished[-1].role is Role.CURRENT:
            with contextlib.suppress(NotFoundError):
                return _checked(await load_file(io, path, state_type), finished[-1])
        # A running writer may publish and retire between our looks: look again.
    raise CorruptJournalError(path, 0, "a newer generation beside it", "none")


def _checked(loaded: Loaded[State], name: GenerationName) -> Loaded[State]:
    if loaded.generation != name.number:
        raise CorruptJournalError(
            loaded.path, 0, f"generation {name.number}", f"{loaded.generation}"
        )
    return loaded
