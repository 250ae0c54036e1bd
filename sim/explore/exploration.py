"""What an exploration went through, counted exactly, and what it found."""

import attrs

from sim.literal import literal
from sim.program import Plan

ONE_LINE = 1 << 30


@attrs.frozen(kw_only=True)
class Found:
    """A failure: what was done to the program, and a plan with which it fails again."""

    what: str
    verdict: str
    detail: str
    plan: Plan


@attrs.define(kw_only=True)
class Counts:
    """How much was explored.

    `io_calls` and `steps` are those of the work when nothing goes wrong. `cuts` are moments,
    `subsets` what each of them left, `images` the different disks (under different memories)
    among them and after errors and cancellations: each was checked once. `sampled` cuts had too
    many unsynced units for every subset. `nested` cuts struck the check of an image.
    """

    io_calls: int = 0
    steps: int = 0
    cuts: int = 0
    sampled: int = 0
    subsets: int = 0
    nested: int = 0
    errors: int = 0
    cancellations: int = 0
    images: int = 0


@attrs.frozen(kw_only=True)
class Exploration:
    """What became of an exploration. `is_whole`: it went through everything it was asked for."""

    program: str
    io_calls: int
    steps: int
    cuts: int
    sampled: int
    subsets: int
    nested: int
    errors: int
    cancellations: int
    images: int
    failures: tuple[Found, ...]
    is_whole: bool = True

    def table(self) -> str:
        """Return the counts, one a line, and the failures below them."""
        rows = (
            ("Io operations", self.io_calls, "when nothing goes wrong"),
            ("power cuts", self.cuts, "before, during and after each, and at the end"),
            ("what they left", self.subsets, self._kept()),
            ("nested cuts", self.nested, "in the check after a cut"),
            ("errors", self.errors, "at every operation, once and for good"),
            ("cancellations", self.cancellations, f"at {self.steps} steps of tasks"),
            ("disks checked", self.images, "different ones"),
            ("failures", len(self.failures), "" if self.is_whole else "then stopped"),
        )
        lines = [self.program]
        lines += [
            f"  {name:<15}{count:>9,}  {note}".rstrip() for name, count, note in rows
        ]
        for found in self.failures:
            lines.append(f"  {found.verdict}: {found.detail}")
            lines.append(f"    {found.what}")
            lines.append(f"    again: {literal(found.plan, room=ONE_LINE)}")
        return "\n".join(lines)

    def _kept(self) -> str:
        sampled = f"; {self.sampled} cuts sampled" if self.sampled else ""
        return f"subsets of what was unsynced{sampled}"

    def as_json(self) -> dict[str, object]:
        """Return what `--json` prints."""
        record: dict[str, object] = attrs.asdict(self, recurse=False)
        record["failures"] = [
            {
                "what": found.what,
                "verdict": found.verdict,
                "detail": found.detail,
                "plan": literal(found.plan, room=ONE_LINE),
            }
            for found in self.failures
        ]
        return record
