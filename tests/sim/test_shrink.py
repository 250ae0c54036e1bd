"""Failing scripts become small ones that fail alike, and print as tests to paste."""

import attrs
import pytest

from io_backends import CrashPolicy, FailOp
from sim import Damage, Ending, Life, Rot, RunResult, Script, draw, parse, run
from sim.operations import Batch, Cancelled, Delete, Get, Operation, Put
from sim.runner import draw_lying
from sim.shrink import as_pytest, literal, lives, measure, rounds, shrink
from sim.shrink.aspect import Aspect
from sim.shrink.wobble import wobble
from sim.shrink.words import plainer, short_keys

SEEDS = range(6)
WELL = run(Script())


def result(verdict: str, schedule: tuple[int, ...] = ()) -> RunResult:
    return attrs.evolve(WELL, verdict=verdict, detail="a story", schedule=schedule)


def operations(script: Script) -> list[Operation]:
    return [op for life in script.lives for part in life.clients for op in part]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_literal_makes_the_script_again(seed: int) -> None:
    script = draw(seed)

    assert parse(literal(script)) == script
    assert max(map(len, literal(script).splitlines())) <= 88


def test_a_lying_disk_needs_next_to_nothing() -> None:
    shrunk = shrink(draw_lying(2))

    assert shrunk.verdict == run(draw_lying(2)).verdict
    assert shrunk.is_small
    assert (shrunk.operations, shrunk.faults, shrunk.crashes) == (0, 0, 1)
    assert shrunk.script == parse(literal(shrunk.script))


def test_a_shrunk_script_prints_as_a_test_that_fails() -> None:
    shrunk = shrink(draw_lying(2))
    text = as_pytest(shrunk)
    module: dict[str, object] = {}

    exec(text, module)
    test = module["test_refused_opening_2"]

    assert callable(test)
    with pytest.raises(AssertionError):
        test()
    assert max(map(len, text.splitlines())) <= 88


def test_all_that_is_done_to_a_disk_counts_as_a_fault() -> None:
    rotten = Life(damages=(Damage(),), clock_pace=0.0, handles_max=3)
    full = Life(capacity_bytes=3000, faults=(FailOp(at=1),), rots=(Rot(),))

    assert measure(Script(lives=(rotten, full))) == (0, 6, 2)


def test_only_what_the_failure_needs_is_left() -> None:
    """A failure that needs a put and a later delete of the same key, in one life."""
    script = draw(3)
    assert any(isinstance(op, Delete) for op in operations(script))

    def play(smaller: Script) -> RunResult:
        found = any(
            any(isinstance(op, Put) for op in ops)
            and any(isinstance(op, Delete) for op in ops)
            for life in smaller.lives
            for ops in [[op for part in life.clients for op in part]]
        )
        return result("no-resurrection" if found else "ok")

    shrunk = shrink(script, play=play)

    assert [type(op) for op in operations(shrunk.script)] in (
        [Put, Delete],
        [Delete, Put],
    )
    assert measure(shrunk.script) == (2, 0, 0)
    assert len(shrunk.script.lives) == 1
    assert shrunk.script.keys in (((b"a",),), ((b"a", b"b"),))
    assert not shrunk.script.lives[0].options


def test_few_decisions_of_a_schedule_are_said() -> None:
    drawn = (0, 3, 0, 5, 1, 0, 2)

    def play(script: Script) -> RunResult:
        if script.is_schedule_drawn:
            return result("stuck", drawn)
        return result("stuck" if script.schedule[3:4] == (5,) else "ok")

    shrunk = shrink(Script(seed=4, lives=(Life(),)), play=play)

    assert shrunk.script.schedule == (0, 0, 0, 5)
    assert not shrunk.script.is_schedule_drawn


def test_bad_luck_is_given_another_chance() -> None:
    """What a cut keeps is drawn anew when anything before it changes."""
    ending = Ending(operations=3, seed=17)
    ops = tuple(Put(b"k") for _ in range(4))
    script = Script(keys=((b"k",),), lives=(Life(clients=(ops,), ending=ending),))

    def play(smaller: Script) -> RunResult:
        lucky = sum(life.ending.seed for life in smaller.lives) % 5 == 2
        return result("bank" if lucky and operations(smaller) else "ok")

    shrunk = shrink(script, play=play)

    assert shrunk.operations == 1


def test_out_of_time_the_best_so_far_is_returned() -> None:
    script = draw_lying(1)

    assert shrink(script, seconds=0.0).script == script


def test_what_does_not_fail_cannot_be_shrunk() -> None:
    with pytest.raises(ValueError, match="does not fail"):
        shrink(Script())


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("aspect", rounds.ASPECTS, ids=lambda aspect: aspect.name)
def test_taking_decisions_back_leaves_fewer(aspect: Aspect, seed: int) -> None:
    script = draw(seed)
    count = aspect.count(script)

    for start in range(0, count, 1 + count // 5):
        assert aspect.count(aspect.without(script, start, start + 1)) < count
    assert aspect.count(aspect.without(script, 0, count)) <= count // 2


def test_a_cut_stays_behind_its_operation() -> None:
    ops = tuple(Get(b"%d" % n) for n in range(6))
    script = Script(lives=(Life(clients=(ops,), ending=Ending(operations=4, io=2)),))

    before = lives.OPERATIONS.without(script, 0, 2).lives[0]
    after = lives.OPERATIONS.without(script, 4, 6).lives[0]
    nothing = lives.OPERATIONS.without(script, 0, 6).lives[0]

    assert (before.clients, before.ending.operations) == ((ops[2:],), 2)
    assert (after.clients, after.ending.operations) == ((ops[:4],), 4)
    assert (nothing.clients, nothing.ending.operations) == (((),), 1)


def test_clients_become_one_that_takes_turns() -> None:
    a, b, c = Get(b"a"), Get(b"b"), Get(b"c")
    script = Script(keys=((b"a", b"c"), (b"b",)), lives=(Life(clients=((a, c), (b,))),))

    sewn = lives.CLIENTS.without(script, 0, 1)

    assert sewn.lives[0].clients == ((a, b, c),)
    assert sewn.keys == ((b"a", b"c", b"b"),)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_wobble_changes_numbers_only(seed: int) -> None:
    script = draw(seed)

    assert measure(wobble(script, 1)) == measure(script)
    assert wobble(script, 1) == wobble(script, 1)
    assert wobble(script, 1) != wobble(script, 2)


def test_operations_become_plainer_until_they_are_plain() -> None:
    operation: Operation = Cancelled(Batch(((b"a", 700), (b"b", None)), "os"), 0.1)

    while (plain := next(plainer(operation), None)) is not None:
        operation = plain

    assert operation == Delete(b"b")


def test_short_keys_keep_their_order() -> None:
    script = draw(5)
    renamed = short_keys(script)

    before = [key for own in script.keys for key in own]
    after = [key for own in renamed.keys for key in own]

    assert sorted(range(len(before)), key=before.__getitem__) == sorted(
        range(len(after)), key=after.__getitem__
    )
    assert all(len(key) == 1 for key in after)


def test_policies_are_said_by_name() -> None:
    ending = Ending(policy=CrashPolicy.keep_all())
    life = Life(ending=ending, faults=(FailOp(at=3, error="ENOSPC"),))

    text = literal(Script(lives=(life,)))

    assert "policy=CrashPolicy.keep_all()" in text
    assert 'FailOp(at=3, error="ENOSPC")' in text
