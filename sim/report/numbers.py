"""Numbers as people read them: aligned, with a unit, and no more digits than they carry.

Invariants
- Virtual time is never rounded to nothing: what is not 0 does not read as 0.
"""

from collections.abc import Sequence
from itertools import pairwise

DIGITS_MAX = 6
HOURS_SECONDS_MIN = 7200
NOTHING = "\u2013"  # an en dash, where a 0 would be noise


def seconds_text(seconds: float) -> str:
    """Return virtual seconds with a unit that fits."""
    if seconds == 0:
        return "0"
    if seconds >= HOURS_SECONDS_MIN:
        return f"{seconds / 3600:.4g} h"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.9995 * size:  # 1000 of a unit is one of the next
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds / 1e-6:.3g} µs"


def moment_texts(moments: Sequence[float]) -> list[str]:
    """Return rising moments in one unit, with the digits that tell them apart."""
    unit, size = ("s", 1.0) if max(moments, default=0.0) >= 1 else ("ms", 1e-3)
    gap = min((after - before for before, after in pairwise(moments)), default=size)
    digits = 0
    while digits < DIGITS_MAX and 10.0**-digits * size > gap / 3:
        digits += 1
    return [f"{moment / size:.{digits}f} {unit}" for moment in moments]


def bytes_text(count: float) -> str:
    """Return a size in bytes, KiB or MiB."""
    if count < 1024:
        return f"{count:.0f} B"
    if count < 1024 * 1024:
        return f"{count / 1024:.1f} KiB"
    return f"{count / 1024 / 1024:.1f} MiB"


def count_text(count: int) -> str:
    """Return a count with narrow spaces between thousands."""
    return f"{count:,}".replace(",", "\u202f")


def short_count(count: int) -> str:
    """Return a count in as little room as a cell has."""
    return str(count) if count < 1000 else f"{count / 1000:.3g}k"


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest value that `share` of all do not exceed."""
    place = max(0, -int(-share * len(ordered) // 1) - 1)
    return ordered[place]
