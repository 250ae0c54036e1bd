"""Which script a command is about: drawn from a seed, read from a file, or of a planted bug."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import attrs

from sim.commands.output import UsageError
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
    has_seed: bool = True

    def play(self, script: Script, recorder: Recorder | None = None) -> RunResult:
        """Run a script as this one is run."""
        with self.planted():
            return run(script, recorder)

    def shrink(self, seconds: float, on_run: Callable[[Search], None]) -> Shrunk:
        """Shrink the script; of a bug without a seed, that of another seed if it is smaller."""
        if self.bug is None:
            return shrink(self.script, seconds=seconds, on_run=on_run)
        if self.has_seed:
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
    """Find the script that a command names in one of three ways."""
    if planted is not None:
        if script is not None:
            raise UsageError("--planted goes with a seed or alone, not with --script.")
        return _planted(planted, seed)
    if (seed is None) == (script is None):
        raise UsageError(
            "Name a seed, or a file with --script, or a bug with --planted."
        )
    if script is not None:
        return Source(script=_read(script), words=f"--script {script}")
    assert seed is not None, "one of the two"
    return Source(script=draw(seed), words=str(seed))


def bug_named(name: str) -> Planted:
    """Return the planted bug of this name, or say which there are."""
    names = [bug.name for bug in PLANTED]
    if name not in names:
        raise UsageError(
            f"There is no planted bug {name!r}; there are: {', '.join(names)}."
        )
    return named(name)


def _planted(name: str, seed: int | None) -> Source:
    bug, has_seed = bug_named(name), seed is not None
    if seed is None:
        found = search(bug, 0)
        if found is None:
            raise UsageError(f"No seed shows the bug {name!r}.")
        seed = found.seed
    words = f"{seed} --planted {name}"
    return Source(script=bug.draw(seed), words=words, bug=bug, has_seed=has_seed)


def _read(path: Path) -> Script:
    text = path.read_text(encoding="utf-8")
    try:
        return parse(text)
    except (SyntaxError, NameError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{path} holds no script: {error}.") from error
