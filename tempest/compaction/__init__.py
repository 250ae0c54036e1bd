"""Compaction: what to merge (policies), how (jobs), and whether it came out right."""

from tempest.compaction.executor import (
    compact as compact,
    refuse as refuse,
    run as run,
)
from tempest.compaction.job import (
    CompactionJob as CompactionJob,
    close_all as close_all,
    make_job as make_job,
    numbers_wanted as numbers_wanted,
    run_compaction as run_compaction,
)
from tempest.compaction.leveled import Leveled as Leveled
from tempest.compaction.outputs import (
    OutputPlan as OutputPlan,
    TableOutputs as TableOutputs,
)
from tempest.compaction.policy import (
    Choice as Choice,
    LevelInput as LevelInput,
    Levels as Levels,
    Policy as Policy,
    Reason as Reason,
    covered_keys as covered_keys,
)
from tempest.compaction.result import (
    JobResult as JobResult,
    report as report,
    result_problems as result_problems,
)

__all__ = [
    "Choice",
    "CompactionJob",
    "JobResult",
    "LevelInput",
    "Leveled",
    "Levels",
    "OutputPlan",
    "Policy",
    "Reason",
    "TableOutputs",
    "close_all",
    "compact",
    "covered_keys",
    "make_job",
    "numbers_wanted",
    "refuse",
    "report",
    "result_problems",
    "run",
    "run_compaction",
]
