"""The quick question whether a call has been cancelled answers what trio would do."""

import pytest
import trio

from tempest import fairness
from tempest.fairness import UNITS_MAX, Fairness, must_check


async def test_a_call_must_check_exactly_if_it_is_cancelled() -> None:
    assert not must_check()
    with trio.CancelScope() as scope:
        assert not must_check()
        scope.cancel()
        assert must_check()
        with trio.CancelScope(shield=True):
            assert not must_check()
            await Fairness().begin()
        await Fairness().begin()
    assert scope.cancelled_caught
    assert not must_check()


async def test_an_unknown_trio_is_always_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "_current_task", object)
    assert must_check()


async def test_others_have_their_turn_once_the_units_are_spent() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while turns < 3:
            turns += 1
            await trio.lowlevel.checkpoint()

    work = Fairness()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(other)
        await work.spend(UNITS_MAX)
        assert turns == 0
        await work.spend(1)
        assert work.left == UNITS_MAX
        await work.spend(UNITS_MAX + 1)
        assert turns > 0
