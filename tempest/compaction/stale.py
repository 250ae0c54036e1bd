"""Choose the compaction that takes stale pointers away: values that were overwritten or deleted.

A pointer in a table keeps its value alive until a merge with something newer drops it. A merge is
worth it where it rewrites few bytes of tables for the many bytes of values that may go stale.
How many go is guessed: each newer entry meets an older one as if keys were spread evenly.

Invariants
- The same levels give the same choice; nothing is remembered between two.
- Each choice moves tables down or rewrites one for good: choosing again and again ends.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import accumulate

from tempest.compaction.leveled import _hanging_together, _push_down, _rewrite
from tempest.compaction.policy import Choice, Levels, Reason
from tempest.table import TableMeta


def choose_stale(
    levels: Levels, *, written: int, oldest: int, gain_min: float, bytes_min: int = 1
) -> Choice | None:
    """Return the compaction that promises most for its cost, or None if none is worth it.

    Worth it is one that may drop `gain_min` bytes of values for each byte of its inputs, and
    `bytes_min` in all. What was written above sequence `written` is left alone; `oldest` is the
    oldest sequence that anybody reads at.
    """
    best: Callable[[], Choice] | None = None
    best_gain = gain_min
    for bytes_in, stale, choose in _candidates(levels, written, oldest):
        if stale < bytes_min or stale < bytes_in * best_gain:
            continue
        gain = stale / bytes_in
        if gain > best_gain or best is None:
            best, best_gain = choose, gain
    return None if best is None else best()


def pointed_bytes(tables: Iterable[TableMeta]) -> int:
    """Return the bytes of all values that these tables point to."""
    return sum([sum(table.segment_bytes) for table in tables])


Candidate = tuple[int, int, Callable[[], Choice]]
"""The bytes of its inputs, the bytes of values that may go stale, and how to make the choice."""


def _candidates(levels: Levels, written: int, oldest: int) -> Iterator[Candidate]:
    yield from _groups(levels, written)
    for level in range(1, len(levels)):
        if level + 1 < len(levels):
            yield from _descents(levels, level, written)
        for table in levels[level]:
            if table.shadowed and table.segments and table.sequence_max <= oldest:
                stale = sum(table.segment_bytes) * table.shadowed // table.entries
                choose = partial(_rewrite, level, table, Reason.STALE_POINTERS)
                yield table.size, stale, choose


def _groups(levels: Levels, written: int) -> Iterator[Candidate]:
    """Yield what hangs together in level 0, to be merged into level 1."""
    seen: dict[int, None] = {}
    for table in reversed(levels[0]):
        if table.number in seen or table.sequence_min > written:
            continue
        group = _hanging_together(levels[0], (table,))
        seen |= dict.fromkeys(member.number for member in group)
        choice = _push_down(levels, 0, group, Reason.STALE_POINTERS)
        below = choice.tables[len(group) :]
        newer = group if below else group[:-1]
        older = [*group[1:], *below]
        stale = _stale(
            sum(each.entries for each in newer),
            sum(each.entries for each in older),
            pointed_bytes(older),
        )
        yield choice.bytes_in, stale + _shadowed(group), partial(_itself, choice)


def _descents(levels: Levels, level: int, written: int) -> Iterator[Candidate]:
    """Yield each table of a level, to be merged into the next one."""
    below = levels[level + 1]
    pointed = [0, *accumulate(sum(table.segment_bytes) for table in below)]
    if not pointed[-1]:
        return
    entries = [0, *accumulate(table.entries for table in below)]
    sizes = [0, *accumulate(table.size for table in below)]
    smallest = [table.smallest for table in below]
    largest = [table.largest for table in below]
    for table in levels[level]:
        low = bisect_left(largest, table.smallest)
        high = bisect_right(smallest, table.largest)
        if low < high and table.sequence_min <= written:
            stale = _stale(
                table.entries,
                entries[high] - entries[low],
                pointed[high] - pointed[low],
            )
            reason = Reason.STALE_POINTERS
            yield (
                table.size + sizes[high] - sizes[low],
                stale,
                partial(_push_down, levels, level, (table,), reason),
            )


def _stale(newer: int, older: int, pointed: int) -> int:
    """Guess how many bytes, of those that `older` entries point to, `newer` ones make stale."""
    return min(pointed, pointed * newer // older) if older else 0


def _shadowed(tables: Iterable[TableMeta]) -> int:
    """Guess the bytes that versions point to of which the table holds a newer one."""
    return sum(
        pointed_bytes([table]) * table.shadowed // table.entries for table in tables
    )


def _itself(choice: Choice) -> Choice:
    return choice
