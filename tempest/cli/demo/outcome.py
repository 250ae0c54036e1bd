"""What the demo found, as values that print as JSON."""

import attrs

import tempest
from tempest.cli.demo.check import Verdict
from tempest.cli.demo.scans import PrefixScan


@attrs.frozen
class Life:
    """What was found when the store was reopened after the loader was killed."""

    killed_twice: bool
    reopen_seconds: float
    recovery: tempest.RecoveryReport
    verdict: Verdict


@attrs.frozen
class Outcome:
    """Everything that the demo found."""

    seed: int
    files: int
    bytes: int
    seconds: float
    lives: tuple[Life, ...]
    final: Verdict
    scans: tuple[PrefixScan, ...]
    statistics: tempest.Statistics
    whole: bool

    @property
    def sound(self) -> bool:
        """Say whether every check held."""
        return not self.faults()

    def faults(self) -> tuple[str, ...]:
        """Return what was wrong, each a sentence."""
        verdicts = [*(life.verdict for life in self.lives), self.final]
        faults = [fault for verdict in verdicts for fault in verdict.faults]
        if self.final.rows != self.files:
            faults.append(f"{self.final.rows} of {self.files} files are in the store")
        faults += [
            f"the scan of {scan.prefix} does not give the folder's files"
            for scan in self.scans
            if not scan.complete
        ]
        if not self.whole:
            faults.append("verify found damaged bytes")
        return tuple(faults)
