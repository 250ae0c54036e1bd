"""Which commands there are, and what their ends mean to the shell.

`app` is also what `tempest sim` is, through the entry-point group `tempest.commands`.

Invariants
- Results go to stdout, everything else to stderr.
- What the caller got wrong is a sentence, never a traceback.
- A reader that hangs up (`replay --log 7 | head`) is no error.
"""

import os
import sys

import cyclopts

INTERRUPTED = 130
COMMANDS = (
    ("run", "run", "Run seeds: the real engine, each seed a world of its own."),
    ("replay", "single", "Run a seed or script again, also row by row."),
    ("shrink", "single", "Make a failing script small, and print it as a test."),
    ("report", "single", "Write what happens in a run as one HTML page."),
    ("explore", "explore", "Do everything that can happen to small programs."),
    ("planted", "planted", "Plant bugs in the engine, and see each one found."),
    ("corpus", "corpus", "Run published bugs of other engines, and Tempest."),
    ("soak", "soak", "Run fresh seeds for hours; keep and shrink what fails."),
)


def make_app() -> cyclopts.App:
    """Gather the commands; each is imported when it is called."""
    gathered = cyclopts.App(
        name="sim",
        help="Run the real engine in worlds chosen by seeds: schedules, faults, power cuts.",
        version_flags=[],
        default_parameter=cyclopts.Parameter(negative=""),
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, module, sentence in COMMANDS:
        gathered.command(f"sim.commands.{module}:{name}", name=name, help=sentence)
    return gathered


app = make_app()


def run(arguments: list[str]) -> int:
    """Run one command; map every way it can end to an exit status."""
    try:
        status = app(arguments, exit_on_error=False, print_error=False)
        sys.stdout.flush()
    except cyclopts.CycloptsError as error:
        print(f"{error} Try: python -m sim --help", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The interpreter flushes stdout once more when it ends; give it somewhere to go.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:  # of the command's own files: an Io raises its own
        print(f"{error}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return INTERRUPTED
    return status if isinstance(status, int) else 0
