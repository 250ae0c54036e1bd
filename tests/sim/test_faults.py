"""Every kind of fault has a contract, is drawn, is counted with its place, and can be summed."""

from collections.abc import Iterator
from typing import get_args

import attrs
import pytest

from io_backends import (
    BitFlip,
    FailOp,
    Fault,
    Hit,
    LateError,
    MisdirectedRead,
    Op,
    OpKind,
    Slow,
    StaleRead,
    Stuck,
)
from sim import Life, draw, run
from sim.faults import CONTRACTS, file_kind, name_of, place_of, sum_places
from sim.runner import fault_table
from sim.script import DamagedFile, DamageKind, RotKind

SEEDS = range(250)


def lives() -> Iterator[Life]:
    for seed in SEEDS:
        yield from draw(seed).lives


def test_everything_that_can_be_planned_is_drawn() -> None:
    every = list(lives())
    faults = [fault for life in every for fault in life.faults]
    kinds = {type(fault) for fault in faults}

    assert kinds == {
        *(FailOp, LateError, BitFlip, StaleRead, MisdirectedRead),
        *(Slow, Stuck),
    }
    errors = {fault.error for fault in faults if isinstance(fault, FailOp)}
    assert errors == {
        *("EIO", "ENOSPC", "EDQUOT", "EFBIG"),
        *("EROFS", "EACCES", "EMFILE", "ENFILE"),
    }
    assert {rot.kind for life in every for rot in life.rots} == set(get_args(RotKind))
    damages = [damage for life in every for damage in life.damages]
    assert {damage.kind for damage in damages} == set(get_args(DamageKind))
    assert {damage.file for damage in damages} == set(get_args(DamagedFile))


@pytest.mark.parametrize(
    "name",
    [
        *("capacity_bytes", "file_bytes_max", "handles_max"),
        *("clock_jump", "clock_pace", "cancel_seconds"),
    ],
)
def test_limits_clocks_and_cancellations_are_drawn(name: str) -> None:
    default = getattr(Life(), name)

    assert any(getattr(life, name) != default for life in lives())


def test_crashes_come_while_closing_and_writes_surface_much_later() -> None:
    endings = [life.ending for life in lives()]

    assert any(ending.closing and ending.kind == "cut" for ending in endings)
    assert any(ending.closing and ending.kind == "kill" for ending in endings)
    assert any(ending.late and ending.late_openings > 1 for ending in endings)
    assert any(ending.cancel_seconds is not None for ending in endings)


def test_more_damage_moves_no_other_stream() -> None:
    """Each part of a life is drawn from a stream of its own."""
    for script in map(draw, range(40)):
        for life in script.lives:
            bare = attrs.evolve(life, damages=(), faults=(), rots=())
            assert bare.ending == life.ending


@pytest.mark.parametrize(
    ("fault", "kind", "path", "name", "place"),
    [
        (FailOp(), OpKind.SYNC, "store/log-000000000001", "failed sync", "sync log"),
        (
            FailOp(times=None),
            OpKind.SYNC_DIR,
            "store",
            "fail for good",
            "sync_dir folder",
        ),
        (
            FailOp(effect="done"),
            OpKind.RENAME,
            "store/manifest-000000000001.tmp",
            "false failure",
            "rename manifest",
        ),
        (
            FailOp(),
            OpKind.READ,
            "store/table-000000000001",
            "unreadable",
            "read_at table",
        ),
        (FailOp(), OpKind.RUN_JOB, "", "dead worker", "run_job"),
        (FailOp(), OpKind.LOCK, "store/lock", "fail once", "lock lock"),
        (Slow(), OpKind.LIST, "store", "slow", "list folder"),
    ],
)
def test_a_hit_has_a_name_and_a_place(
    fault: Fault, kind: OpKind, path: str, name: str, place: str
) -> None:
    hit = Hit(Op(0, kind, path), fault)

    assert (name_of(hit), place_of(hit)) == (name, place)
    assert name in CONTRACTS


def test_files_are_known_by_their_names() -> None:
    names = (
        "log-000000000001",
        "manifest-000000000001.old",
        "lock",
        "elsewhere",
        "a-b",
    )

    assert [file_kind(f"/store/{name}") for name in names] == [
        *("log", "manifest.old", "lock", "folder", "folder")
    ]


def test_a_run_counts_each_fault_and_what_it_hit() -> None:
    results = [run(draw(seed)) for seed in range(6)]

    for result in results:
        sums = {name: sum(row.values()) for name, row in result.fault_places.items()}
        assert sums == result.faults
        assert set(result.faults) <= set(CONTRACTS)
    table = fault_table(results)
    assert sum(table.counts["power cut"].values()) == sum(
        result.faults.get("power cut", 0) for result in results
    )


def test_a_table_shows_the_busiest_places_and_what_never_fired() -> None:
    table = sum_places(
        [
            {"stuck": {"sync log": 2, "list folder": 1}},
            {"stuck": {"sync log": 1}, "slow": {"run_job": 1}},
        ]
    )

    assert table.counts["stuck"] == {"sync log": 3, "list folder": 1}
    assert table.places == ["sync log", "list folder", "run_job"]
    assert "rot" in table.never
    assert "stuck" not in table.never
    line = next(line for line in table.lines(1) if line.startswith("stuck"))
    assert line.split(maxsplit=2)[1:] == ["4", "sync log 3, 1 more places"]
    assert len(table.lines()) == len(CONTRACTS)
