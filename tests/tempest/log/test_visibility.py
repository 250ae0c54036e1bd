"""Durable before visible, in log order, whatever comes in whatever order."""

import attrs
import pytest
import trio
import trio.testing
from hypothesis import given, settings, strategies as st

from tempest.log import Visibility


@attrs.define
class Model:
    """Each sequence with what it promised: None (MEMORY), flushed (False) or synced (True)."""

    promises: list[bool | None] = attrs.field(factory=list)
    flushed: int = 0
    durable: int = 0

    @property
    def visible(self) -> int:
        for sequence, promise in enumerate(self.promises, 1):
            if promise is not None:
                reached = self.durable if promise else self.flushed
                if reached < self.group_end(sequence):
                    return sequence - 1
        return len(self.promises)

    groups: list[int] = attrs.field(factory=list)

    def group_end(self, sequence: int) -> int:
        return next(end for end in self.groups if end >= sequence)


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from([None, False, True])),
        st.tuples(st.just("batch"), st.sampled_from([False, True])),
        st.tuples(st.just("flush"), st.none()),
        st.tuples(st.just("sync"), st.none()),
    ),
    max_size=40,
)
Steps = list[tuple[str, bool | None]]


def step(visibility: Visibility, model: Model, name: str, promise: bool | None) -> None:
    """Do what writer and committer do, with the real object and the model."""
    match name:
        case "flush":
            visibility.flushed = model.flushed = visibility.last
            visibility.advance()
        case "sync":
            visibility.durable = model.durable = visibility.flushed
            visibility.advance()
        case _:
            count = 3 if name == "batch" else 1
            first = visibility.last + 1
            visibility.last += count
            model.promises += [promise] * count
            model.groups.append(visibility.last)
            if promise is not None:
                visibility.block(first, visibility.last, synced=promise)
            elif visibility.is_current:
                visibility.visible = visibility.last


@given(STEPS)
def test_nothing_is_visible_before_its_level_nor_before_what_stands_before_it(
    steps: Steps,
) -> None:
    visibility, model = Visibility(0), Model()
    for name, promise in steps:
        before = visibility.visible
        step(visibility, model, name, promise)
        assert visibility.visible == model.visible
        assert visibility.visible >= before
        assert visibility.is_current == (visibility.visible == visibility.last)


@given(STEPS)
def test_a_sync_is_wanted_while_somebody_was_promised_one(steps: Steps) -> None:
    visibility, model = Visibility(0), Model()
    for name, promise in steps:
        step(visibility, model, name, promise)
        hidden = range(model.visible + 1, visibility.last + 1)
        assert visibility.wants_sync == any(model.promises[s - 1] for s in hidden)


def test_a_synced_write_holds_back_what_comes_behind_it() -> None:
    visibility = Visibility(10)
    visibility.last = 11
    visibility.block(11, 11, synced=True)
    visibility.last = 12
    visibility.block(12, 12, synced=False)

    visibility.flushed = 12
    visibility.advance()
    assert visibility.visible == 10

    visibility.durable = 11
    visibility.advance()
    assert visibility.visible == 12


async def test_waiting_for_what_is_visible_returns_at_once() -> None:
    visibility = Visibility(5)

    with trio.fail_after(0):
        await visibility.wait(5)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 8), min_size=1, max_size=12), st.data())
async def test_waiters_are_woken_in_sequence_order_and_none_too_early(
    sequences: list[int], data: st.DataObject
) -> None:
    visibility, woken = Visibility(0), list[int]()
    cancelled = data.draw(st.sets(st.sampled_from(range(len(sequences)))))
    scopes = [trio.CancelScope() for _ in sequences]

    async def wait(sequence: int, scope: trio.CancelScope) -> None:
        with scope:
            await visibility.wait(sequence)
            woken.append(sequence)

    for sequence in range(1, 9):
        visibility.last = sequence
        visibility.block(sequence, sequence, synced=True)
    async with trio.open_nursery() as nursery:
        for sequence, scope in zip(sequences, scopes, strict=True):
            nursery.start_soon(wait, sequence, scope)
            await trio.testing.wait_all_tasks_blocked()
        for index in cancelled:
            scopes[index].cancel()
        await trio.testing.wait_all_tasks_blocked()
        rest = [s for i, s in enumerate(sequences) if i not in cancelled]
        for durable in range(1, 9):
            visibility.durable = durable
            visibility.advance()
            await trio.testing.wait_all_tasks_blocked()
            assert sorted(woken) == sorted(s for s in rest if s <= durable)
    assert woken == sorted(rest)


async def test_a_waiter_that_is_cancelled_as_it_is_woken_harms_nobody() -> None:
    visibility, woken = Visibility(0), list[str]()
    visibility.last = 1
    visibility.block(1, 1, synced=True)

    async def wait(name: str, scope: trio.CancelScope) -> None:
        with scope:
            await visibility.wait(1)
            woken.append(name)

    async with trio.open_nursery() as nursery:
        scope = trio.CancelScope()
        nursery.start_soon(wait, "one", scope)
        nursery.start_soon(wait, "other", trio.CancelScope())
        await trio.testing.wait_all_tasks_blocked()
        visibility.durable = 1
        visibility.advance()
        scope.cancel()

    assert "other" in woken


async def test_everybody_gets_an_error_of_their_own_when_the_wait_is_in_vain() -> None:
    visibility, errors = Visibility(0), list[Exception]()
    visibility.last = 2
    visibility.block(1, 2, synced=True)

    async def wait(sequence: int) -> None:
        with pytest.raises(ValueError, match="no hope") as caught:
            await visibility.wait(sequence)
        errors.append(caught.value)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(wait, 1)
        nursery.start_soon(wait, 2)
        await trio.testing.wait_all_tasks_blocked()
        visibility.fail(lambda: ValueError("no hope"))

    assert len({id(error) for error in errors}) == 2
    assert visibility.visible == 0
