"""The console script `tempest`: a store from the command line.

`main` imports nothing but the standard library before it knows that the extra `cli`
(cyclopts and rich) is there, so `import tempest` never needs it, and a machine without
it gets a sentence instead of a traceback.

Exit status: 0 done; 1 not found, or what was checked is not whole; 2 wrong usage, or the
store could not do it (one sentence on stderr); 130 interrupted.

Other packages add sub-commands through the entry-point group `tempest.commands`: each
entry names a function with annotated parameters that returns the exit status.
"""

import sys
from collections.abc import Sequence

EXTRA = {"cyclopts", "rich"}

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit status."""
    try:
        from tempest.cli.app import run
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
