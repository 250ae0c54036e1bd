"""What happens when the data grows: 0.1, 1 and 10 million entries, Tempest beside its peers.

    python -m benchmarks.peers.scale --millions 0.1 1 10

Everybody has 64 MiB of cache (LMDB: the page cache) and a memtable for about as many entries: 16
MiB, and 32 for Tempest, which counts what Python's objects take. The bar is RocksDB; growth from
the last size but one to the last is compared with the peer that grows least.
"""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

import msgspec

from benchmarks.peers import machine
from benchmarks.peers.__main__ import RESULTS, durability, tell
from benchmarks.peers.picture import picture
from benchmarks.peers.ratios import measured, samples, short, table, troubles
from benchmarks.peers.records import Document, Record
from benchmarks.peers.rows import MICROSECONDS, Row
from benchmarks.peers.schedule import Schedule, Settings

BAR = "rocksdict_tuned"
ENGINES = ("tempest", BAR, "plyvel_tuned", "lmdb")
TIMED = ("load", "readrandom", "readseq", *(f"ycsb_{letter}" for letter in "abcdef"))
WORKLOADS = (*TIMED[1:], "put_latency")
TIMEOUT_SECONDS = 7200.0


def rows_of(section: str) -> list[Row]:
    """Return the rows of one size."""
    return [
        *(
            Row(section=section, name=name, workload=name, peers=(BAR,), target=1.0)
            for name in TIMED
        ),
        Row(
            section=section,
            name="put p99.9, LevelDB",
            workload="put_latency",
            peers=("plyvel_tuned",),
            target=1.0,
            figure="put_p99.9_us",
        ),
        Row(
            section=section,
            name="put p99.9, RocksDB",
            workload="put_latency",
            peers=(BAR,),
            figure="put_p99.9_us",
        ),
        Row(
            section=section,
            name="resident, 1.3 budgets + 60 MiB",
            workload="load",
            peers=("tempest",),
            target=1.0,
            figure="rss_peak_mib",
            bar="rss_allowed_mib",
            unit="MiB",
        ),
    ]


def medians(records: Sequence[Record], engine: str) -> dict[str, float]:
    """Return an engine's time for each workload that it did."""
    found = {name: samples(records, engine, name, MICROSECONDS) for name in TIMED}
    return {name: median(times.values()) for name, times in found.items() if times}


def growth(
    small: Sequence[Record], large: Sequence[Record], engines: Sequence[str]
) -> list[str]:
    """Return a line for each workload: how many times as long at the larger size."""
    lines = ["", f"growth{'':12}" + "".join(f"{engine:>18}" for engine in engines)]
    before = {engine: medians(small, engine) for engine in engines}
    after = {engine: medians(large, engine) for engine in engines}
    for name in TIMED:
        times = {
            engine: after[engine][name] / before[engine][name]
            for engine in engines
            if name in before[engine] and name in after[engine]
        }
        if not times:
            continue
        cells = "".join(
            f"{short(times[engine]) if engine in times else '-':>18}"
            for engine in engines
        )
        peers = [grown for engine, grown in times.items() if engine != "tempest"]
        verdict = ""
        if peers and "tempest" in times:
            verdict = "no worse" if times["tempest"] <= min(peers) else "worse"
        lines.append(f"  {name:16}{cells}  {verdict}")
    return lines


def show(document: Document, engines: Sequence[str], svg: Path) -> None:
    """Print a table for each size, then the growth, and draw the picture."""
    sizes = sorted({record.n for record in document.records})
    of_size = {
        n: [record for record in document.records if record.n == n] for n in sizes
    }
    ratios = [
        ratio
        for n in sizes
        for row in rows_of(f"{n:,} entries")
        if (ratio := measured(of_size[n], row)) is not None
    ]
    print(table(ratios))
    svg.write_text(picture(ratios, "Tempest against RocksDB as the data grows"))
    if len(sizes) > 1:
        lines = growth(of_size[sizes[-2]], of_size[sizes[-1]], engines)
        print("\n".join(lines))
    for line in troubles(document.records):
        print("TROUBLE", line)
    print(f"picture: {svg}")


def main(words: list[str]) -> None:
    """Run each size in turn."""
    parser = argparse.ArgumentParser(prog="scale", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--millions", type=float, nargs="+", default=[0.1, 1.0, 10.0])
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--workloads", default=",".join(WORKLOADS))
    parser.add_argument("--reps", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--json", type=Path, default=RESULTS / "scale.json")
    parser.add_argument("--folder", type=Path, default=RESULTS)
    asked = parser.parse_args(words)
    engines = tuple(asked.engines.split(","))
    plan = dict.fromkeys(asked.workloads.split(","), engines)
    document = Document(
        machine=machine.machine(),
        versions=machine.versions(),
        settings={"millions": str(asked.millions), "repetitions": str(asked.reps)},
        durability=durability(plan),
        records=[],
    )
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    for millions in asked.millions:
        settings = Settings(
            n=int(millions * 1e6),
            repetitions=asked.reps,
            seconds_max=asked.seconds,
            timeout_seconds=TIMEOUT_SECONDS,
            folder=asked.folder / f"data-{os.getpid()}",
            time_loads=True,
        )
        schedule = Schedule(settings, plan, set(), tell, document.records)
        schedule.run()
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(document)))
    show(document, engines, asked.json.with_suffix(".svg"))


if __name__ == "__main__":
    main(sys.argv[1:])
