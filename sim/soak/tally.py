"""What a soak has seen so far, in numbers that add up.

Invariants
- A tally takes the same room however long a soak runs.
"""

from collections import Counter

import attrs

from sim.faults import FaultTable, sum_places
from sim.marks import SITUATIONS
from sim.runner import Timed


@attrs.define
class Tally:
    """Counts over all seeds of a soak."""

    seeds: int = 0
    again: int = 0
    operations: int = 0
    crashes: int = 0
    io_calls: int = 0
    virtual_seconds: float = 0.0
    verdicts: Counter[str] = attrs.field(factory=Counter)
    failures: dict[int, str] = attrs.field(factory=dict)
    fault_seeds: Counter[str] = attrs.field(factory=Counter)  # in how many seeds
    faults: FaultTable = attrs.field(factory=lambda: sum_places(()))  # how often, where
    situations: Counter[str] = attrs.field(factory=Counter)  # in how many seeds

    def take(self, timed: Timed) -> None:
        """Add a seed."""
        result = timed.result
        self.seeds += 1
        self.operations += result.operations
        self.crashes += result.crashes
        self.io_calls += result.io_calls
        self.virtual_seconds += result.virtual_seconds
        self.verdicts[result.verdict] += 1
        self.faults = sum_places((self.faults.counts, result.fault_places))
        self.fault_seeds.update(name for name, n in result.faults.items() if n)
        self.situations.update(result.situations)
        if result.verdict != "ok":
            self.failures[result.seed] = result.verdict

    @property
    def never(self) -> list[str]:
        """Return the situations that no seed got into."""
        return sorted(SITUATIONS - set(self.situations))

    def summary(self, seconds: float) -> dict[str, object]:
        """Return everything as plain values, for JSON."""
        return {
            "seeds": self.seeds,
            "failed": len(self.failures),
            "seconds": round(seconds, 1),
            "seeds_per_hour": round(3600 * self.seeds / max(seconds, 1e-9)),
            "digests_compared": self.again,
            "operations": self.operations,
            "crashes": self.crashes,
            "io_calls": self.io_calls,
            "virtual_seconds": round(self.virtual_seconds),
            "verdicts": dict(self.verdicts.most_common()),
            "failures": {str(seed): name for seed, name in self.failures.items()},
            "faults": self.faults.counts,
            "fault_seeds": dict(sorted(self.fault_seeds.items())),
            "faults_never": self.faults.never,
            "situations_seen": len(self.situations),
            "situations_never": self.never,
        }
