"""check_replay finds a state that its bytes do not give; real files behave like virtual ones."""

from pathlib import Path
from typing import ClassVar, Self

import attrs
import pytest

from io_backends import FileIo
from journal import (
    CorruptJournalError,
    Journal,
    JournalSettings,
    check_replay,
    load_file,
)
from tests.journal.fileset import Edit, FileSet, Snapshot, add
from tests.journal.world import (
    FOLDER,
    PREFIX,
    STORE_ID,
    impatient,
    new_disk,
    open_journal,
)


async def test_a_journal_at_rest_agrees_with_its_bytes() -> None:
    io = impatient(await new_disk())
    journal = await open_journal(io)
    await journal.append(add(0))

    assert (await check_replay(io, journal)).state == journal.state


@attrs.frozen
class Forgetful(FileSet):
    """A state whose snapshot leaves the clock out."""

    def snapshot(self) -> Snapshot:
        return attrs.evolve(super().snapshot(), clock=0)


async def test_a_snapshot_that_forgets_a_counter_is_found_out() -> None:
    """T1: what the snapshot leaves out is gone with the next rotation."""
    io = impatient(await new_disk())
    settings = JournalSettings(STORE_ID, 1, io.token())
    state = Forgetful.initial()
    journal = await Journal.start(io, FOLDER, PREFIX, state, None, settings)
    await journal.append(Edit(clock=5))

    with pytest.raises(CorruptJournalError, match="snapshot"):
        await check_replay(io, journal)


@attrs.frozen
class Drifting(FileSet):
    """A state whose `apply` depends on something that is not in the journal."""

    drift: ClassVar[list[int]] = [0]

    def apply(self, edit: Edit, /) -> Self:
        self.drift[0] += 1
        return attrs.evolve(super().apply(edit), clock=self.drift[0])


async def test_a_state_that_replays_differently_is_found_out() -> None:
    """T4: live and replayed state have to be the same."""
    io = impatient(await new_disk())
    settings = JournalSettings(STORE_ID, 1, io.token())
    state = Drifting.initial()
    journal = await Journal.start(io, FOLDER, PREFIX, state, None, settings)
    await journal.append(add(0))

    with pytest.raises(CorruptJournalError, match="a replay to"):
        await check_replay(io, journal)


async def test_a_retired_generation_can_still_be_read_for_repair() -> None:
    io = impatient(await new_disk())
    journal = await open_journal(io)
    await journal.append(add(0))
    await journal.aclose()
    await (await open_journal(io)).aclose()

    loaded = await load_file(io, f"{journal.path}.old", FileSet)

    assert loaded.state == journal.state


async def test_a_journal_lives_on_a_real_disk(tmp_path: Path) -> None:
    io = FileIo()
    folder = str(tmp_path)
    for life in range(1, 4):
        loaded = await Journal.load(io, folder, PREFIX, FileSet)
        state = loaded.state if loaded else FileSet.initial()
        assert len(state.files) == 20 * (life - 1)
        settings = JournalSettings(STORE_ID, life, io.token(), rotation_bytes_min=0)
        journal = await Journal.start(io, folder, PREFIX, state, loaded, settings)
        for _ in range(20):
            await journal.append(add(journal.state.next_number))
        await check_replay(io, journal)
        await journal.aclose()
    await io.aclose()

    assert len(await FileIo().list(folder)) == 2
