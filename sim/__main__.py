"""`python -m sim`: run seeds, and run one of them again.

    run      --seed N | --seeds A:B [--jobs J] [--json] [--until-failure] [--seconds S]
    replay   SEED | --script FILE [--json]

Results go to stdout, progress to stderr; the exit status is 0 only if all is well.
"""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from itertools import count

import attrs

from sim.draw import draw
from sim.marks import SITUATIONS, never_seen
from sim.runner import Timed, canary, run_seed, sweep
from sim.script import parse
from sim.stopwatch import Stopwatch
from sim.world import run

PROGRESS_SECONDS = 1.0


def main(arguments: Sequence[str] | None = None) -> int:
    """Obey the command line; return the exit status."""
    chosen = _parser().parse_args(arguments)
    return 0 if chosen.command(chosen) else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="sim", description="Run the real engine in worlds chosen by seeds."
    )
    commands = parser.add_subparsers(required=True)
    runs = commands.add_parser("run", help="run one seed or many")
    which = runs.add_mutually_exclusive_group(required=True)
    which.add_argument("--seed", type=int, help="run this seed")
    which.add_argument("--seeds", type=_range, metavar="A:B", help="A to B, without B")
    runs.add_argument("--jobs", type=int, default=1, help="processes to run in")
    runs.add_argument("--json", action="store_true", help="one object a seed")
    runs.add_argument(
        "--until-failure", action="store_true", help="stop at the first failure"
    )
    runs.add_argument("--seconds", type=float, help="stop after this time")
    runs.set_defaults(command=_run)
    replay = commands.add_parser("replay", help="run a seed or script again, twice")
    replay.add_argument("seed", type=int, nargs="?", default=0)
    replay.add_argument("--script", help="a file that holds the repr of a Script")
    replay.add_argument("--json", action="store_true", help="print an object")
    replay.set_defaults(command=_replay)
    return parser


def _range(text: str) -> Iterable[int]:
    """Return the seeds of `A:B`; without B, all from A on."""
    first, _, last = text.partition(":")
    try:
        return range(int(first), int(last)) if last else count(int(first))
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is not A:B") from error


def _run(chosen: argparse.Namespace) -> bool:
    if chosen.seed is not None:
        timed = run_seed(chosen.seed)
        _print(timed, as_json=chosen.json)
        return timed.result.verdict == "ok"
    found = canary()
    if found is None:
        print("the canary lives: this sweep would find nothing", file=sys.stderr)
        return False
    print(f"canary: {found.verdict} at seed {found.seed}", file=sys.stderr)
    return _sweep(chosen)


def _sweep(chosen: argparse.Namespace) -> bool:
    watch, last = Stopwatch(), 0.0
    done = failed = operations = 0
    situations: list[tuple[str, ...]] = []
    for timed in sweep(chosen.seeds, chosen.jobs):
        is_well = timed.result.verdict == "ok"
        done += 1
        failed += not is_well
        operations += timed.result.io_calls
        situations = [tuple(sorted({*timed.result.situations, *sum(situations, ())}))]
        if chosen.json or not is_well:
            _print(timed, as_json=chosen.json)
        if watch.seconds - last > PROGRESS_SECONDS:
            last = watch.seconds
            _progress(done, failed, last, end="\r")
        if (failed and chosen.until_failure) or _is_over(chosen, watch):
            break
    _progress(done, failed, watch.seconds, end="\n")
    never = never_seen(situations)
    print(
        f"situations: {len(SITUATIONS) - len(never)} of {len(SITUATIONS)}; never: "
        f"{', '.join(never) or 'none'}",
        file=sys.stderr,
    )
    return not failed


def _is_over(chosen: argparse.Namespace, watch: Stopwatch) -> bool:
    return chosen.seconds is not None and watch.seconds > chosen.seconds


def _progress(done: int, failed: int, seconds: float, *, end: str) -> None:
    rate = done / seconds if seconds else 0.0
    text = f"{done} seeds, {failed} failed, {rate:.1f} a second, {seconds:.0f} s"
    print(text, end=end, file=sys.stderr, flush=True)


def _print(timed: Timed, *, as_json: bool) -> None:
    result = timed.result
    if as_json:
        print(json.dumps(timed.as_json()), flush=True)
    else:
        print(f"seed {result.seed}: {result.verdict} {result.digest}", flush=True)
    if result.verdict != "ok":
        print(f"  {result.detail}", file=sys.stderr)
        print(f"  again: python -m sim run --seed {result.seed}", file=sys.stderr)


def _replay(chosen: argparse.Namespace) -> bool:
    script = draw(chosen.seed)
    if chosen.script is not None:
        with open(chosen.script, encoding="utf-8") as file:  # noqa: PTH123 - no paths
            script = parse(file.read())
    watch = Stopwatch()
    first = run(script)
    seconds = watch.seconds
    second = run(attrs.evolve(script, schedule=first.schedule, is_schedule_drawn=False))
    _print(Timed(first, seconds), as_json=chosen.json)
    if first.digest != second.digest:
        print("the recorded schedule gives another digest", file=sys.stderr)
        return False
    return first.verdict == "ok"


if __name__ == "__main__":
    sys.exit(main())
