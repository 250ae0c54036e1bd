"""Which seeds a command line means."""

from collections.abc import Iterable
from itertools import count as count_from

import attrs

from sim.commands.output import UsageError


@attrs.frozen
class Chosen:
    """The seeds to run, and how many those are, if they end."""

    seeds: Iterable[int]
    total: int | None = None


def choose(seeds: str | None, count: int | None, *, is_endless: bool) -> Chosen:
    """Understand `A:B`, `A:` and a count; without an end only if something else ends it."""
    if seeds is None and count is None and not is_endless:
        raise UsageError("Say which seeds: --seed N, --seeds A:B or --count N.")
    start, stop = _ends(seeds or "0:")
    if count is not None:
        if count < 1:
            raise UsageError(f"--count is at least 1, not {count}.")
        stop = start + count if stop is None else min(stop, start + count)
    if stop is None and not is_endless:
        raise UsageError("Without an end this needs --seconds or --until-failure.")
    if stop is None:
        return Chosen(count_from(start))
    if stop <= start:
        raise UsageError(f"--seeds {seeds} holds no seed: A has to be below B.")
    return Chosen(range(start, stop), stop - start)


def _ends(seeds: str) -> tuple[int, int | None]:
    first, colon, end = seeds.partition(":")
    try:
        ends = int(first), int(end) if end else None
    except ValueError:
        raise UsageError(f"--seeds is A:B, two whole numbers, not {seeds!r}.") from None
    if not colon:
        raise UsageError(f"--seeds is A:B; for {seeds} alone say --seed {seeds}.")
    return ends
