"""What is kept of a checkpoint, a backup, a consumer: what they may be, and what is refused."""

from importlib import import_module

import attrs
import pytest

from sim import draw
from sim.followers import Follower
from sim.keepsakes import Keepsakes, Listed
from sim.model import Model
from sim.oracle import Violation
from sim.service_draw import OPTIONS
from sim.services import Service
from sim.values import session_key, session_name
from tempest import Change, ChangeFrame, Position

SORT = ("FULL", "FOLD_OVER", 0)
NAME = session_name(0, 0)


def model_of(*values: bytes | None, is_session: bool = False) -> Model:
    """Return a model in which one client has set one key to these values, durably."""
    owners = {b"a": 0, **({session_key(NAME): 0} if is_session else {})}
    model = Model(owners, 1)
    write(model, *values, is_session=is_session)
    return model


def write(model: Model, *values: bytes | None, is_session: bool = False) -> None:
    for value in values:
        serial = b"%d" % (len(model.tracks[0].writes) + 1)
        mark = {session_key(NAME): serial} if is_session else {}
        model.end(model.begin(0, {b"a": value, **mark}), "disk")


def listed(name: bytes) -> Listed:
    return Listed(name, SORT, is_automatic=False, is_abandoned=False)


def test_a_checkpoint_is_a_moment_between_its_call_and_its_return() -> None:
    model, keepsakes = model_of(b"one", b"two"), Keepsakes()
    request = keepsakes.ask(model, SORT)
    write(model, b"three")
    kept = keepsakes.made(b"c", request, model)
    write(model, b"four")

    with pytest.raises(Violation, match="b'one'"):
        attrs.evolve(kept).check({b"a": b"one"}, {})
    with pytest.raises(Violation, match="b'four'"):
        attrs.evolve(kept).check({b"a": b"four"}, {})
    kept.check({b"a": b"three"}, {})
    with pytest.raises(Violation, match="1 keys differ"):
        kept.check({b"a": b"two"}, {})


def test_a_checkpoint_stays_what_it_was_when_the_model_begins_again() -> None:
    model, keepsakes = model_of(b"one"), Keepsakes()
    kept = keepsakes.made(b"c", keepsakes.ask(model, SORT), model)
    model.rebase({b"a": b"two"})

    kept.check({b"a": b"one"}, {})


def test_who_joins_shares_the_cut_of_who_was_first() -> None:
    model, keepsakes = model_of(b"one"), Keepsakes()
    keepsakes.ask(model, SORT)
    write(model, b"two")
    joined = keepsakes.ask(model, SORT)

    assert joined.lows == [1]
    assert joined.has_met
    assert keepsakes.ask(model, ("LOG", "FOLD_OVER", 0)).lows == [2]


def test_content_and_serial_agree_on_one_cut() -> None:
    model, keepsakes = model_of(b"one", is_session=True), Keepsakes()
    request = keepsakes.ask(model, SORT)
    write(model, b"two", is_session=True)
    kept = keepsakes.made(b"c", request, model)

    with pytest.raises(Violation, match="batch-atomic"):
        attrs.evolve(kept).check({b"a": b"two"}, {NAME: 1})
    kept.check({b"a": b"two"}, {NAME: 2})


def test_what_was_acknowledged_is_listed_and_what_was_dropped_is_not() -> None:
    model, keepsakes = model_of(b"one"), Keepsakes()
    kept = keepsakes.made(b"c", keepsakes.ask(model, SORT), model)
    with pytest.raises(Violation, match="not listed any more"):
        keepsakes.listed([], keepsakes.kept(), model)

    kept.state = "doubtful"
    keepsakes.listed([], keepsakes.kept(), model, is_settled=True)
    with pytest.raises(Violation, match="was dropped, and is there"):
        keepsakes.listed([listed(b"c")], [], model)


