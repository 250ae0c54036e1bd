"""The commands of the simulator: `python -m sim` and `tempest sim`.

Nothing but the standard library is imported before a command runs, so worker processes, which
begin with the same main module, start fast, and a machine without the extra `cli` (cyclopts and
rich) gets a sentence.

Exit status: 0 all is well; 1 something failed; 2 wrong usage; 130 interrupted.
"""

import sys
from collections.abc import Sequence

EXTRA = {"cyclopts", "rich"}

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    try:
        from sim.commands.app import run  # noqa: PLC0415 - it needs the extra
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRA:
            raise
        print(
            f"The command line needs {package!r}, which is not installed. "
            "Install it with: pip install 'tempestdb[cli]'",
            file=sys.stderr,
        )
        return 2
    return run(sys.argv[1:] if arguments is None else list(arguments))
