"""What the journal's tests share: a disk with a folder, opening as a store does, and a ledger."""

from enum import Enum

import attrs
from trio.lowlevel import checkpoint_if_cancelled

from io_backends import Fault, FaultPlan, FaultyIo, Io, VirtualDisk, VirtualIo
from journal import (
    Journal,
    JournalClosedError,
    JournalOutcomeUnknownError,
    JournalSettings,
    JournalUnsettledError,
    Loaded,
)
from tests.journal.fileset import Edit, FileSet, add

FOLDER = "store"
PREFIX = "manifest"
STORE_ID = b"0123456789abcdef"


def impatient(disk: VirtualDisk) -> VirtualIo:
    """An `Io` whose operations take no time and do not let other tasks run."""

    async def no_delay(_: float) -> None:
        await checkpoint_if_cancelled()

    return VirtualIo(disk, delay=no_delay)


def strike(io: FaultyIo, *faults: Fault) -> None:
    """From now on `io` obeys these faults and no others."""
    io.plan = FaultPlan(faults)
    io.log = io.plan.new_log()


async def new_disk() -> VirtualDisk:
    disk = VirtualDisk()
    await impatient(disk).make_dir(FOLDER)
    disk.sync_everything()
    return disk


async def load(io: Io) -> Loaded[FileSet] | None:
    return await Journal.load(io, FOLDER, PREFIX, FileSet)


async def load_state(io: Io) -> FileSet:
    loaded = await load(io)
    return FileSet.initial() if loaded is None else loaded.state


async def open_journal(
    io: Io, *, rotation_bytes_min: int = 1 << 20, rotation_factor: int = 2
) -> Journal[FileSet]:
    loaded = await load(io)
    state = FileSet.initial() if loaded is None else loaded.state
    settings = JournalSettings(
        STORE_ID,
        1 if loaded is None else loaded.header.life + 1,
        io.token(),
        rotation_bytes_min,
        rotation_factor,
    )
    return await Journal.start(io, FOLDER, PREFIX, state, loaded, settings)


def is_settled(journal: Journal[FileSet]) -> bool:
    """Ask anew: a type checker believes that a property keeps its value across an await."""
    return journal.is_settled


async def flush(journal: Journal[FileSet]) -> int:
    """Allocate the next number and make a file of it live, as the seed's `record_flush` does."""
    number = journal.state.next_number
    assert number not in journal.state.numbers
    await journal.append(add(number))
    return number


class Fate(Enum):
    """What the caller of an append knows of its edit."""

    PENDING = "pending"
    ACKNOWLEDGED = "acknowledged"
    UNKNOWN = "unknown"
    REFUSED = "refused"


@attrs.define
class Entry:
    edit: Edit
    fate: Fate = Fate.PENDING


@attrs.define
class Ledger:
    """Every submitted edit in order, and what may be recovered: the oracle of the sweeps."""

    entries: list[Entry] = attrs.Factory(list)

    def submit(self, edit: Edit) -> Entry:
        self.entries.append(Entry(edit))
        return self.entries[-1]

    def allowed(self) -> list[FileSet]:
        """Return each state that may be found: all acknowledged edits, then some undecided ones.

        The undecided edits are those behind the last acknowledged one, in order: an acknowledgement
        decides against what was unknown before it.
        """
        settled, undecided = self._split()
        states = [FileSet.initial()]
        for entry in settled:
            states = [states[0].apply(entry.edit)]
        for entry in undecided:
            states.append(states[-1].apply(entry.edit))
        return states

    def decide(self, state: FileSet) -> None:
        """A reopened journal holds `state`: check it, and expect no other outcome from now on."""
        allowed = self.allowed()
        assert state in allowed, f"{state} is not among {allowed}"
        settled, undecided = self._split()
        self.entries = settled + undecided[: allowed.index(state)]
        for entry in self.entries:
            entry.fate = Fate.ACKNOWLEDGED

    def _split(self) -> tuple[list[Entry], list[Entry]]:
        fates = [entry.fate for entry in self.entries]
        behind = len(fates)
        while behind and fates[behind - 1] is not Fate.ACKNOWLEDGED:
            behind -= 1
        settled = [e for e in self.entries[:behind] if e.fate is Fate.ACKNOWLEDGED]
        rest = self.entries[behind:]
        return settled, [e for e in rest if e.fate is not Fate.REFUSED]


async def submit(journal: Journal[FileSet], ledger: Ledger, edit: Edit) -> bool:
    """Append and write down what became of it; True if it was acknowledged."""
    entry = ledger.submit(edit)
    try:
        await journal.append(edit)
    except JournalOutcomeUnknownError:
        entry.fate = Fate.UNKNOWN
        return False
    except (JournalUnsettledError, JournalClosedError):
        entry.fate = Fate.REFUSED
        return False
    entry.fate = Fate.ACKNOWLEDGED
    return True
