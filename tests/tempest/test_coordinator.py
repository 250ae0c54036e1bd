"""The coordinator: what excludes what, in which order turns are handed out, and what is counted."""

from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import trio
import trio.testing

from tempest import NotOpenError
from tempest.coordinator import EXCLUDES, NEVER_PAUSED, Coordinator, Work

ALL = tuple(Work)
pairs = pytest.mark.parametrize(
    ("one", "other"),
    [(one, other) for one in ALL for other in ALL],
    ids=lambda work: work.name,
)


def fail() -> None:
    raise ValueError("a bug")


class Held:
    """Turns held by tasks of their own until they are let go, and the order they began in."""

    def __init__(self, coordinator: Coordinator, nursery: trio.Nursery) -> None:
        self.coordinator, self.nursery = coordinator, nursery
        self.began: list[str] = []
        self._ends: dict[str, trio.Event] = {}

    async def ask(self, name: str, work: Work, *, automatic: bool = False) -> None:
        self._ends[name] = trio.Event()
        self.nursery.start_soon(self._hold, name, work, automatic)
        await trio.testing.wait_all_tasks_blocked()

    async def end(self, name: str) -> None:
        self._ends[name].set()
        await trio.testing.wait_all_tasks_blocked()

    async def _hold(self, name: str, work: Work, automatic: bool) -> None:
        async with self.coordinator.turn(work, automatic=automatic):
            self.began.append(name)
            await self._ends[name].wait()


async def with_turns(body: Callable[[Held], Awaitable[None]]) -> Coordinator:
    coordinator = Coordinator()
    async with trio.open_nursery() as nursery:
        await body(Held(coordinator, nursery))
        nursery.cancel_scope.cancel()
    assert coordinator.running == ()
    return coordinator


def test_the_matrix_is_whole_and_symmetric() -> None:
    """R12: exclusion is written down, not spread over locks that writers do not take."""
    assert set(EXCLUDES) == set(Work)
    for work, excluded in EXCLUDES.items():
        assert work in excluded, "two of a kind never run at once"
        for other in excluded:
            assert work in EXCLUDES[other]


def test_the_matrix_in_the_documentation_is_the_one_in_the_code() -> None:
    page = Path(__file__).parents[2] / "docs" / "architecture.md"
    lines = [line.split("|")[1:-1] for line in page.read_text().splitlines()]
    rows = [[cell.strip() for cell in line] for line in lines if line]
    names = [work.name for work in Work]
    head = rows.index(["", *names])
    table = {row[0]: row[1:] for row in rows[head + 2 : head + 2 + len(names)]}

    assert list(table) == names
    for work in Work:
        said = [
            Work[n] for n, cell in zip(names, table[work.name], strict=True) if cell
        ]
        assert set(said) == EXCLUDES[work]


def test_a_flush_waits_for_nothing_but_flushes() -> None:
    """Checkpoints, compaction and backup wait for flushes inside their turns."""
    assert EXCLUDES[Work.FLUSH] == {Work.FLUSH}
    assert Work.FLUSH in NEVER_PAUSED


@pairs
async def test_two_turns_run_at_once_exactly_where_the_matrix_allows(
    one: Work, other: Work
) -> None:
    async def body(held: Held) -> None:
        await held.ask("one", one)
        await held.ask("other", other)
        is_excluded = other in EXCLUDES[one]
        assert held.began == (["one"] if is_excluded else ["one", "other"])
        await held.end("one")
        assert held.began == ["one", "other"]
        assert held.coordinator.running == (other,)

    await with_turns(body)


async def test_turns_are_handed_out_in_the_order_they_were_asked_for() -> None:
    """R12: nothing that asked starves, however often others ask again."""

    async def body(held: Held) -> None:
        await held.ask("compaction", Work.COMPACTION)
        await held.ask("collection", Work.COLLECTION)
        await held.ask("later", Work.COMPACTION)
        await held.ask("free", Work.BACKUP)
        assert held.began == ["compaction", "free"]
        await held.end("compaction")
        assert held.began[-1] == "collection"
        await held.end("collection")
        assert held.began[-1] == "later"

    await with_turns(body)


async def test_a_request_that_is_cancelled_leaves_the_queue() -> None:
    async def body(held: Held) -> None:
        await held.ask("first", Work.CHECKPOINT)
        with trio.move_on_after(0) as scope:
            async with held.coordinator.turn(Work.RETENTION):
                pytest.fail("a checkpoint runs")
        assert scope.cancelled_caught
        await held.ask("second", Work.CHECKPOINT)
        await held.end("first")
        assert held.began == ["first", "second"]
        assert held.coordinator.statistics()[Work.RETENTION].waiting == 0

    await with_turns(body)


