"""Compaction: what to merge (policies), how (jobs), and whether it came out right."""

from tempest.compaction.collection import (
    CollectionJob as CollectionJob,
    collect as collect,
    collection_problems as collection_problems,
    make_rewrite as make_rewrite,
    run_collection as run_collection,
    tables_of as tables_of,
)
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
from tempest.compaction.relocation import Relocation as Relocation
from tempest.compaction.result import (
    JobResult as JobResult,
    report as report,
    result_problems as result_problems,
)
from tempest.compaction.stale import choose_stale as choose_stale

__all__ = [
    "Choice",
    "CollectionJob",
    "CompactionJob",
    "JobResult",
    "LevelInput",
    "Leveled",
    "Levels",
    "OutputPlan",
    "Policy",
    "Reason",
    "Relocation",
    "TableOutputs",
    "choose_stale",
    "close_all",
    "collect",
    "collection_problems",
    "compact",
    "covered_keys",
    "make_job",
    "make_rewrite",
    "numbers_wanted",
    "refuse",
    "report",
    "result_problems",
    "run",
    "run_collection",
    "run_compaction",
    "tables_of",
]
