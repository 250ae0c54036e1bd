"""`soak`: fresh seeds for hours, and everything that failed in a folder."""

import os
import signal
from pathlib import Path

from sim.commands.output import UsageError, check_jobs, print_json, say
from sim.commands.run import is_canary_found
from sim.soak import Soak, Tally, reload


def soak(
    *,
    hours: float = 8.0,
    seconds: float | None = None,
    folder: Path = Path("sim-soak"),
    jobs: int | None = None,
    load: Path | None = None,
    json: bool = False,
) -> int:
    """Run fresh seeds unattended; keep, shrink and report every one that fails.

    One seed in twenty is run twice, to compare digests. A seed that does not end is kept, too.
    The next soak in a folder goes on where the last one ended.

    Args:
        hours: How long.
        seconds: How long, in place of --hours.
        folder: Folder that takes what failed, and the summary.
        jobs: Processes to run in; one for each processor if left out.
        load: Folder of another soak: run everything again that it kept.
        json: Print the summary as an object.
    """
    cores = (os.cpu_count() or 1) if jobs is None else jobs
    check_jobs(cores)
    if load is not None:
        return _reload(load, cores)
    length = hours * 3600 if seconds is None else seconds
    if length <= 0:
        raise UsageError("A soak needs some time: --hours or --seconds above 0.")
    if not is_canary_found():
        return 1
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    going = Soak(folder=folder, jobs=cores, seconds=length, say=say)
    try:
        tally = going.run()
    except KeyboardInterrupt:
        say("interrupted")
        tally = going.tally
    summary = going.summary()
    if json:
        print_json(summary)
    else:
        _print_summary(summary, tally)
    return int(bool(tally.failures))


def _reload(folder: Path, jobs: int) -> int:
    """Run everything in a folder again; a folder that kept nothing is well."""
    if not folder.is_dir():
        raise UsageError(f"{folder} is no folder of a soak.")
    failed = count = 0
    for again in reload(folder, jobs):
        count += 1
        failed += again.verdict != "ok"
        print(f"{again.path}: {again.verdict}", flush=True)
        if again.verdict != "ok":
            say(f"  {again.detail}")
            say(f"  again: python -m sim replay --script {again.path}")
    say(f"{count} scripts, {failed} failed")
    return int(failed > 0)


def _print_summary(summary: dict[str, object], tally: Tally) -> None:
    for name, value in summary.items():
        if isinstance(value, list):
            print(f"{name}: {', '.join(map(str, value)) or 'none'}")
        elif not isinstance(value, dict):
            print(f"{name}: {value}")
    for seed, verdict in tally.failures.items():
        print(f"seed {seed}: {verdict}")
    print("faults, how often and where:")
    for line in tally.faults.lines():
        print(f"    {line}")