@pytest.mark.parametrize("ending", [ValueError, trio.Cancelled])
async def test_whatever_ends_a_turn_gives_it_back(ending: type[BaseException]) -> None:
    """R1, F8: work that fails or is cancelled never leaves "already in progress" behind."""
    coordinator = Coordinator()
    with trio.CancelScope() as scope:
        try:
            async with coordinator.turn(Work.CHECKPOINT):
                if ending is ValueError:
                    fail()
                scope.cancel()
                await trio.lowlevel.checkpoint()
        except ValueError:
            pass

    async with coordinator.turn(Work.CHECKPOINT):
        assert coordinator.running == (Work.CHECKPOINT,)
    counted = coordinator.statistics()[Work.CHECKPOINT]
    failed = ending is ValueError
    assert (counted.runs, counted.failures, counted.cancelled) == (
        1,
        failed,
        not failed,
    )


async def test_a_pause_holds_back_automatic_work_and_nothing_else() -> None:
    async def body(held: Held) -> None:
        held.coordinator.pause()
        await held.ask("automatic", Work.COMPACTION, automatic=True)
        await held.ask("flush", Work.FLUSH, automatic=True)
        await held.ask("manual", Work.COMPACTION)
        assert held.began == ["flush", "manual"]
        await held.end("manual")
        assert held.began == ["flush", "manual"]
        held.coordinator.resume()
        await trio.testing.wait_all_tasks_blocked()
        assert held.began == ["flush", "manual", "automatic"]

    await with_turns(body)


async def test_what_a_pause_holds_back_is_counted() -> None:
    """R12: nothing is skipped in silence."""
    coordinator = Coordinator()
    assert not coordinator.holds_back(Work.COMPACTION)
    coordinator.pause()
    assert coordinator.holds_back(Work.COMPACTION)
    assert not coordinator.holds_back(Work.FLUSH)
    assert coordinator.statistics()[Work.COMPACTION].held_back == 1
    assert coordinator.statistics()[Work.FLUSH].held_back == 0


async def test_who_waits_when_the_store_closes_is_told_so() -> None:
    """R13, H7: a stop ends what waits with an outcome, and lets what runs end by itself."""
    coordinator = Coordinator()
    refused: list[Work] = []

    async def ask(work: Work) -> None:
        with pytest.raises(NotOpenError):
            async with coordinator.turn(work):
                pytest.fail("it is over")
        refused.append(work)

    async with trio.open_nursery() as nursery, coordinator.turn(Work.CHECKPOINT):
        nursery.start_soon(ask, Work.RETENTION)
        await trio.testing.wait_all_tasks_blocked()
        coordinator.stop()
        await ask(Work.SWEEP)
        nursery.start_soon(coordinator.wait_idle)
        await trio.testing.wait_all_tasks_blocked()
        assert coordinator.running == (Work.CHECKPOINT,)
    assert sorted(work.name for work in refused) == ["RETENTION", "SWEEP"]
    assert coordinator.statistics()[Work.CHECKPOINT].runs == 1


async def test_seconds_errors_and_the_next_try_are_shown(
    autojump_clock: trio.testing.MockClock,
) -> None:
    """R27: all on trio's clock; no test sleeps for real."""
    coordinator = Coordinator()
    async with coordinator.turn(Work.BACKUP):
        await trio.sleep(2)
        assert coordinator.statistics()[Work.BACKUP].busy_seconds == pytest.approx(2)
        assert coordinator.statistics()[Work.BACKUP].running == 1
    with pytest.raises(ValueError, match="no"):
        async with coordinator.turn(Work.BACKUP):
            await trio.sleep(3)
            raise ValueError("no")
    coordinator.note_retry(Work.BACKUP, 4)
    await trio.sleep(1)

    failed = coordinator.statistics()[Work.BACKUP]
    assert failed.busy_seconds == pytest.approx(5)
    assert failed.last_error == "ValueError('no')"
    assert failed.retry_seconds == pytest.approx(3)
    assert not failed.is_healthy
    async with coordinator.turn(Work.BACKUP):
        pass
    assert coordinator.statistics()[Work.BACKUP].is_healthy
    assert coordinator.statistics()[Work.BACKUP].retry_seconds is None


async def test_a_turn_inside_one_that_excludes_it_is_a_bug_and_not_a_hang() -> None:
    coordinator = Coordinator()
    async with coordinator.turn(Work.CHECKPOINT):
        async with coordinator.turn(Work.FLUSH):
            assert coordinator.running == (Work.CHECKPOINT, Work.FLUSH)
        with pytest.raises(AssertionError, match="wait for itself"):
            await coordinator.turn(Work.RETENTION).__aenter__()


async def test_a_turn_that_is_cancelled_from_outside_ends_in_an_error_of_its_own() -> (
    None
):
    """R13: whoever holds it, in whatever task, is told that the store was closed."""
    coordinator = Coordinator()

    async def hold() -> None:
        with pytest.raises(NotOpenError):
            async with coordinator.turn(Work.COMPACTION):
                await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        nursery.start_soon(hold)
        await trio.testing.wait_all_tasks_blocked()
        coordinator.stop()
        coordinator.cancel()
        await coordinator.wait_idle()
    counted = coordinator.statistics()[Work.COMPACTION]
    assert (counted.runs, counted.failures, counted.cancelled) == (0, 0, 1)
