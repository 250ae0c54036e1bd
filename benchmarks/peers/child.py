"""One run in a process of its own: `python -m benchmarks.peers.child JOB`.

The last line of its output is `RESULT` and the record.
"""

import os
import subprocess
import sys
import traceback
from cProfile import Profile
from pathlib import Path

import msgspec
import trio

from benchmarks.peers import bodies, crowd, engines, lifecycle
from benchmarks.peers.body import Body
from benchmarks.peers.data import Data
from benchmarks.peers.engine import AnyEngine, TrioEngine, UnsupportedError
from benchmarks.peers.meter import MIB, Meter, Usage, calibrate, disk_bytes
from benchmarks.peers.records import Job, Record, blank
from benchmarks.peers.tapes import Tape
from benchmarks.peers.twin import plain
from benchmarks.peers.workloads import NOWAIT, WORKLOADS, Workload

RESULT = "RESULT "
MEMORY_SHARE = 1.3  # resident memory may be so much of the budgets,
MEMORY_ABOVE_MIB = 60  # and so much for the program itself


class Runner:
    """An engine, its database, and what is measured of it."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.engine: AnyEngine = engines.load(job.engine)
        self.data = Data(job.n)
        self.meter = Meter(job.seconds_max, job.folder)

    def session(
        self,
        body: Body,
        tape: Tape | None = None,
        *,
        sync: bool = False,
        opening: bool = False,
    ) -> None:
        """Open, do one step, close; with what it used, if the meter has a `usage`.

        With `opening` the meter starts before the database is opened.
        """
        engine, meter = self.engine, self.meter
        tape = tape or Tape()
        usage = meter.usage
        folder = self.job.folder

        async def awaited(engine: TrioEngine) -> None:
            meter.opening = meter.start() if opening else 0
            async with engine.session(folder, sync=sync) as db:
                await body(db, self.data, meter, tape)
                meter.figures.update(usage.memory() if usage else {})

        if isinstance(engine, TrioEngine):
            trio.run(awaited, engine)
        else:
            meter.opening = meter.start() if opening else 0
            face = engine.open(folder, sync=sync)
            try:
                plain(body)(face, self.data, meter, tape)
                meter.figures.update(usage.memory() if usage else {})
            finally:
                face.close()
        if usage:
            meter.figures.update(usage.written() | usage.children())
        meter.usage = None

    def workload(self, workload: Workload) -> None:
        """The usual kind: a tape, a body, and a look at what it left behind."""
        traits = self.engine.traits
        trio_engine = isinstance(self.engine, TrioEngine)
        if workload.sync and traits.with_sync is None:
            raise UnsupportedError("it has no writes with a sync")
        if workload.trio_only and not trio_engine:
            raise UnsupportedError("for engines of a trio program")
        count = workload.count(self.data.count)
        tape = workload.tape(self.data, min(count, traits.operations_max or count))
        body = workload.body
        if "nowait" in traits.kind:
            if body not in NOWAIT:
                raise UnsupportedError("nothing in it is done without waiting")
            body = NOWAIT[body]
        if workload.prepared:
            self.prepare()
        self.meter.usage = Usage()
        self.session(body, tape, sync=workload.sync)
        self.meter.figures["disk_bytes"] = disk_bytes(self.job.folder)
        if tape.after or tape.count_after is not None:
            self.session(bodies.check_after, tape)

    def prepare(self) -> None:
        """Take the prepared database; an engine without files makes its own."""
        if self.engine.traits.durable:
            copy(self.job.base, self.job.folder)
        else:
            self.base()

    def base(self) -> None:
        """Make the database that other runs copy."""
        self.session(lifecycle.prepare)

    def fillsync_64(self) -> None:
        """Tasks where the engine is for trio, else threads: the only step with two faces."""
        traits = self.engine.traits
        if traits.with_sync is None:
            raise UnsupportedError("it has no writes with a sync")
        if isinstance(self.engine, TrioEngine):
            self.session(crowd.with_tasks, sync=True)
            return
        db = self.engine.open(self.job.folder, sync=True)
        try:
            crowd.with_threads(db, self.data, self.meter, one_writer=traits.one_writer)
        finally:
            db.close()

    def recovery_writer(self) -> None:
        self.session(lifecycle.write_and_wait)

    def recovery_kill(self) -> None:
        """Open what a killed writer left behind; the engine's code was loaded before."""
        killed = self.job
        self.job = msgspec.structs.replace(killed, folder=f"{killed.folder}-warm")
        self.session(lifecycle.nothing)
        self.job = killed
        tape = Tape(order=self.data.permutation(lifecycle.ORDER))
        self.session(lifecycle.first_answer, tape, opening=True)

    def space(self) -> None:
        """Bytes on disk over a life."""
        if not self.engine.traits.durable:
            raise UnsupportedError("memory only")
        self._use_memory(lifecycle.space)

    def load(self) -> None:
        """Make the database that other runs copy, and time its making."""
        self._use_memory(lifecycle.load, Tape(order=self.data.permutation(100)))

    def _use_memory(self, body: Body, tape: Tape | None = None) -> None:
        """Do a step in which the resident memory is judged."""
        self.meter.usage = Usage()
        self.session(body, tape)
        budget = self.engine.traits.budget_bytes
        if budget is not None:
            allowed = MEMORY_SHARE * budget / MIB + MEMORY_ABOVE_MIB
            self.meter.figures["rss_allowed_mib"] = allowed


def copy(base: str, folder: str) -> None:
    """Copy a prepared database, holes and all."""
    command = ["cp", "-a", "--sparse=always", base, folder]
    subprocess.run(command, check=True)


def run(job: Job, profiler: Profile | None = None) -> Record:
    """Do one job, and say what became of it; the timed sections under a profiler, if any."""
    record = blank(job)
    record.calibration_us = calibrate()
    record.load = os.getloadavg()[0]
    try:
        runner = Runner(job)
        runner.meter.profiler = profiler
        if job.workload in WORKLOADS:
            runner.workload(WORKLOADS[job.workload])
        else:
            getattr(runner, job.workload)()
    except UnsupportedError as error:
        record.status, record.why = "left out", str(error)
        return record
    except ImportError as error:
        record.status, record.why = "missing", str(error)
        return record
    except Exception:  # noqa: BLE001, any failure of an engine is a line of the report
        record.status, record.why = "error", traceback.format_exc()[-2000:]
        return record
    return filled(record, runner.meter)


def filled(record: Record, meter: Meter) -> Record:
    """Put what the meter knows into the record."""
    count = meter.operations or 1
    record.us_per_op = meter.ns / 1e3 / count
    record.cpu_us_per_op = meter.cpu_ns / 1e3 / count
    record.operations = meter.operations
    record.truncated = meter.truncated
    record.checked, record.wrong = meter.checked, meter.wrong
    record.example = meter.example
    record.figures = meter.figures
    return record


def main() -> None:
    """Run the job named on the command line."""
    job = msgspec.json.decode(sys.argv[1], type=Job)
    Path(job.folder).parent.mkdir(parents=True, exist_ok=True)
    print(RESULT + msgspec.json.encode(run(job)).decode(), flush=True)
    os._exit(0)  # some engines' destructors misbehave when the interpreter ends


if __name__ == "__main__":
    main()
