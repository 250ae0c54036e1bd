"""Every oracle, how often a run came by it, and whether it held.

The table says at which event an oracle looks. It counts occasions, not comparisons: a scan is one
occasion, however many rows it gave.

Invariants
- Every name is one of `ORACLES`; an oracle without an occasion was not put to the test.
"""

from collections import Counter
from collections.abc import Sequence

from sim import events, operations as ops, services
from sim.events import OPEN, Event
from sim.operations import Operation
from sim.oracle import ORACLES

AFTER_OPENING = (
    *("prefix-no-hole", "acknowledged-survives", "batch-atomic", "outcome-pinned"),
    *("no-resurrection", "no-phantom", "range", "bank", "ring"),
    *("session", "checkpoint"),
)
AFTER_CLOSE = ("leak", "structure", "live-files", "backup", "values")
OF_PHASE = {"racing": ("linearizable",), "closing": ("liveness", "silent-fault")}
READS = ("read-your-writes", "no-phantom", "no-resurrection")
MOMENTS = ("snapshot-isolation", "no-phantom", "no-resurrection")
OF_OPERATION: dict[type, tuple[str, ...]] = {
    ops.Get: READS,
    ops.GetNowait: READS,
    ops.GetMany: (*READS, "snapshot-isolation"),
    ops.Scan: (*READS, "snapshot-isolation", "range"),
    ops.SnapshotRead: MOMENTS,
    ops.ScanClose: (*MOMENTS, "range"),
    ops.Update: ("read-your-writes",),
    ops.Look: ("health",),
    services.Checkpoint: ("checkpoint",),
    services.CheckpointWait: ("checkpoint",),
    services.CheckpointList: ("checkpoint",),
    services.CheckpointRead: ("checkpoint", "session"),
    services.CheckpointDrop: ("checkpoint",),
    services.CheckpointPrune: ("checkpoint",),
    services.SessionOpen: ("session",),
    services.SessionPut: ("session",),
    services.SessionWait: ("session",),
    services.Follow: ("changes", "no-phantom"),
    services.ShouldCollect: ("values",),
    services.Backup: ("backup",),
}
OF_EVENT: dict[type[Event], tuple[str, ...]] = {
    events.LifeBegun: ("refused-opening",),
    events.Looked: AFTER_OPENING,
    events.Tried: ("silent-loss", "needless-loss"),
}


def count_checks(run: Sequence[Event]) -> Counter[str]:
    """Count the occasions of every oracle in a run."""
    checks = Counter({"stuck": 1})
    asked: dict[int, Operation] = {}
    closing: dict[int, bool] = {}
    for event in run:
        match event:
            case events.Phase(name=name, life=life):
                closing[life] = name == "closing"
                checks.update(OF_PHASE.get(name, ()))
            case events.Dark(life=life):
                closing[life] = False
                checks["frozen-disk"] += 1
            case events.OperationBegun(number=number, operation=operation):
                asked[number] = operation
            case events.OperationEnded(number=number, answer=answer):
                checks.update(_of_answer(asked[number], answer))
            case events.LifeEnded(life=life) if closing.get(life):
                checks.update(AFTER_CLOSE)
            case events.Violated(name=name):
                checks[name] = checks[name] or 1
            case _:
                checks.update(OF_EVENT.get(type(event), ()))
    return checks


def _of_answer(operation: Operation, answer: str) -> tuple[str, ...]:
    if answer == OPEN:
        return ()
    if answer == "failed":
        return ("undocumented-error", "health")
    whole = operation == ops.Scan() and answer == "done"
    common = ("bank", "ring") if whole else ()
    found = OF_OPERATION.get(type(operation), ()) if answer == "done" else ()
    return ("undocumented-error", *found, *common)


for _names in (
    AFTER_OPENING,
    AFTER_CLOSE,
    *OF_PHASE.values(),
    *OF_OPERATION.values(),
    *OF_EVENT.values(),
):
    assert set(_names) <= set(ORACLES)
