"""What is done to the disk of a life: at its opening, at its close, with too little of something."""

from collections.abc import Iterable

import pytest

import tempest.health
from io_backends import FailOp, Hit, LateError, OpKind
from sim import Ending, Latency, Life, RunResult, Script, run
from sim.inspection import Inspection
from sim.operations import (
    Batch,
    Cancelled,
    Compact,
    Delete,
    Flush,
    Get,
    OpenTwice,
    Operation,
    Put,
    Scan,
    ScanOpen,
    ScanRead,
    Sleep,
    SnapshotOpen,
    Sync,
    WaitWritable,
)
from sim.services import Follow

KEYS = tuple(b"%d" % number for number in range(6))
LAST = Life(ending=Ending(kind="close"))
SLOW = Latency(base=0.001)


def puts(count: int, size: int = 20) -> tuple[Operation, ...]:
    return tuple(Put(KEYS[number % len(KEYS)], size) for number in range(count))


def lived(*lives: Life) -> RunResult:
    return run(Script(keys=(KEYS,), lives=(*lives, LAST)))


def situations(results: Iterable[RunResult]) -> set[str]:
    """Return what these runs got into; all have to be well."""
    seen: set[str] = set()
    for result in results:
        assert result.verdict == "ok", result.detail
        seen.update(result.situations)
    return seen


@pytest.mark.parametrize("kind", ["cut", "kill"])
def test_a_crash_strikes_anywhere_while_the_store_is_closed(kind: str) -> None:
    seen = situations(
        lived(
            Life(
                clients=((*puts(7), Flush(), *puts(2)),),
                latency=SLOW,
                ending=Ending(kind=kind, closing=True, io=io),  # type: ignore[arg-type]
            )
        )
        for io in range(12)
    )

    assert {f"{kind} while closing", "a clean close"} <= seen


@pytest.mark.parametrize("seconds", [0.0, 0.001, 0.004, 0.02, 0.1])
def test_a_cancelled_opening_and_a_cancelled_close_lose_nothing(seconds: float) -> None:
    crash = Ending(operations=6)
    closed = Ending(closing=True, io=10_000, cancel_seconds=seconds)
    seen = situations(
        [
            lived(
                Life(clients=(puts(6),), latency=SLOW, ending=crash),
                Life(
                    clients=(puts(6),),
                    latency=SLOW,
                    cancel_seconds=seconds,
                    ending=closed,
                ),
            )
        ]
    )

    assert "a close is cancelled" in seen or seconds > 0.01
    assert {"an opening is cancelled", "an open store is cancelled"} & seen


@pytest.mark.parametrize("openings", [1, 2, 3])
def test_a_write_in_flight_surfaces_after_some_openings(openings: int) -> None:
    """It is still in flight when later lives end."""
    seen = situations(
        lived(
            Life(
                clients=(puts(4),),
                latency=SLOW,
                ending=Ending(
                    operations=4, io=io, when="during", late=3, late_openings=openings
                ),
            ),
            Life(clients=(puts(2),), ending=Ending(operations=2)),
            Life(clients=(puts(2),), ending=Ending(operations=2)),
        )
        for io in range(6)
    )

    assert "late write surfaces" in seen


@pytest.mark.parametrize(
    ("limits", "kind"),
    [
        ({"capacity_bytes": 3000}, "full disk"),
        ({"file_bytes_max": 1500}, "small files"),
        ({"handles_max": 3}, "few handles"),
    ],
)
def test_too_little_of_something_is_survived_and_counted(
    limits: dict[str, int], kind: str
) -> None:
    work = (*puts(12, 200), Flush(), Get(KEYS[0]), Sleep(5.0), *puts(2))
    result = lived(
        Life(
            clients=(work,),
            options=(("memtable_bytes_max", 1024),),
            ending=Ending(operations=len(work)),
            **limits,  # type: ignore[arg-type]
        )
    )

    assert result.verdict == "ok", result.detail
    assert result.faults[kind] > 0


