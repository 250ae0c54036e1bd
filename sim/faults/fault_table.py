"""A matrix of what fired and where, summed over many runs."""

from collections.abc import Iterable, Mapping

import attrs

from sim.faults.contracts import CONTRACTS

Places = Mapping[str, Mapping[str, int]]


@attrs.frozen
class FaultTable:
    """Kinds of faults (rows), places (columns), and how often each met each."""

    counts: dict[str, dict[str, int]]

    @property
    def kinds(self) -> list[str]:
        return list(self.counts)

    @property
    def places(self) -> list[str]:
        """Return every place, the busiest first."""
        totals: dict[str, int] = {}
        for row in self.counts.values():
            for place, count in row.items():
                totals[place] = totals.get(place, 0) + count
        return sorted(totals, key=lambda place: (-totals[place], place))

    @property
    def never(self) -> list[str]:
        """Return the kinds that never fired."""
        return [kind for kind, row in self.counts.items() if not row]

    def lines(self, places_max: int = 6) -> list[str]:
        """Render one line a kind: how often it fired, and the places that it hit most."""
        width = max(map(len, self.counts), default=0)
        lines: list[str] = []
        for kind, row in self.counts.items():
            ranked = sorted(row.items(), key=lambda pair: (-pair[1], pair[0]))
            shown = [f"{place} {count}" for place, count in ranked[:places_max]]
            rest = len(ranked) - places_max
            more = [f"{rest} more places"] if rest > 0 else []
            total = sum(row.values())
            lines.append(
                f"{kind:{width}} {total:8}  {', '.join(shown + more)}".rstrip()
            )
        return lines


def sum_places(every: Iterable[Places]) -> FaultTable:
    """Sum the places of many runs; kinds that never fired have an empty row."""
    counts: dict[str, dict[str, int]] = {kind: {} for kind in CONTRACTS}
    for places in every:
        for kind, row in places.items():
            total = counts.setdefault(kind, {})
            for place, count in row.items():
                total[place] = total.get(place, 0) + count
    return FaultTable(counts)
