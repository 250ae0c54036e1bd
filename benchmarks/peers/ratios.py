"""From the records to the table: medians, ratios, and whether they are what is wanted."""

from collections.abc import Iterable, Sequence
from enum import Enum
from statistics import median

import attrs

from benchmarks.peers.records import Record
from benchmarks.peers.rows import MICROSECONDS, Row

NEAR = 0.8  # of a target
PROCESSOR = "cpu_us_per_op"


class Verdict(Enum):
    """How a row stands against its target."""

    MET = "met"
    NEAR = "near"
    MISSED = "missed"
    NO_TARGET = "-"


@attrs.frozen(kw_only=True)
class Ratio:
    """One row, measured. `low` and `high` are the extremes of single repetitions."""

    row: Row
    ratio: float
    low: float
    high: float
    mine: float
    best: float
    best_name: str
    truncated: bool

    @property
    def verdict(self) -> Verdict:
        target = self.row.target
        if target is None:
            return Verdict.NO_TARGET
        if self.ratio >= target:
            return Verdict.MET
        return Verdict.NEAR if self.ratio >= NEAR * target else Verdict.MISSED


Samples = dict[int, float]


def samples(
    records: Iterable[Record], engine: str, workload: str, figure: str
) -> Samples:
    """Return an engine's figure by repetition; only right answers count."""
    found: Samples = {}
    for record in records:
        if (record.engine, record.workload) == (engine, workload) and record.is_good:
            times = {MICROSECONDS: record.us_per_op, PROCESSOR: record.cpu_us_per_op}
            value = (record.figures | times).get(figure)
            if value is not None:
                found[record.repetition] = value
    return found


def measured(records: Sequence[Record], row: Row) -> Ratio | None:
    """Return the row's ratio, None if one side is missing."""
    mine = samples(records, row.engine, row.workload, row.figure)
    bar = row.bar or row.figure
    peers = {
        peer: found
        for peer in row.peers
        if (found := samples(records, peer, row.workload, bar))
    }
    if not mine or not peers or not median(mine.values()):
        return None
    best_name = min(peers, key=lambda peer: median(peers[peer].values()))
    best = peers[best_name]
    whole = median(best.values()) / median(mine.values())
    single = [best[at] / mine[at] for at in best if mine.get(at)] or [whole]
    return Ratio(
        row=row,
        ratio=whole,
        low=min(single),
        high=max(single),
        mine=median(mine.values()) * row.scale,
        best=median(best.values()) * row.scale,
        best_name=best_name if row.bar is None else "limit",
        truncated=any(
            record.truncated
            for record in records
            if record.workload == row.workload
            and record.engine in (row.engine, best_name)
        ),
    )


def short(value: float) -> str:
    """Return a figure with three digits that matter."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


HEAD = (
    f"{'row':34}{'Tempest':>10}{'best peer':>10}     {'who':21}"
    f"{'ratio':>7}  {'single runs':14}{'target':>7}"
)


def table(ratios: Sequence[Ratio]) -> str:
    """Return the table as text, section by section."""
    lines = [HEAD]
    section = ""
    for ratio in ratios:
        row = ratio.row
        if row.section != section:
            section = row.section
            lines += ["", section]
        target = "" if row.target is None else f"{row.target:.2f}"
        spread = f"{ratio.low:.2f} - {ratio.high:.2f}"
        mark = "~" if ratio.truncated else " "
        lines.append(
            f"  {row.name:32}{short(ratio.mine):>10}{short(ratio.best):>10} {row.unit:4}"
            f"{ratio.best_name:21}{ratio.ratio:>7.2f}{mark} {spread:14}{target:>7}"
            f"  {ratio.verdict.value}"
        )
    return "\n".join([*lines, "", summary(ratios)])


def summary(ratios: Sequence[Ratio]) -> str:
    """Return how many targets are met, and how far the goal beyond them is."""
    wanted = [ratio for ratio in ratios if ratio.row.target is not None]
    met = sum(ratio.verdict is Verdict.MET for ratio in wanted)
    even = sum(ratio.ratio >= 1 for ratio in ratios)
    twice = sum(ratio.ratio >= 2 for ratio in ratios)
    return (
        f"{met} of {len(wanted)} targets met; of {len(ratios)} rows {even} are at 1 or better, "
        f"{twice} at 2 or better. ~: cut short by the time limit."
    )


def engines_table(records: Sequence[Record]) -> str:
    """Return every engine's median microseconds, a line a workload.

    On a busy machine the processor time says more; what worker processes used is not in it.
    """
    engines = list(dict.fromkeys(record.engine for record in records))
    workloads = list(dict.fromkeys(record.workload for record in records))
    lines = []
    for workload in workloads:
        cells = []
        for engine in engines:
            found = samples(records, engine, workload, MICROSECONDS)
            if found:
                used = samples(records, engine, workload, PROCESSOR)
                wall, cpu = median(found.values()), median(used.values())
                cells.append(f"{engine} {short(wall)} ({short(cpu)})")
        lines.append(f"  {workload:16} " + ", ".join(cells))
    return "\n".join(
        ["us per operation, medians (of processor time in the process)", *lines]
    )


def troubles(records: Sequence[Record]) -> list[str]:
    """Return a line for each run that failed or answered wrongly."""
    return [
        f"{record.engine} {record.workload}: {record.status} {record.why or record.example}"
        for record in records
        if not record.is_good and record.status not in ("left out", "missing")
    ]