def test_every_call_that_waits_is_cancelled() -> None:
    calls = (
        *(SnapshotOpen(0), WaitWritable(), OpenTwice(read_only=True)),
        *(ScanOpen(0, Scan()), ScanRead(1), Sync()),
    )
    work: tuple[Operation, ...] = (
        *puts(6),
        Flush(),
        ScanOpen(1, Scan()),
        *(Cancelled(call, 0.0) for call in calls),
    )
    seen = situations(
        [lived(Life(clients=(work,), uncached=100, latency=SLOW, ending=LAST.ending))]
    )

    for call in calls:
        assert f"{type(call).__name__} cancelled" in seen


def test_an_error_that_nobody_counts_is_found_at_a_crash(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A sync of a table fails, and the store says nothing of it."""
    count = tempest.health.HealthMonitor.trouble

    def silent(
        self: tempest.health.HealthMonitor, source: str, error: Exception
    ) -> None:
        failures = self.failures
        count(self, source, error)
        self.failures = failures

    monkeypatch.setattr(tempest.health.HealthMonitor, "trouble", silent)
    fault = FailOp(kinds=(OpKind.SYNC,), path="store/table-*")
    work = puts(60, 100)
    life = Life(
        clients=(work,),
        options=(("memtable_bytes_max", 1024),),
        faults=(fault,),
        ending=Ending(operations=len(work)),
    )
    result = lived(life)

    assert result.verdict == "silent-fault", result.detail


def an_edit_left_alone(at: int) -> RunResult:
    """Let a late error meet the edit of a caller that was cancelled, or one beside it."""
    follow = Follow(frames=1000, acknowledge=False)
    life = Life(
        clients=((Put(b"1", 20), Cancelled(follow, 1e-05)),),
        latency=Latency(base=0.02),
        faults=(LateError(at=at, path="store/manifest-*"),),
        ending=Ending(kind="close"),
    )
    return run(Script(keys=(KEYS,), lives=(life,)))


def test_an_edit_whose_caller_was_cancelled_may_fail_with_nobody_to_tell(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Seed 1660: it was written as the next group, and the judge knew of the one under way only."""

    def only_under_way(_: Inspection, hit: Hit, gone: range) -> bool:
        return hit.op.index in gone

    places = range(40)
    results = [an_edit_left_alone(at) for at in places]
    situations(results)
    assert any(result.faults for result in results)
    monkeypatch.setattr(Inspection, "_went_along", only_under_way)
    verdicts = [an_edit_left_alone(at).verdict for at in places]
    assert "silent-fault" in verdicts, "no error meets an edit that nobody waits for"


def test_an_edit_that_failed_may_stand_in_the_manifest_until_the_next() -> None:
    """Seed 14089: the journal had decided against it, and a judge counted the tables that it names."""
    batches = (
        Batch(writes=((b"c", 8), (b"b", 8), (b"d", None))),
        Batch(writes=((b"b", 100), (b"a", 20))),
    )
    work = (*batches, Delete(key=b"c"), Put(key=b"a"), Put(key=b"c"))
    fault = LateError(at=31, path="store/manifest-*")
    closing = Ending(kind="close")
    small = (("memtable_bytes_max", 1500),)
    script = Script(
        seed=14089,
        keys=((b"a", b"b", b"c", b"d"),),
        lives=(
            Life(options=small, clients=(work,), ending=closing),
            Life(clients=((Compact(),),), faults=(fault,), ending=closing),
        ),
        is_schedule_drawn=False,
    )
    result = run(script)

    assert result.verdict == "ok", result.detail
    assert result.faults["sync fails late"]


def test_of_two_errors_of_one_operation_the_first_is_told() -> None:
    """Seed 60274: one that the engine gets over hid another, which a judge missed."""
    work = (*puts(4), Flush())
    reads = (OpKind.READ, OpKind.READ_NOWAIT)
    hidden = FailOp(kinds=reads, path="store/table-*", times=2, effect="done")
    faults = (
        FailOp(kinds=reads, path="store/table-*", times=2, error="EMFILE"),
        hidden,
    )
    closing = Ending(kind="close")
    result = run(
        Script(
            keys=(KEYS,),
            lives=(
                Life(clients=(work,), ending=closing),
                Life(uncached=100, faults=faults, ending=closing),
            ),
        )
    )

    assert result.verdict == "ok", result.detail
