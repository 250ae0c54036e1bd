"""Where the time of one workload goes: `python -m benchmarks.peers.profiling WORKLOAD`.

The workload runs under cProfile in this process, as Tempest is used by `--engine`. Printed are the
functions with the most time of their own; the file written beside the results is what `pstats`,
snakeviz and flameprof read. A profile makes calls look dearer than they are: find places with it,
and decide with `make bench`.
"""

import argparse
import cProfile
import pstats
import shutil
import sys
import tempfile
from pathlib import Path

import msgspec

from benchmarks.peers.__main__ import RESULTS
from benchmarks.peers.child import Runner, run
from benchmarks.peers.records import Job
from benchmarks.peers.schedule import kill_writer
from benchmarks.peers.workloads import NAMES, WORKLOADS

TIMEOUT_SECONDS = 600.0


def main(words: list[str]) -> None:
    """Profile one workload and print the top of the list."""
    parser = argparse.ArgumentParser(prog="profiling", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("workload", choices=NAMES)
    parser.add_argument("--engine", default="tempest")
    parser.add_argument("--n", type=int, default=200_000)
    parser.add_argument("--top", type=int, default=30)
    parser.add_argument("--sort", default="tottime", help="or cumtime, ncalls")
    asked = parser.parse_args(words)
    RESULTS.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="profile-", dir=RESULTS))
    job = Job(
        engine=asked.engine,
        workload=asked.workload,
        n=asked.n,
        repetition=0,
        folder=str(scratch / "run"),
        base=str(scratch / "base"),
        seconds_max=600.0,
    )
    written = RESULTS / f"{asked.engine}-{asked.workload}.prof"
    try:
        profile(job, written)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    shown = pstats.Stats(str(written)).sort_stats(asked.sort)
    shown.print_stats(asked.top)
    print(f"written: {written} (python -m pstats, snakeviz or flameprof read it)")


def profile(job: Job, written: Path) -> None:
    """Run one job with only its body under the profiler."""
    if job.workload in WORKLOADS and WORKLOADS[job.workload].prepared:
        Runner(msgspec.structs.replace(job, folder=job.base)).base()
    elif job.workload == "recovery_kill":
        kill_writer(job, TIMEOUT_SECONDS)
    profiler = cProfile.Profile()
    record = run(job, profiler)
    profiler.dump_stats(written)
    print(f"{record.status} {record.us_per_op:.2f} us an operation while profiled")
    if record.why:
        print(record.why)


if __name__ == "__main__":
    main(sys.argv[1:])
