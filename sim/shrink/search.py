"""The smallest script so far, and what it takes for another one to take its place.

Invariants
- No script is run twice.
- The best script always fails with the verdict of the first.
"""

from collections.abc import Callable, Iterable

import tempest
from sim.script import Script, make_options
from sim.shrink.aspect import Aspect
from sim.shrink.wobble import has_chances, wobble
from sim.stopwatch import Stopwatch


class OutOfTimeError(Exception):
    """The search has to end with what it has."""


class Search:
    """Tries scripts until it is out of time."""

    def __init__(
        self,
        script: Script,
        is_failing: Callable[[Script], bool],
        seconds: float,
        on_run: Callable[["Search"], None],
    ) -> None:
        self.best = script
        self.runs = 0
        self.wobbles = 0  # how many other draws of chance a step is given
        self._is_failing = is_failing
        self._on_run = on_run
        self._watch = Stopwatch()
        self._seconds = seconds
        self._tried = {script}

    @property
    def seconds(self) -> float:
        return self._watch.seconds

    def attempt(self, script: Script) -> bool:
        """Make this script the best one if it fails as well, perhaps with other chances."""
        if script in self._tried:
            return False
        if self._fails(script):
            return True
        if not self.wobbles or not has_chances(script):
            return False
        return any(self._fails(wobble(script, n)) for n in range(self.wobbles))

    def attempt_each(self, scripts: Iterable[Script]) -> bool:
        """Try scripts until one takes."""
        return any(map(self.attempt, scripts))

    def take_back(self, aspect: Aspect, parts_max: int | None = None) -> bool:
        """Take decisions back: all, then halves, quarters, down to single ones; the last first.

        With `parts_max` the list is cut into no more parts than that.
        """
        count = size = aspect.count(self.best)
        smallest = 1 if parts_max is None else max(1, count // parts_max)
        has_changed = False
        while size >= smallest:
            stop = aspect.count(self.best)
            while stop > 0:
                start = max(0, stop - size)
                if self.attempt(aspect.without(self.best, start, stop)):
                    has_changed = True
                    start = min(start, aspect.count(self.best))
                stop = start
            size //= 2
        return has_changed

    def _fails(self, script: Script) -> bool:
        if script in self._tried or not _is_valid(script):
            return False
        if self._watch.seconds > self._seconds:
            raise OutOfTimeError
        self._tried.add(script)
        self.runs += 1
        self._on_run(self)
        if not self._is_failing(script):
            return False
        self.best = script
        return True


def _is_valid(script: Script) -> bool:
    try:
        for life in script.lives:
            make_options(life)
    except tempest.TempestError:
        return False
    return True
