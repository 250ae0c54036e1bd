"""One test for each mistake that an earlier system made with its journal or manifest."""

from random import Random

import pytest
from hypothesis import given, strategies as st

from io_backends import (
    CrashPolicy,
    FailOp,
    FaultPlan,
    FaultyIo,
    OpKind,
    TracingIo,
)
from journal import (
    CorruptJournalError,
    InvalidEditError,
    Journal,
    JournalOutcomeUnknownError,
    check_replay,
    decode_record,
    encode_record,
)
from tests.journal.fileset import Edit, FileMeta, FileSet, Snapshot, add
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


async def compact(journal: Journal[FileSet], *removed: int) -> int:
    number = journal.state.next_number
    meta = FileMeta(number, level=1)
    await journal.append(Edit(added=(meta,), removed=removed, next_number=number + 1))
    return number


async def test_t3_a_compacted_manifest_never_reuses_its_only_file_after_rotation() -> (
    None
):
    """T3: live = {2}; the snapshot [AddFile(2)] replayed to next = 2, and the next flush overwrote
    the only live file. The seed's own compaction scenario, with rotation and reopen."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk), rotation_bytes_min=0)
    first, second = await flush(journal), await flush(journal)
    merged = await compact(journal, first, second)
    assert (journal.state.numbers, journal.state.next_number) == ([2], 3)
    rotated = journal.generation
    await journal.append(Edit(clock=1))  # the file has outgrown its snapshot by now
    assert journal.generation > rotated
    await journal.aclose()

    reopened = await open_journal(impatient(disk))

    assert reopened.state.numbers == [merged]
    assert await flush(reopened) == 3
    assert reopened.state.numbers == [2, 3]


async def test_t1_a_counter_survives_the_file_that_carried_it() -> None:
    """T1: the counter was derived from surviving files, so dropping the newest set it back."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    numbers = [await flush(journal) for _ in range(3)]
    await journal.append(Edit(removed=(numbers[-1],)))
    await journal.aclose()

    for _ in range(3):
        journal = await open_journal(impatient(disk))
        assert journal.state.next_number == 3
        await journal.aclose()


edits = st.lists(
    st.tuples(st.sampled_from(["flush", "remove", "reserve"]), st.integers(0, 9)),
    max_size=30,
)


@given(edits)
def test_t2_the_next_number_is_never_a_live_one(
    moves: list[tuple[str, int]],
) -> None:
    """T2: `(next + 1).max(number)` was off by one: AddFile(5) into a fresh state gave 5 again."""
    state = FileSet.initial()
    for move, number in moves:
        edit = add(state.next_number + number)
        if move == "reserve":
            edit = Edit(next_number=state.next_number + number)
        elif move == "remove" and state.files:
            edit = Edit(removed=(state.numbers[number % len(state.files)],))
        state = state.apply(edit)
        assert state.next_number not in state.numbers
        assert FileSet.from_snapshot(state.snapshot()) == state


async def test_t4_the_live_state_is_the_replayed_state_after_every_edit() -> None:
    """T4: replay bumped a counter for each edit, the live path did not."""
    io = impatient(await new_disk())
    journal = await open_journal(io, rotation_bytes_min=2000)
    random = Random(4)
    for _ in range(60):
        if journal.state.files and random.random() < 0.4:
            edit = Edit(removed=(random.choice(journal.state.numbers),))
        else:
            edit = add(journal.state.next_number + random.randrange(3))
        await journal.append(edit)
        await check_replay(io, journal)
    assert journal.generation > 3


@given(st.permutations(range(8)))
def test_t5_the_bytes_depend_on_the_state_and_not_on_its_history(
    order: list[int],
) -> None:
    """T5: the snapshot iterated a hash map: bytes and replayed counter depended on its order."""
    state = FileSet(next_number=8)
    for number in order:
        state = state.apply(Edit(added=(FileMeta(number),)))

    data = encode_record(state.snapshot())

    ordered = tuple(FileMeta(number) for number in range(8))
    assert data == encode_record(FileSet(ordered, next_number=8).snapshot())
    assert encode_record(decode_record(Snapshot, data)) == data


