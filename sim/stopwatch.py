"""How long something took on the wall, for reports; nothing is ever decided by it."""

import time


class Stopwatch:
    """Runs from when it was made."""

    def __init__(self) -> None:
        self._started = time.perf_counter()

    @property
    def seconds(self) -> float:
        return time.perf_counter() - self._started
