"""Measure, print the table of ratios, and write JSON and a picture.

    python -m benchmarks.peers                             # everything: make bench
    python -m benchmarks.peers --n 20000 --reps 1          # make bench-quick
    python -m benchmarks.peers --workloads fillrandom,ycsb_a --engines tempest,lmdb --reps 3

docs/benchmarks.md says how to read what it prints.
"""

import argparse
import os
import sys
from pathlib import Path

import msgspec

from benchmarks.peers import engines, machine
from benchmarks.peers.picture import picture
from benchmarks.peers.ratios import engines_table, measured, table, troubles
from benchmarks.peers.records import Document, Record
from benchmarks.peers.rows import ROWS, by_time, plan
from benchmarks.peers.schedule import ROOT, Schedule, Settings
from benchmarks.peers.workloads import NAMES, says

RESULTS = ROOT / "build" / "bench"


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="benchmarks.peers", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--n", type=int, default=200_000, help="entries")
    parser.add_argument("--reps", type=int, default=5, help="repetitions")
    parser.add_argument("--workloads", default="", help="only these, by comma")
    parser.add_argument("--engines", default="", help="only these, by comma")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="of a timed section"
    )
    parser.add_argument("--json", type=Path, default=RESULTS / "ratios.json")
    parser.add_argument("--svg", type=Path, help="default: beside the JSON")
    parser.add_argument("--folder", type=Path, default=RESULTS, help="for databases")
    parser.add_argument("--all", action="store_true", help="repeat hopeless peers too")
    parser.add_argument("--list", action="store_true", help="names, nothing is run")
    parser.add_argument("--show", action="store_true", help="of --json, nothing is run")
    return parser.parse_args(words)


def chosen(workloads: str, names: str) -> dict[str, tuple[str, ...]]:
    """Return the plan, narrowed. Engines that are named run whether a row needs them or not."""
    wanted = plan(ROWS)
    if workloads:
        unknown = set(workloads.split(",")) - set(NAMES)
        if unknown:
            raise SystemExit(f"no such workload: {', '.join(sorted(unknown))}")
        wanted = {name: wanted.get(name, ()) for name in workloads.split(",")}
    if names:
        named = tuple(names.split(","))
        wanted = {
            workload: named if workloads else tuple(e for e in named if e in planned)
            for workload, planned in wanted.items()
        }
    elif wanted:
        wanted = {
            workload: (*planned, engines.REFERENCE)
            if set(engines.PEERS) <= set(planned)
            else planned
            for workload, planned in wanted.items()
        }
    return {workload: planned for workload, planned in wanted.items() if planned}


def tell(record: Record) -> None:
    """Print one line for a run that ended."""
    what = f"{record.us_per_op:12.3f} us"
    if record.status != "ok":
        what = f"{record.status}: {record.why.strip().splitlines()[-1:]}"
    elif record.wrong:
        what += f"  {record.wrong} WRONG ANSWERS: {record.example}"
    elif record.truncated:
        what += "  cut short"
    print(
        f"{record.when} {record.repetition} {record.workload:16} {record.engine:22}{what}",
        file=sys.stderr,
        flush=True,
    )


def durability(plan: dict[str, tuple[str, ...]]) -> dict[str, dict[str, str | None]]:
    """Return, engine by engine, what a write has survived and what was set."""
    names = dict.fromkeys(name for planned in plan.values() for name in planned)
    found: dict[str, dict[str, str | None]] = {}
    for name in names:
        traits = engines.load(name).traits
        found[name] = {
            "kind": traits.kind,
            "without a sync": traits.without_sync,
            "with a sync": traits.with_sync,
            "settings": traits.settings,
        }
    return found


def show(document: Document, svg: Path) -> None:
    """Print the tables and draw the picture."""
    ratios = [
        ratio for row in ROWS if (ratio := measured(document.records, row)) is not None
    ]
    print("durability and settings")
    for name, said in document.durability.items():
        print(f"  {name:22} {said['without a sync']}; {said['with a sync']}")
        print(f"  {'':22} {said['settings']}")
    print("", engines_table(document.records), sep="\n")
    if ratios:
        print("", table(ratios), sep="\n")
        title = (
            f"Tempest against the best peer of each row, n = {document.settings['n']}"
        )
        svg.write_text(picture(ratios, title))
        print(f"picture: {svg}")
    for line in troubles(document.records):
        print("TROUBLE", line)


def main(words: list[str]) -> None:
    """Run what was asked for."""
    asked = arguments(words)
    svg: Path = asked.svg or asked.json.with_suffix(".svg")
    if asked.show:
        show(msgspec.json.decode(asked.json.read_bytes(), type=Document), svg)
        return
    wanted = chosen(asked.workloads, asked.engines)
    if asked.list:
        for workload, planned in wanted.items():
            print(
                f"{workload:16} {says(workload)}",
                f"{'':16} {' '.join(planned)}",
                sep="\n",
            )
        return
    settings = Settings(
        n=asked.n,
        repetitions=asked.reps,
        seconds_max=asked.seconds,
        folder=asked.folder / f"data-{os.getpid()}",
        keep_asking=asked.all,
    )
    asked.json.parent.mkdir(parents=True, exist_ok=True)
    schedule = Schedule(settings, wanted, by_time(ROWS), tell)
    try:
        schedule.run()
    finally:
        document = Document(
            machine=machine.machine(),
            versions=machine.versions(),
            settings={"n": str(asked.n), "repetitions": str(asked.reps)},
            durability=durability(wanted),
            records=schedule.records,
        )
        asked.json.write_bytes(msgspec.json.format(msgspec.json.encode(document)))
    show(document, svg)


if __name__ == "__main__":
    main(sys.argv[1:])
