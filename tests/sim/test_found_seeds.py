"""Small scripts of seeds that failed in long sweeps, each of a bug or of a wrong judgement."""

from io_backends import LateError
from sim import Ending, Latency, Life, Recover, RunResult, Script, run
from sim.operations import (
    Batch,
    Cancelled,
    Compact,
    Delete,
    Flush,
    Operation,
    Put,
    PutNowait,
    Swap,
    Transfer,
    Update,
)
from sim.services import Backup, Checkpoint, Follow

CLOSED = Ending(kind="close")


def lived(*lives: Life, seed: int = 0) -> RunResult:
    keys = ((b"a", b"b"),)
    return run(Script(seed=seed, keys=keys, lives=lives, is_schedule_drawn=False))


def assert_ok(result: RunResult) -> None:
    assert (result.verdict, result.detail) == ("ok", "")


def test_marks_alone_do_not_let_a_checkpoint_look_newer_than_the_next() -> None:
    """Seed 2234: a LOG checkpoint counted the mark before it, so the FULL behind it lay lower."""
    asked: tuple[Operation, ...] = (Checkpoint(), Checkpoint(kind="LOG"), Checkpoint())
    restored = Recover(what="newest valid", seed=3402912199)

    assert_ok(
        lived(
            Life(clients=(asked,), ending=CLOSED), Life(recover=restored, ending=CLOSED)
        )
    )


def test_what_is_kept_for_a_stream_is_counted_from_what_is_settled() -> None:
    """Seed 6076: the log was ahead of that by a roll, and a consumer lost its position early."""
    options = (
        ("memtable_bytes_max", 1024),
        ("segment_bytes_max", 1024),
        ("level0_tables_max", 2),
        ("level_bytes_base", 256),
        ("stream_retention_bytes", 5000),
    )
    work: tuple[Operation, ...] = (
        Batch(writes=((b"a", 3000), (b"b", 3000))),
        Delete(key=b"b", level="os"),
        PutNowait(key=b"b"),
        PutNowait(key=b"b", level="os"),
        Follow(frames=1000),
        Put(key=b"b"),
        PutNowait(key=b"a", size=3000),
        Delete(key=b"b"),
        Batch(writes=((b"a", 8),), level="memory"),
        Batch(writes=((b"a", 8),), level="memory"),
        Follow(),
    )

    assert_ok(lived(Life(options=options, clients=(work,), ending=CLOSED), seed=6076))


def test_a_cut_while_restoring_gives_back_what_a_late_error_took() -> None:
    """Seed 5770: such pages were given back at the end of a life only, so a table was gone."""
    work: tuple[Operation, ...] = (
        PutNowait(key=b"a", level="os"),
        Delete(key=b"b"),
        Backup(),
        Flush(),
        Checkpoint(),
        Update(key=b"a"),
        Flush(),
    )
    for at in range(2):
        for io in range(60):
            result = lived(
                Life(
                    clients=(work,),
                    faults=(LateError(at=at, path="store/table-*"),),
                    ending=CLOSED,
                ),
                Life(recover=Recover(io=io, seed=io), ending=CLOSED),
            )

            assert_ok(result)


def test_no_caller_leads_the_manifest_of_an_open_store() -> None:
    """Seed 13099: who came before that task began was cancelled in the middle of a commit."""
    script = Script(
        seed=13099,
        lives=(
            Life(
                clients=(
                    (Cancelled(Follow(frames=1), seconds=0.0001),),
                    (Follow(),),
                ),
                latency=Latency(base=0.0005, seed=2426606287),
                ending=CLOSED,
            ),
        ),
        schedule=(0, 0, 2196414020),
        is_schedule_drawn=False,
    )

    assert_ok(run(script))


def test_a_list_from_elsewhere_may_tell_of_a_checkpoint_that_a_cut_takes_away() -> None:
    """Seed 4033: its edit had failed and was visible, so a list between two lives named it."""
    clients: tuple[tuple[Operation, ...], ...] = (
        (Compact(), Transfer(source=1, target=2, amount=15)),
        (Swap(place=4, after=3), Checkpoint(), Checkpoint()),
    )
    killed = Life(
        clients=clients,
        faults=(LateError(at=62, path="store/manifest-*"),),
        ending=Ending(kind="kill", operations=6),
    )
    recover = Recover(io=0, seed=1172935690)

    assert_ok(lived(killed, Life(recover=recover, ending=CLOSED), seed=4033))


def test_estimates_are_compared_over_the_same_segments() -> None:
    """Seed 4051: between the two a mark moved what streams keep, and a segment came in."""
    followed: tuple[Operation, ...] = (
        Follow(acknowledge=False),
        Batch(writes=((b"a", 20), (b"b", 20))),
        Flush(),
    )
    options = (("separated_value_bytes_min", 100), ("stream_retention_bytes", 1000))
    race = ((), (Put(key=b"race/0", size=0), Delete(key=b"race/0")))

    assert_ok(
        lived(
            Life(clients=(followed,), ending=Ending(kind="kill", operations=4)),
            Life(
                options=options,
                latency=Latency(base=0.002),
                race=race,
                ending=CLOSED,
            ),
            seed=4051,
        )
    )
