"""The order of the runs, who is asked again, and a real round through child processes."""

from pathlib import Path

import pytest

from benchmarks.peers.records import Job, Record, blank
from benchmarks.peers.schedule import Schedule, Settings

ROOT = Path(__file__).parents[2]


def test_repetitions_are_outermost_and_the_hopeless_are_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    speed = {
        "tempest": 50.0,
        "plyvel": 1.0,
        "lmdb": 2.0,
        "lsm_db": 9.0,
        "sqlite3": 9.0,
        "dict": 0.1,
    }

    def child(_: Schedule, job: Job) -> Record:
        record = blank(job)
        record.us_per_op = speed[job.engine]
        record.cpu_us_per_op = 1.0 if job.engine == "lsm_db" else speed[job.engine]
        return record

    monkeypatch.setattr(Schedule, "_child", child)
    order = ["fillseq", "fillsync_64", "fillrandom"]
    schedule = Schedule(
        Settings(n=10, repetitions=2, folder=tmp_path / "data"),
        dict.fromkeys(order, tuple(speed)),
        {"fillseq", "fillsync_64"},
        lambda record: None,
    )

    schedule.run()

    first = [(0, workload, engine) for workload in order for engine in speed]
    second = [
        (1, workload, engine)
        for workload in order
        for engine in speed
        if workload == "fillrandom" or engine not in {"sqlite3", "dict"}
    ]
    assert [
        (record.repetition, record.workload, record.engine)
        for record in schedule.records
    ] == first + second


def test_a_round_through_real_processes(tmp_path: Path) -> None:
    heard: list[Record] = []
    plan = {
        "recovery_kill": ("tempest",),
        "readseq": ("tempest_chunks", "dict"),
        "lateness": ("tempest",),
    }
    schedule = Schedule(
        Settings(n=200, repetitions=1, folder=tmp_path / "data"),
        plan,
        set(),
        heard.append,
    )

    schedule.run()

    assert [record.why for record in heard if not record.is_good] == []
    assert [record.engine for record in heard] == [
        *("tempest", "tempest_chunks", "dict", "tempest")
    ]
    assert heard[0].figures["lost"] == 0
    assert heard[3].figures["naps"] > 0
    assert not (tmp_path / "data").exists()


def test_the_lock_holds_names_and_versions_and_nothing_else() -> None:
    lines = (ROOT / "requirements-bench.txt").read_text().splitlines()

    locked = [line for line in lines if not line.startswith("#")]
    assert locked == sorted(locked)
    for line in locked:
        name, _, version = line.partition("==")
        assert name.replace("-", "").isalnum()
        assert version.replace(".", "").isdigit()