def test_what_a_list_from_elsewhere_told_is_undone_but_for_what_was_certain() -> None:
    model, keepsakes = model_of(b"one"), Keepsakes()
    kept = keepsakes.made(b"a", keepsakes.ask(model, SORT), model)
    dropped = keepsakes.made(b"b", keepsakes.ask(model, SORT), model)
    dropped.state = "doubtful"
    certain = keepsakes.certain()
    keepsakes.listed(
        [listed(b"a"), listed(b"c")], keepsakes.kept(), model, is_settled=True
    )
    keepsakes.doubt(certain)

    assert [one.state for one in keepsakes.checkpoints.values()] == [
        *("kept", "doubtful", "doubtful")
    ]
    found = [listed(b"a"), listed(b"b")]
    keepsakes.listed(found, keepsakes.kept(), model, is_settled=True)
    assert keepsakes.kept() == [dropped, kept]


def test_a_restored_store_comes_from_what_is_older_only() -> None:
    model, keepsakes = model_of(b"one"), Keepsakes()
    for name in (b"c1", b"c2", b"c3"):
        keepsakes.made(name, keepsakes.ask(model, SORT), model)
    keepsakes.restored(keepsakes.checkpoints[b"c2"])

    assert (keepsakes.timeline, keepsakes.line) == (1, [b"c1", b"c2"])
    assert keepsakes.newest_valid().name == b"c2"


def frame(address: int, *changes: tuple[bytes | None, int]) -> ChangeFrame:
    found = tuple(Change(b"a", value, sequence) for value, sequence in changes)
    return ChangeFrame(Position(0, address), found)


def begun(model: Model) -> Follower:
    follower = Follower("one")
    follower.begin(Position(0, 0), model, list(model.durable))
    return follower


def test_a_follower_is_told_everything_once_and_in_order() -> None:
    model = model_of(b"one")
    follower = begun(model)
    write(model, b"two", b"three")
    follower.take(frame(10, (b"two", 2)))
    follower.check(model)
    follower.take(frame(20, (b"three", 3)))
    follower.check(model)

    with pytest.raises(Violation, match="behind sequence 3"):
        follower.take(frame(20, (b"three", 3)))
    follower.take(frame(30, (b"two", 4)))
    with pytest.raises(Violation, match="changes"):
        follower.check(model)


def test_a_follower_that_hears_nothing_of_a_key_is_told_less_than_it_has_to() -> None:
    model = Model({b"a": 0, b"b": 0}, 1)
    follower = begun(model)
    model.end(model.begin(0, {b"b": b"one"}), "disk")
    model.end(model.begin(0, {b"a": b"two"}), "disk")
    follower.take(frame(10, (b"two", 2)))

    with pytest.raises(Violation, match="heard nothing of b'b'"):
        follower.check(model)


def test_a_follower_goes_on_where_it_acknowledged() -> None:
    model = model_of(b"one")
    follower = begun(model)
    follower.save(Position(0, 10))
    follower.confirm(Position(0, 10), 1000)

    follower.resume(Position(0, 10))
    with pytest.raises(Violation, match="begins at 0:0"):
        follower.resume(Position(0, 0))
    with pytest.raises(Violation, match="1000 bytes are kept"):
        follower.check_lost(Position(0, 900), Position(0, 500))
    follower.check_lost(Position(0, 2000), Position(0, 500))
    follower.check_lost(Position(1, 900), Position(1, 500))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_services_move_nothing_that_was_drawn_before(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn = draw(seed)
    module = import_module("sim.draw")  # the package has a function of that name
    monkeypatch.setattr(module, "_with_services", lambda _, life, __: life)
    before = draw(seed)

    for life, old in zip(drawn.lives, before.lives, strict=True):
        clients = tuple(
            [op for op in part if not isinstance(op, Service)] for part in life.clients
        )
        for left, wanted in zip(clients, old.clients, strict=True):
            assert [op for op in left if op in wanted] == list(wanted)
        options = tuple(pair for pair in life.options if pair[0] not in OPTIONS)
        assert options == old.options
        assert (life.faults, life.latency) == (old.faults, old.latency)
