"""One test for each mistake that an earlier system made with the state that its journal keeps.

The mistakes with its files stand in `test_regressions_on_disk.py`.
"""

from random import Random

import pytest
from hypothesis import given, strategies as st

from io_backends import CrashPolicy, FailOp, FaultyIo, OpKind
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
    flush,
    impatient,
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


async def test_t31_a_reserved_number_is_never_given_out_again() -> None:
    """T31: numbers given out and not yet committed came back after a crash, orphan and all."""
    disk = await new_disk()
    journal = await open_journal(impatient(disk))
    await journal.append(Edit(next_number=journal.state.next_number + 16))

    reopened = await open_journal(impatient(disk.crash(Random(1), DROP_ALL)))

    assert reopened.state.next_number == 16


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
