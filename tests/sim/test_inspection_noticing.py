"""Which errors of the disk somebody must have met by the time of a crash."""

from types import SimpleNamespace
from typing import Any

import pytest

import tempest
from io_backends import FailOp, OpKind
from io_backends.faults import Hit, Op
from sim.inspection import Inspection


class Frozen:
    """Stands in for a store at the moment of a crash."""

    def __init__(self, *running: tempest.Work) -> None:
        self.maintenance = SimpleNamespace(running=running)

    def statistics(self) -> SimpleNamespace:
        return SimpleNamespace(failures=0)


def world_of(kind: OpKind) -> Any:  # noqa: ANN401 - stands in for a life
    op = Op(index=7, kind=kind, path="store/table-000000000001", offset=64, length=9)
    log = SimpleNamespace(hits=[Hit(op, FailOp(kinds=(kind,)))])
    disk = SimpleNamespace(files=dict)
    failures: list[object] = []
    return SimpleNamespace(
        world=SimpleNamespace(disk=disk, violation=None, fail=failures.append),
        io=SimpleNamespace(log=log, failed_at={7: 7}, op_count=200, manifest_syncs=[]),
        cancelled=[],
        errors=0,
        is_damaged=False,
        failures=failures,
    )


@pytest.mark.parametrize(
    ("kind", "running", "is_fine"),
    [
        (OpKind.READ, (tempest.Work.RETENTION,), True),
        (OpKind.READ, (tempest.Work.FLUSH,), False),
        (OpKind.SYNC, (tempest.Work.RETENTION,), False),
    ],
)
def test_a_validation_that_a_crash_ends_has_told_nobody_yet(
    kind: OpKind,
    running: tuple[tempest.Work, ...],
    is_fine: bool,
) -> None:
    """Seed 48868: retention read a checkpoint, met an error, read on, and lost its power."""
    life = world_of(kind)
    inspection = object.__new__(Inspection)
    inspection._life, inspection._store = life, Frozen(*running)  # type: ignore[assignment]
    inspection.freeze()
    assert bool(life.failures) is not is_fine
