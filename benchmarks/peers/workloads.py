"""The workloads by name: what they do, on which database, and how often."""

from collections.abc import Callable

import attrs

from benchmarks.peers import bodies, lateness, nowait, tapes
from benchmarks.peers.body import Body
from benchmarks.peers.data import Data
from benchmarks.peers.tapes import Tape

Count = Callable[[int], int]

SYNCED_MAX = 2000
MIX_MAX = 200_000
PREPARED_MAX = 500_000  # operations on a prepared database, however large it is
LATENCY_MAX = 2_000_000


def _capped(n: int) -> int:
    return min(n, PREPARED_MAX)


@attrs.frozen(kw_only=True)
class Workload:
    """One workload that is a tape and a body.

    Attributes:
        tape: makes the operations and their answers.
        body: does them.
        says: what the reader of the table is told.
        prepared: runs on a copy of the prepared database, not on an empty one.
        sync: each write is on the disk when it returns.
        count: operations for a database of so many entries.
        trio_only: makes sense in a trio program alone.
    """

    tape: Callable[[Data, int], Tape]
    body: Body
    says: str
    prepared: bool = True
    sync: bool = False
    count: Count = _capped
    trio_only: bool = False


def _mix(letter: str, says: str) -> Workload:
    share = 10 if letter == "e" else 1
    return Workload(
        tape=tapes.ycsb(letter),
        body=bodies.mix,
        says=says,
        count=lambda n: max(1, min(n, MIX_MAX) // share),
    )


WORKLOADS = {
    "fillseq": Workload(
        tape=tapes.fill_in_order,
        body=bodies.puts,
        says="puts in ascending order into an empty database",
        prepared=False,
        count=int,
    ),
    "fillrandom": Workload(
        tape=tapes.fill_at_random,
        body=bodies.puts,
        says="puts of random keys into an empty database",
        prepared=False,
        count=int,
    ),
    "fillbatch": Workload(
        tape=tapes.fill_in_batches,
        body=bodies.batches,
        says="distinct keys in random order, 1000 a batch",
        prepared=False,
        count=int,
    ),
    "fillsync": Workload(
        tape=tapes.fill_at_random,
        body=bodies.puts,
        says="puts, each on the disk before the next",
        prepared=False,
        sync=True,
        count=lambda n: min(n, SYNCED_MAX),
    ),
    "overwrite": Workload(
        tape=tapes.overwrite, body=bodies.puts, says="puts of random keys that exist"
    ),
    "deleterandom": Workload(
        tape=tapes.delete_at_random,
        body=bodies.deletes,
        says="deletes of half of the keys",
        count=lambda n: max(1, _capped(n) // 2),
    ),
    "readmodifywrite": Workload(
        tape=tapes.count_up,
        body=bodies.updates,
        says="+1 on zipfian counters, 10,000 of them",
    ),
    "readrandom": Workload(
        tape=tapes.read_at_random, body=bodies.gets, says="gets of random keys, warm"
    ),
    "readmissing": Workload(
        tape=tapes.read_missing, body=bodies.gets, says="gets of keys that are missing"
    ),
    "readmemory": Workload(
        tape=tapes.read_from_memory,
        body=bodies.gets_from_memory,
        says="gets of what was just written",
        prepared=False,
        count=int,
    ),
    "multiget": Workload(
        tape=tapes.read_many, body=bodies.gets_of_many, says="100 keys a call, per key"
    ),
    "readseq": Workload(
        tape=tapes.scan, body=bodies.scans, says="scans of everything, per row"
    ),
    "readreverse": Workload(
        tape=tapes.scan, body=bodies.scans_backward, says="the same from the end"
    ),
    "seekrandom": Workload(
        tape=tapes.seek,
        body=bodies.seeks,
        says="a seek and 50 rows",
        count=lambda n: max(100, _capped(n) // 50),
    ),
    "ycsb_a": _mix("a", "half reads, half updates"),
    "ycsb_b": _mix("b", "95 % reads, 5 % updates"),
    "ycsb_c": _mix("c", "reads"),
    "ycsb_d": _mix("d", "95 % reads of the latest, 5 % inserts"),
    "ycsb_e": _mix("e", "95 % short scans, 5 % inserts"),
    "ycsb_f": _mix("f", "half reads, half read-modify-write"),
    "put_latency": Workload(
        tape=tapes.overwrite,
        body=bodies.timed_puts,
        says="overwrites, each timed, while compaction runs",
        count=lambda n: min(2 * n, LATENCY_MAX),
    ),
    "lateness": Workload(
        tape=tapes.overwrite,
        body=lateness.beside_a_load,
        says="how late a sleeper of 1 ms wakes during overwrites",
        trio_only=True,
    ),
}
SPECIAL = {  # of these `child` knows the steps
    "fillsync_64": "64 writers at once, each put on the disk",
    "recovery_kill": "open and first answer after a kill, puts without a sync before",
    "load": "puts of every key in random order, the whole database",
    "space": "load, overwrite 5 times, compact: bytes on disk, memory",
}
NOWAIT: dict[Body, Body] = {
    bodies.puts: nowait.puts,
    bodies.gets: nowait.gets,
    bodies.gets_from_memory: nowait.gets_from_memory,
}
NAMES = (*WORKLOADS, *SPECIAL)


def says(name: str) -> str:
    """Return what the reader is told about a workload."""
    return WORKLOADS[name].says if name in WORKLOADS else SPECIAL[name]
