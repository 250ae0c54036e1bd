"""Which script a command is about: drawn from a seed, read from a file, or of a planted bug."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import attrs

from sim.commands.output import UsageError, check_name
from sim.draw import draw
from sim.planted import PLANTED, Planted, named, search
from sim.record import Recorder
from sim.script import Script, parse
from sim.shrink import Search, Shrunk, shrink
from sim.shrink.planted import shrink_planted, shrink_with
from sim.world import RunResult, run


@attrs.frozen(kw_only=True)
class Source:
    """A script, how it was asked for, and the bug that is planted while it runs."""

    script: Script
    words: str
    bug: Planted | None = None
    is_chosen: bool = True

    def play(self, script: Script, recorder: Recorder | None = None) -> RunResult:
        """Run a script as this one is run."""
        with self.planted():
            return run(script, recorder)

    def shrink(self, seconds: float, on_run: Callable[[Search], None]) -> Shrunk:
        """Shrink the script; if it was only searched for, that of another seed if it is smaller."""
        if self.bug is None:
            return shrink(self.script, seconds=seconds, on_run=on_run)
        if self.is_chosen:
            return shrink_with(self.bug, self.script, seconds, on_run)
        shrunk = shrink_planted(self.bug, seconds, on_run)
        assert shrunk is not None, "this seed was found the same way"
        return shrunk

    @contextmanager
    def planted(self) -> Iterator[None]:
        """Have the bug in the code, if there is one."""
        with nullcontext() if self.bug is None else self.bug.plant():
            yield


def choose_source(seed: int | None, script: Path | None, planted: str | None) -> Source:
    """Find the script that a command names, and the bug that goes with it."""
    if seed is not None and script is not None:
        raise UsageError("Name a seed or a file with --script, not both.")
    if script is not None:
        words = f"--script {script}"
        if planted is None:
            return Source(script=_read(script), words=words)
        bug, words = bug_named(planted), f"{words} --planted {planted}"
        return Source(script=_read(script), words=words, bug=bug)
    if planted is not None:
        return _planted(planted, seed)
    if seed is None:
        raise UsageError(
            "Name a seed, or a file with --script, or a bug with --planted."
        )
    return Source(script=draw(seed), words=str(seed))


def bug_named(name: str) -> Planted:
    """Return the planted bug of this name, or say which there are."""
    check_name("planted bug", name, [bug.name for bug in PLANTED])
    return named(name)


def _planted(name: str, seed: int | None) -> Source:
    bug, is_chosen = bug_named(name), seed is not None
    if seed is None:
        found = search(bug, 0)
        if found is None:
            raise UsageError(f"No seed shows the bug {name!r}.")
        seed = found.seed
    words = f"{seed} --planted {name}"
    return Source(script=bug.draw(seed), words=words, bug=bug, is_chosen=is_chosen)


def _read(path: Path) -> Script:
    text = path.read_text(encoding="utf-8")
    try:
        return parse(text)
    except (SyntaxError, NameError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} holds no script: {error}.") from error
