"""One published bug: a mini-engine that has it, the same mended, and Tempest, all under one script.

    run_case(case)     three verdicts, and how many states were looked at
    run_corpus(cases)  the same for many, one after the other

A case holds if the mini-engine fails, and its mended twin and Tempest pass. All three go through
the same `Hunt`, each up to its first failure.

Invariants
- A case has the same result everywhere.
- Tempest's result depends on script and hunt alone, so equal ones are run once (`Seen`).
"""

from collections.abc import Iterable, Iterator

import attrs

from io_backends import Io
from sim.corpus.engine import MiniEngine, PatientTempest, TempestEngine
from sim.corpus.hunt import Hunt, Look, look
from sim.corpus.ledger import Ledger
from sim.corpus.steps import Step, program_of
from sim.program import Program

CUTS = Hunt()


@attrs.frozen(kw_only=True)
class Case:
    """A bug that was published: where, what happens, and `make`, the engine that has it."""

    name: str
    title: str
    source: str
    story: str
    make: type[MiniEngine]
    steps: tuple[Step, ...]
    hunt: Hunt = CUTS

    @property
    def strawman(self) -> Program[Ledger]:
        return self._mini(is_mended=False)

    @property
    def mended(self) -> Program[Ledger]:
        return self._mini(is_mended=True)

    @property
    def tempest(self) -> Program[Ledger]:
        make = TempestEngine if self.hunt.refused is None else PatientTempest
        return program_of(f"{self.name} tempest", make, self.steps)

    def _mini(self, *, is_mended: bool) -> Program[Ledger]:
        def make(io: Io) -> MiniEngine:
            return self.make(io, is_mended=is_mended)

        which = "mended" if is_mended else "strawman"
        return program_of(f"{self.name} {which}", make, self.steps)


@attrs.frozen(kw_only=True)
class CaseResult:
    """What became of a case; `states` are those that Tempest passed."""

    name: str
    strawman: Look
    mended: Look
    tempest: Look

    @property
    def holds(self) -> bool:
        return not self.strawman.is_ok and self.mended.is_ok and self.tempest.is_ok

    @property
    def states(self) -> int:
        return self.tempest.states


Seen = dict[tuple[object, ...], Look]


def run_case(case: Case, seen: Seen | None = None) -> CaseResult:
    """Run strawman, mended twin and Tempest through the hunt."""
    seen = {} if seen is None else seen
    key = (repr(case.steps), case.hunt)
    if key not in seen:
        seen[key] = look(case.tempest, case.hunt)
    return CaseResult(
        name=case.name,
        strawman=look(case.strawman, case.hunt),
        mended=look(case.mended, case.hunt),
        tempest=seen[key],
    )


def run_corpus(cases: Iterable[Case]) -> Iterator[CaseResult]:
    """Run cases in their order."""
    seen: Seen = {}
    for case in cases:
        yield run_case(case, seen)
