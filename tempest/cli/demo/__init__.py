"""`tempest demo`: load a real tree, kill the loader again and again, check every write."""

import shutil
import tempfile
from pathlib import Path

import trio

from io_backends import FileIo
from tempest.cli.demo.plan import make_plan
from tempest.cli.demo.story import Story
from tempest.cli.demo.trial import Trial, run_trial
from tempest.cli.output import UsageError, print_json, record_fields

__all__ = ["demo"]

KILLS_MIN = 1
LOST = 1
SEED_BYTES = 4


def demo(
    *,
    tree: str | None = None,
    kills: int = 6,
    seed: int | None = None,
    keep: bool = False,
    json: bool = False,
) -> int:
    """Load a real tree, kill the loader with SIGKILL, reopen, check every write.

    A child process loads the tree and notes each acknowledgement outside the store. It
    is killed at random moments; each time the store is reopened and compared with the
    notes: what was acknowledged must be there, byte for byte, and nothing else. Then the
    load is finished and the store is shown. Exit status 1 if anything is missing or wrong.

    Args:
        tree: Folder to load; else the *.py files of Python's standard library. At most
            64 MiB are taken.
        kills: How many times the loader is killed.
        seed: Decides after how many writes each kill comes; chosen and shown if absent.
        keep: Keep the store; else nothing is left behind.
        json: Print one JSON document with what was found.
    """
    if kills < KILLS_MIN:
        raise UsageError(f"--kills is {kills} and must be at least {KILLS_MIN}.")
    plan = make_plan(tree)
    chosen = int.from_bytes(FileIo().token()[:SEED_BYTES]) if seed is None else seed
    folder = Path(tempfile.mkdtemp(prefix="tempest-demo-"))
    try:
        with Story(quiet=json) as story:
            outcome = trio.run(run_trial, Trial(folder, plan, kills, chosen), story)
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if keep:
        story.kept(folder)
    if json:
        print_json({"sound": outcome.sound, **record_fields(outcome)})
    return 0 if outcome.sound else LOST
