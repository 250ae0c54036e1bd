"""Check a journal against itself: its bytes must give the state that is served.

Invariants
- Checking reads only.
"""

from io_backends import Io
from journal.errors import CorruptJournalError
from journal.journal import Journal
from journal.reader import Loaded, load_file
from journal.replayable import State, decode_snapshot, encode_snapshot


async def check_replay(io: Io, journal: Journal[State]) -> Loaded[State]:
    """Return what the journal's file holds, after checking that it is `journal.state`.

    Its snapshot has to survive a round trip, too. The journal must be settled and at rest.
    """
    state = journal.state
    loaded = await load_file(io, journal.path, type(state))
    if loaded.state != state:
        raise CorruptJournalError(
            journal.path, loaded.end, f"a replay to {state}", f"one to {loaded.state}"
        )
    if decode_snapshot(type(state), encode_snapshot(state)) != state:
        raise CorruptJournalError(
            journal.path,
            0,
            "a snapshot that holds the whole state",
            "one that does not",
        )
    return loaded
