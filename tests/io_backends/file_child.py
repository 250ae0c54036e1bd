"""Run a script in a fresh interpreter, for what one process cannot show of itself."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import dedent

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 60


def child_command(script: str, *arguments: str) -> list[str]:
    """Return the command that runs `script`; its `sys.argv[1:]` are `arguments`."""
    return [sys.executable, "-c", dedent(script), *arguments]


def run_child(script: str, *arguments: str, prefix: Sequence[str] = ()) -> str:
    """Run `script` to its end and return what it printed; it must exit with 0."""
    ran = subprocess.run(
        [*prefix, *child_command(script, *arguments)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=SECONDS_MAX,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    return ran.stdout
