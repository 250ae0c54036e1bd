"""One test for each mistake that an earlier system made with the files of its journal: torn tails,
failed syncs, rotation, old generations.
"""

from random import Random

import pytest

from io_backends import CrashPolicy, FailOp, FaultPlan, FaultyIo, OpKind, TracingIo
from journal import CorruptJournalError, Journal, JournalOutcomeUnknownError
from tests.journal.fileset import Edit, FileSet
from tests.journal.world import (
    FOLDER,
    flush,
    impatient,
    is_settled,
    load,
    load_state,
    new_disk,
    open_journal,
    strike,
)

DROP_ALL = CrashPolicy.drop_all()


async def test_t9_a_failed_sync_leaves_the_outcome_unknown_and_poisons_the_file() -> (
    None
):
    """T9: after a failed fsync the edit could reappear on reopen although memory said no."""
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io)
    await flush(journal)
    before = journal.state
    strike(io, FailOp(kinds=(OpKind.SYNC,), effect="done"))

    with pytest.raises(JournalOutcomeUnknownError) as caught:
        await flush(journal)

    assert caught.value.__cause__ is journal.cause is not None
    assert not is_settled(journal)
    assert journal.state == before
    assert await load_state(impatient(disk)) != before  # a false failure: it is there
    await journal.settle()
    assert is_settled(journal)
    assert journal.state == before
    for seed in range(20):
        assert await load_state(impatient(disk.crash(Random(seed)))) == before


async def traced_rotation() -> tuple[Journal[FileSet], list[str]]:
    tracing = TracingIo(impatient(await new_disk()))
    journal = await open_journal(tracing, rotation_bytes_min=0)
    await flush(journal)
    tracing.ops.clear()
    await flush(journal)
    assert journal.generation == 2
    return journal, [traced.op.kind.name for traced in tracing.ops]


async def test_t13_a_rotation_publishes_before_it_retires() -> None:
    """T13, T36: neither the new file nor its folder was synced before the old one counted less."""
    _, operations = await traced_rotation()

    assert operations == [
        *("CREATE", "WRITE", "SYNC", "RENAME", "SYNC_DIR"),
        *("LIST", "RENAME"),  # now the old one is retired
        *("WRITE", "SYNC"),  # and only now the edit is written
    ]


async def test_t13_a_published_generation_needs_nothing_that_was_not_synced() -> None:
    """T13, T18, H13, R1: a header could be durable before its snapshot, or its name not at all."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk), rotation_bytes_min=0)
    for _ in range(6):
        await flush(journal)
        lost = disk.crash(Random(0), DROP_ALL)
        assert await load_state(impatient(lost)) == journal.state


async def test_t14_damage_in_the_middle_opens_nothing_and_changes_nothing() -> None:
    """T14: a checksum error meant "stop here, warn, rotate", and dropped every later edit."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    for _ in range(3):
        await flush(journal)
    await journal.aclose()
    disk.corrupt(journal.path, 600)
    before = disk.contents()

    with pytest.raises(CorruptJournalError) as caught:
        await open_journal(impatient(disk))

    assert (caught.value.path, caught.value.offset) == (journal.path, 512)
    assert disk.contents() == before


@pytest.mark.parametrize("cut", [1, 100, 511, 512, 513, 1000])
async def test_t15_a_torn_tail_opens_and_the_next_edits_are_not_stranded(
    cut: int,
) -> None:
    """T15, H2: a short tail was fatal, or later appends landed behind it and were never seen."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    for _ in range(3):
        await flush(journal)
    file = await impatient(disk).open(journal.path, writable=True)
    await file.truncate(journal.size - cut)

    journal = await open_journal(impatient(disk))
    kept = journal.state
    await flush(journal)

    assert kept.next_number == (2 if cut <= 512 else 1)
    assert await load_state(impatient(disk)) == journal.state


async def test_t16_old_generations_are_bounded_and_strangers_are_left_alone() -> None:
    """T16: old journals were never deleted, and every stray file was opened and parsed."""
    disk = await new_disk()
    io = impatient(disk)
    strangers = {"manifest", "manifest-1", "manifest-x.tmp", "readme"}
    for name in strangers:
        await io.create_exclusive(f"{FOLDER}/{name}")
    for _ in range(5):
        journal = await open_journal(io, rotation_bytes_min=0)
        for _ in range(4):
            await flush(journal)
        await journal.aclose()

    names = set(await io.list(FOLDER)) - strangers

    assert strangers < set(await io.list(FOLDER))
    assert len(names) == 2
    assert {name.endswith(".old") for name in names} == {True, False}


async def test_t31_a_generation_number_is_never_given_out_again() -> None:
    """T31, R6, R8: a crashed life's generation must not share its number with a later one."""
    disk = await new_disk()
    seen: list[int] = []
    for seed in range(12):
        journal = await open_journal(impatient(disk), rotation_bytes_min=0)
        own = [journal.generation]
        for _ in range(4):
            await flush(journal)
            own.append(journal.generation)
        assert min(own) > max(seen, default=0)
        assert max(own) > min(own)
        seen += own
        disk = disk.crash(Random(seed))


async def test_t31_generation_numbers_beyond_the_first_ceiling_raise_it() -> None:
    disk = await new_disk()
    journal = await open_journal(impatient(disk), rotation_bytes_min=0)
    for number in range(150):
        await journal.append(Edit(clock=number))
    await journal.aclose()

    loaded = await load(impatient(disk))

    assert loaded is not None
    assert loaded.header.generation == 150
    assert loaded.header.generation_ceiling > 150
    reopened = await open_journal(impatient(disk))
    assert reopened.generation == loaded.header.generation_ceiling + 1


async def test_t32_nothing_old_is_removed_while_the_new_one_is_in_doubt() -> None:
    """T32: the sweep trusted a manifest that had just lost its data."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await flush(journal)
    await journal.aclose()
    before = disk.contents()

    plan = FaultPlan((FailOp(kinds=(OpKind.SYNC_DIR,)),))
    with pytest.raises(Exception, match="sync_dir"):
        await open_journal(FaultyIo(impatient(disk), plan))

    assert before.items() <= disk.contents().items()


async def test_t33_frequent_restarts_do_not_let_the_journal_grow() -> None:
    """T33: the threshold was a multiple of the size found at reopening, so each restart raised it."""
    disk = await new_disk()
    biggest = 0
    for _ in range(30):
        journal = await open_journal(impatient(disk), rotation_bytes_min=4096)
        for _ in range(10):
            await journal.append(Edit(clock=journal.state.clock + 1))
            biggest = max(biggest, journal.size)
        await journal.aclose()

    assert biggest <= 4096 + 512
