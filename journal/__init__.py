"""Ordered edits on disk, and the state rebuilt from them.

loaded = await Journal.load(io, folder, "manifest", FileSet)
state = loaded.state if loaded else FileSet.initial()
journal = await Journal.start(io, folder, "manifest", state, loaded, settings)
await journal.append(AddFile(7))     # durable, and in journal.state
await journal.aclose()
"""

from journal.check import check_replay as check_replay
from journal.codec import decode_record as decode_record, encode_record as encode_record
from journal.errors import (
    CorruptJournalError as CorruptJournalError,
    InvalidEditError as InvalidEditError,
    JournalClosedError as JournalClosedError,
    JournalError as JournalError,
    JournalMovedError as JournalMovedError,
    JournalOutcomeUnknownError as JournalOutcomeUnknownError,
    JournalUnsettledError as JournalUnsettledError,
    RecordError as RecordError,
    UnsupportedJournalError as UnsupportedJournalError,
)
from journal.forms import later as later
from journal.generations import JournalSettings as JournalSettings
from journal.journal import Journal as Journal
from journal.reader import Loaded as Loaded, load_file as load_file
from journal.replayable import Replayable as Replayable
from journal.segment import (
    GenerationName as GenerationName,
    Header as Header,
    Role as Role,
    parse_names as parse_names,
)

__all__ = [
    "CorruptJournalError",
    "GenerationName",
    "Header",
    "InvalidEditError",
    "Journal",
    "JournalClosedError",
    "JournalError",
    "JournalMovedError",
    "JournalOutcomeUnknownError",
    "JournalSettings",
    "JournalUnsettledError",
    "Loaded",
    "RecordError",
    "Replayable",
    "Role",
    "UnsupportedJournalError",
    "check_replay",
    "decode_record",
    "encode_record",
    "later",
    "load_file",
    "parse_names",
]
