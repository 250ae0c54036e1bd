"""What goes into a run's process and what comes out: plain records, JSON on the wire."""

import msgspec


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One run.

    `folder` is the run's own; `base` holds the prepared database where the workload wants one.
    """

    engine: str
    workload: str
    n: int
    repetition: int
    folder: str
    base: str
    seconds_max: float


class Record(msgspec.Struct, kw_only=True):
    """What one run measured; `status` is ok, left out, missing, or what went wrong."""

    engine: str
    workload: str
    n: int
    repetition: int
    status: str = "ok"
    why: str = ""
    when: str = ""
    us_per_op: float = 0.0
    cpu_us_per_op: float = 0.0
    operations: int = 0
    truncated: bool = False
    checked: int = 0
    wrong: int = 0
    example: str = ""
    calibration_us: float = 0.0
    load: float = 0.0
    figures: dict[str, float] = {}

    @property
    def is_good(self) -> bool:
        return self.status == "ok" and not self.wrong


def blank(job: Job) -> Record:
    """Return a record that knows its job and nothing else."""
    return Record(
        engine=job.engine,
        workload=job.workload,
        n=job.n,
        repetition=job.repetition,
    )


class Document(msgspec.Struct, kw_only=True):
    """Everything one call of the benchmark found out."""

    machine: dict[str, str]
    versions: dict[str, str]
    settings: dict[str, str]
    durability: dict[str, dict[str, str | None]]
    records: list[Record]
