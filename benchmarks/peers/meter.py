"""What one run cost: time, processor, memory and bytes, and whether the answers were right."""

import gc
import resource
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cProfile import Profile

KIB = 1024
MIB = 1024 * KIB
CALIBRATION_STEPS = 20_000


def calibrate() -> float:
    """Return the microseconds of a fixed job in pure Python: the machine's speed just now."""
    times = []
    for _ in range(3):
        started = time.perf_counter_ns()
        squares: dict[int, int] = {}
        for number in range(CALIBRATION_STEPS):
            squares[number * 7919 % 20011] = number
        times.append(time.perf_counter_ns() - started)
    return min(times) / 1e3


def disk_bytes(path: str) -> int:
    """Return the bytes allocated for the files under a path."""
    found = 0
    for file in Path(path).rglob("*"):
        try:
            found += file.lstat().st_blocks * 512
        except FileNotFoundError:  # an engine at work removes files
            continue
    return found


def _proc(name: str) -> dict[str, int]:
    """Return the numbers of one file of /proc/self, nothing where there is none."""
    path = Path("/proc/self", name)
    if not path.exists():
        return {}
    lines = (line.split(":", 1) for line in path.read_text().splitlines())
    return {
        key: int(text.split()[0])
        for key, text in lines
        if text.split() and text.split()[0].isdigit()
    }


class Usage:
    """Memory and bytes written from here on; what the run itself prepared does not count."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        clear = Path("/proc/self/clear_refs")
        if clear.exists():
            clear.write_text("5")  # the peak begins anew
        self._status = _proc("status")
        self._io = _proc("io")

    def memory(self) -> dict[str, float]:
        """Resident memory above what it was, in MiB."""
        status = _proc("status")
        if not status:
            return {}
        before = self._status["VmRSS"]
        return {
            "rss_peak_mib": (status["VmHWM"] - before) / KIB,
            "rss_mib": (status["VmRSS"] - before) / KIB,
        }

    def written(self) -> dict[str, float]:
        """Bytes through write calls, and pages made dirty (this process and ended children)."""
        io = _proc("io")
        return {
            name: float(io[name] - self._io[name])
            for name in ("wchar", "write_bytes")
            if name in io
        }

    def children(self) -> dict[str, float]:
        """Processor time and the largest resident size of worker processes that ended."""
        used = resource.getrusage(resource.RUSAGE_CHILDREN)
        return {
            "workers_cpu_s": used.ru_utime + used.ru_stime,
            "workers_rss_mib": used.ru_maxrss / KIB,
        }


class Meter:
    """Timed sections and checked answers of one run.

    `folder` holds the database; `usage` counts memory and bytes from before it was opened;
    `opening` is when a timed opening began; `profiler` runs during the timed sections.
    """

    def __init__(self, seconds_max: float, folder: str) -> None:
        self.folder = folder
        self.usage: Usage | None = None
        self.opening = 0
        self.profiler: Profile | None = None
        self.ns = 0
        self.cpu_ns = 0
        self.operations = 0
        self.checked = 0
        self.wrong = 0
        self.example = ""
        self.truncated = False
        self.figures: dict[str, float] = {}
        self._ns_max = int(seconds_max * 1e9)
        self._cpu = 0

    def start(self) -> int:
        if self.profiler:
            self.profiler.enable()
        self._cpu = time.process_time_ns()
        return time.perf_counter_ns()

    def stop(self, started: int, operations: int) -> None:
        ended = time.perf_counter_ns()
        if self.profiler:
            self.profiler.disable()
        self.cpu_ns += time.process_time_ns() - self._cpu
        self.ns += ended - started
        self.operations += operations

    def is_over(self, started: int | None = None) -> bool:
        """Say whether the time is up; `started` is that of a section still open."""
        spent = self.ns
        if started is not None:
            spent += time.perf_counter_ns() - started
        self.truncated = self.truncated or spent > self._ns_max
        return self.truncated

    def check(self, got: object, wanted: object) -> None:
        self.checked += 1
        if got != wanted:
            self.wrong += 1
            self.example = self.example or f"got {got!r:.120}, not {wanted!r:.120}"

    def check_all(self, got: Sequence[object], wanted: Sequence[object]) -> None:
        if len(got) != len(wanted):
            self.check(len(got), len(wanted))
        elif got == wanted:
            self.checked += len(wanted)
        else:
            for one, other in zip(got, wanted, strict=True):
                self.check(one, other)

    def percentiles(self, name: str, sample_ns: Sequence[int]) -> None:
        """Record the shares of a sample that matter, in microseconds."""
        ordered = sorted(sample_ns)
        last = len(ordered) - 1
        for label, share in (
            *(("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)),
            *(("p99.99", 0.9999), ("max", 1.0)),
        ):
            self.figures[f"{name}_{label}_us"] = ordered[int(last * share)] / 1e3
