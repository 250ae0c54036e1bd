"""What goes is freed, by whoever writes or else by the task, and all of it in the end."""

from collections.abc import Iterator

import trio
import trio.testing
from hypothesis import given, strategies as st

from tempest.leftovers import PAUSE_SECONDS, PIECE, Leftovers, emptied


class Item:
    """Something that is counted."""

    alive = 0

    def __init__(self) -> None:
        Item.alive += 1

    def __del__(self) -> None:
        Item.alive -= 1


def some(count: int) -> Iterator[None]:
    return emptied([Item() for _ in range(count)])


@given(st.lists(st.integers(0, 3 * PIECE), max_size=4))
def test_a_writer_frees_a_piece_of_each(sizes: list[int]) -> None:
    leftovers = Leftovers()
    for size in sizes:
        leftovers.add(some(size))
    while leftovers.going:
        before = Item.alive
        leftovers.free_some()
        assert before - Item.alive <= PIECE * len(sizes)
    assert Item.alive == 0


async def test_the_task_frees_what_no_writer_does() -> None:
    leftovers = Leftovers()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leftovers.run)
        for size in (10_000, 0, 1):
            leftovers.add(some(size))
        await trio.testing.wait_all_tasks_blocked()
        assert (Item.alive, leftovers.going) == (0, [])
        leftovers.add(some(5))
        await trio.testing.wait_all_tasks_blocked()
        assert Item.alive == 0
        nursery.cancel_scope.cancel()


async def test_the_task_leaves_it_to_writers_as_long_as_they_write(
    autojump_clock: trio.testing.MockClock,
) -> None:
    leftovers = Leftovers()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(leftovers.run)
        leftovers.add(some(100 * PIECE))
        for left in range(99, 90, -1):
            leftovers.free_some()
            await trio.sleep(PAUSE_SECONDS / 2)
            assert Item.alive == left * PIECE
        await trio.sleep(3 * PAUSE_SECONDS)
        assert Item.alive == 0
        nursery.cancel_scope.cancel()
