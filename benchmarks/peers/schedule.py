"""Run every engine on every workload, again and again: repetitions outermost, engines innermost.

So whatever the machine does meanwhile is spread over all engines. After the first repetition a
peer that took several times as long as the best one is not asked again for that workload: it
cannot become the best, and its time is better spent on those that can.
"""

import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from threading import Timer
from time import strftime

import attrs
import msgspec

from benchmarks.peers.child import RESULT
from benchmarks.peers.engines import PEERS, REFERENCE, THREADED
from benchmarks.peers.records import Job, Record, blank
from benchmarks.peers.workloads import WORKLOADS

ROOT = Path(__file__).parents[2]
CHILD = (sys.executable, "-m", "benchmarks.peers.child")
HOPELESS = 2.5  # a peer at so many times the best one's time is measured once


@attrs.frozen(kw_only=True)
class Settings:
    """How much is run, and where.

    Attributes:
        n: entries in a database.
        repetitions: of the whole plan.
        seconds_max: of a timed section, which is cut short then.
        timeout_seconds: of a process.
        folder: where databases are made; removed at the end.
        keep_asking: measure hopeless peers in every repetition too.
        time_loads: the prepared databases are loaded put by put, and that is a record too.
    """

    n: int = 200_000
    repetitions: int = 5
    seconds_max: float = 10.0
    timeout_seconds: float = 600.0
    folder: Path
    keep_asking: bool = False
    time_loads: bool = False


def base_name(engine: str) -> str:
    """Engines that differ only in how they are used share a prepared database."""
    engine = engine.removeprefix(THREADED)
    return "tempest" if engine.startswith("tempest") else engine


@attrs.define
class Schedule:
    """The runs of one call: a plan of engines for each workload, some judged by time alone.

    `tell` hears of each record as it is made.
    """

    settings: Settings
    plan: dict[str, tuple[str, ...]]
    by_time: set[str]
    tell: Callable[[Record], None]
    records: list[Record] = attrs.field(factory=list)
    _bases: dict[str, Record] = attrs.field(factory=dict)
    _left: set[tuple[str, str]] = attrs.field(factory=set)

    def run(self) -> None:
        """Run it all; the databases that were prepared are removed at the end."""
        try:
            for repetition in range(self.settings.repetitions):
                for workload, engines in self.plan.items():
                    for engine in engines:
                        if (engine, workload) not in self._left:
                            self._note(self._measure(engine, workload, repetition))
                    self._leave_hopeless(workload)
        finally:
            shutil.rmtree(self.settings.folder, ignore_errors=True)

    def _note(self, record: Record) -> None:
        record.when = strftime("%H:%M:%S")
        if not record.is_good:
            self._left.add((record.engine, record.workload))
        self.records.append(record)
        self.tell(record)

    def _measure(self, engine: str, workload: str, repetition: int) -> Record:
        job = self._job(engine, workload, repetition)
        prepared = workload in WORKLOADS and WORKLOADS[workload].prepared
        if prepared and engine != REFERENCE:
            base = self._prepare(engine)
            if not base.is_good:
                failed = blank(job)
                failed.status, failed.why = base.status, base.why
                return failed
        try:
            if workload == "recovery_kill":
                kill_writer(job, self.settings.timeout_seconds)
            return self._child(job)
        finally:
            for left in Path(job.folder).parent.glob(f"{Path(job.folder).name}*"):
                shutil.rmtree(left, ignore_errors=True)

    def _job(self, engine: str, workload: str, repetition: int) -> Job:
        settings = self.settings
        return Job(
            engine=engine,
            workload=workload,
            n=settings.n,
            repetition=repetition,
            folder=str(settings.folder / f"run-{engine}-{workload}"),
            base=str(settings.folder / f"base-{base_name(engine)}"),
            seconds_max=settings.seconds_max,
        )

    def _prepare(self, engine: str) -> Record:
        """Load the database that runs copy, once; return the record of that."""
        name = base_name(engine)
        if name not in self._bases:
            job = self._job(name, "load" if self.settings.time_loads else "base", 0)
            job = msgspec.structs.replace(job, folder=job.base)
            self._bases[name] = self._child(job)
            if self.settings.time_loads:
                self._note(self._bases[name])
        return self._bases[name]

    def _child(self, job: Job) -> Record:
        """Run one job in a process of its own."""
        failed = blank(job)
        seconds = self.settings.timeout_seconds
        try:
            ended = subprocess.run(
                (*CHILD, msgspec.json.encode(job).decode()),
                capture_output=True,
                text=True,
                cwd=ROOT,
                timeout=seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            failed.status, failed.why = "timeout", f"over {seconds:.0f} s"
            return failed
        for line in reversed(ended.stdout.splitlines()):
            if line.startswith(RESULT):
                return msgspec.json.decode(line.removeprefix(RESULT), type=Record)
        failed.status = f"exit {ended.returncode}"
        failed.why = ended.stderr.strip()[-2000:]
        return failed

    def _leave_hopeless(self, workload: str) -> None:
        """Ask no peer again that can no longer be the best at this workload.

        It must be far behind in time and in processor time: one bad moment of the machine,
        which only the first of them sees, does not put a peer out.
        """
        if self.settings.keep_asking or workload not in self.by_time:
            return
        last = {
            record.engine: (record.us_per_op, record.cpu_us_per_op)
            for record in self.records
            if record.workload == workload and record.is_good
        }
        asked = [peer for peer in PEERS if peer in last]
        best = [min((last[peer][at] for peer in asked), default=0.0) for at in (0, 1)]
        for peer in asked:
            times = zip(last[peer], best, strict=True)
            if all(time > HOPELESS * least for time, least in times):
                self._left.add((peer, workload))
        self._left.add((REFERENCE, workload))


def kill_writer(job: Job, timeout_seconds: float) -> None:
    """Let a child write everything into the job's folder, and kill it there."""
    job = msgspec.structs.replace(job, workload="recovery_writer")
    with subprocess.Popen(
        (*CHILD, msgspec.json.encode(job).decode()),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
    ) as process:
        limit = Timer(timeout_seconds, process.kill)
        limit.start()
        for line in process.stdout or ():
            if line.startswith("READY"):
                break
        limit.cancel()
        process.send_signal(signal.SIGKILL)