async def test_t6_there_is_one_state_and_readers_borrow_it() -> None:
    """T6: the journal and its owner each kept a copy, updated by different code."""
    journal = await open_journal(impatient(await new_disk()))
    borrowed = journal.state

    await flush(journal)

    assert borrowed == FileSet.initial()
    assert journal.state == borrowed.apply(add(0))


async def test_t7_an_edit_refused_live_is_refused_on_replay_with_a_typed_error() -> (
    None
):
    """T7: a release build overwrote silently when live, and panicked when replaying the same."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await flush(journal)
    with pytest.raises(InvalidEditError, match="live"):
        await journal.append(Edit(added=(FileMeta(0),)))

    # What a release build of the seed would have written:
    tail = journal.size
    await journal._generations.writer.append(
        [encode_record(Edit(added=(FileMeta(0),)))]
    )

    with pytest.raises(CorruptJournalError) as caught:
        await load(impatient(disk))
    assert caught.value.offset == tail


@pytest.mark.parametrize(
    "bad",
    [
        Edit(removed=(7,)),
        Edit(added=(FileMeta(-(2**70)),)),
        Edit(clock=-1),
        Edit(added=(FileMeta(0, smallest="text"),), next_number=1),  # type: ignore[arg-type]
        FileMeta(0),
    ],
    ids=["unknown file", "unreserved", "backwards", "unwritable", "foreign"],
)
async def test_t8_a_bad_edit_leaves_no_trace(bad: Edit) -> None:
    """T8: edits were persisted first and validated afterwards: a poison pill in the journal."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    size = journal.size

    with pytest.raises(InvalidEditError):
        await journal.append(bad)

    assert journal.size == size
    assert journal.state == FileSet.initial()
    await flush(journal)
    assert await load_state(impatient(disk)) == journal.state


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


async def test_t11_an_edit_can_have_no_output_or_many() -> None:
    """T11: a compaction edit had exactly one output, and nothing could only remove."""
    journal = await open_journal(impatient(await new_disk()))
    many = tuple(FileMeta(number) for number in range(3))

    await journal.append(Edit(added=many, next_number=3))
    await journal.append(Edit(removed=(0, 1, 2)))

    assert journal.state == FileSet(next_number=3)


async def test_t12_the_metadata_that_tells_a_swapped_file_survives() -> None:
    """T12: metadata were a number and a level; a missing or swapped file could not be noticed."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    meta = FileMeta(0, 3, 4096, b"\x00a", b"\xffz", 2**64 - 1)
    await journal.append(Edit(added=(meta,), next_number=1))
    await journal.aclose()

    assert (await load_state(impatient(disk))).files == (meta,)


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


async def test_t31_a_reserved_number_is_never_given_out_again() -> None:
    """T31: numbers given out and not yet committed came back after a crash, orphan and all."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await journal.append(Edit(next_number=journal.state.next_number + 16))

    reopened = await open_journal(impatient(disk.crash(Random(1), DROP_ALL)))

    assert reopened.state.next_number == 16


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


async def test_t34_table_and_log_change_in_one_edit_or_not_at_all() -> None:
    """T34: tables and log segments lived in two journals, with no way to change both at once."""
    disk = await new_disk()
    io = FaultyIo(impatient(disk))
    journal = await open_journal(io)
    await journal.append(Edit(segments_added=(1,)))
    edit = Edit(
        added=(FileMeta(0),), next_number=1, segments_removed=(1,), segments_added=(2,)
    )
    before, after = journal.state, journal.state.apply(edit)
    strike(io, FailOp(kinds=(OpKind.SYNC,), effect="partial"))
    with pytest.raises(JournalOutcomeUnknownError):
        await journal.append(edit)

    for seed in range(40):
        assert await load_state(impatient(disk.crash(Random(seed)))) in (before, after)


async def test_t35_the_clock_never_goes_back_across_a_restart() -> None:
    """T35: a clock that was not journaled could start again in its own past."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await journal.append(Edit(clock=1000))

    reopened = await open_journal(impatient(disk.crash(Random(0), DROP_ALL)))

    assert reopened.state.clock == 1000
    with pytest.raises(InvalidEditError, match="backwards"):
        await reopened.append(Edit(clock=999))
