"""Which commands there are, and what their ends mean to the shell.

Invariants
- Results go to stdout, everything else to stderr.
- A `TempestError` is one sentence and exit status 2, never a traceback.
- A reader that hangs up (`tempest scan ... | head`) is no error.
"""

import os
import sys
from importlib.metadata import PackageNotFoundError, entry_points, version

import cyclopts

import tempest
from tempest.cli.backup import backup, restore
from tempest.cli.checkpoint import checkpoint
from tempest.cli.data import delete, get, put, scan
from tempest.cli.demo import demo
from tempest.cli.inspect import inspect, stats, verify
from tempest.cli.load import load
from tempest.cli.output import UsageError, complain

COMMANDS = (
    *(demo, get, put, delete, scan, load, stats, inspect, verify),
    *(checkpoint, backup, restore),
)
GROUP = "tempest.commands"
INTERRUPTED = 130


def run(arguments: list[str]) -> int:
    """Run one command; map every way it can end to an exit status."""
    try:
        app = make_app(is_listed=not arguments or arguments[0].startswith("-"))
        status = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except cyclopts.CycloptsError as error:
        others = entry_points(group=GROUP).names  # they have lists of their own
        command = f"{arguments[0]} " if arguments and arguments[0] in others else ""
        return complain(f"{error} Try: tempest {command}--help")
    except (tempest.TempestError, UsageError) as error:
        return complain(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it ends; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # of the command's own files: a store raises TempestError
        return complain(f"{error}.")
    return status if isinstance(status, int) else 0


def make_app(*, is_listed: bool = False) -> cyclopts.App:
    """Gather the commands; those of other packages are imported when called, or to be listed."""
    app = cyclopts.App(
        name="tempest",
        help="An embedded key-value store for trio that you can crash on purpose.",
        version=installed_version,
        default_parameter=cyclopts.Parameter(negative=""),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for command in COMMANDS:
        app.command(command)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        if entry.name not in app:
            there = entry.load() if is_listed else entry.value
            app.command(there, name=entry.name)
    return app


def installed_version() -> str:
    """Ask the installed metadata, where pyproject's version ends up."""
    try:
        return version("tempestdb")
    except PackageNotFoundError:
        return "not installed"
