"""One run gives a record with right answers, or says what was wrong with it.

Nothing here looks at a time. Engines that are not installed are skipped.
"""

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import attrs
import msgspec
import pytest

from benchmarks.peers import child, engines
from benchmarks.peers.engine import Engine, Face, TrioEngine
from benchmarks.peers.records import Job, Record
from benchmarks.peers.schedule import base_name
from benchmarks.peers.workloads import WORKLOADS

COUNT = 120
NEEDED = {
    **dict.fromkeys(("plyvel", "plyvel_tuned", "trio+plyvel_tuned"), "plyvel"),
    **dict.fromkeys(("rocksdict", "rocksdict_tuned"), "rocksdict"),
    "lmdb": "lmdb",
    "lsm_db": "lsm",
}
PEERS = (*engines.PEERS, "trio+plyvel_tuned")
WAYS = ("tempest", "tempest_memory", "tempest_nowait", "tempest_chunks")
MANY = ("fillbatch", "readreverse", "multiget", "readmodifywrite", "ycsb_d", "ycsb_e")
NOWAIT = ("fillrandom", "readrandom", "readmemory")


@pytest.fixture(scope="module")
def bases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Prepared databases, made once."""
    return tmp_path_factory.mktemp("bases")


@pytest.fixture
def run(tmp_path: Path, bases: Path) -> Callable[[str, str], Record]:
    def run(engine: str, workload: str) -> Record:
        job = Job(
            engine=engine,
            workload=workload,
            n=COUNT,
            repetition=0,
            folder=str(tmp_path / "run"),
            base=str(bases / base_name(engine)),
            seconds_max=60.0,
        )
        shutil.rmtree(job.folder, ignore_errors=True)
        if WORKLOADS[workload].prepared and not Path(job.base).exists():
            child.run(msgspec.structs.replace(job, workload="base", folder=job.base))
        return child.run(job)

    return run


@pytest.mark.parametrize("workload", [w for w in WORKLOADS if w != "lateness"])
@pytest.mark.parametrize("engine", ["dict", "tempest"])
def test_every_workload_is_answered(
    run: Callable[[str, str], Record], engine: str, workload: str
) -> None:
    record = run(engine, workload)

    if engine == "dict" and workload in {"seekrandom", "ycsb_e", "fillsync"}:
        assert record.status == "left out", record.why
    else:
        assert record.is_good, record.why or record.example
        assert record.checked > 0
        assert record.operations > 0
        assert not record.truncated


@pytest.mark.parametrize("engine", PEERS)
def test_every_peer_answers(run: Callable[[str, str], Record], engine: str) -> None:
    if not find_spec(NEEDED.get(engine, "sqlite3")):
        pytest.skip("the peers are installed by `make bench`")
    for workload in MANY:
        record = run(engine, workload)
        assert record.is_good, (workload, record.why or record.example)


@pytest.mark.parametrize("way", WAYS)
def test_every_way_to_use_tempest_answers(
    run: Callable[[str, str], Record], way: str
) -> None:
    for workload in NOWAIT if "nowait" in way else MANY:
        record = run(way, workload)
        assert record.is_good, (workload, record.why or record.example)
    if "nowait" in way:
        assert run(way, "multiget").status == "left out"


@pytest.mark.parametrize("workload", ["fillsync_64", "space", "load"])
@pytest.mark.parametrize("engine", ["tempest", "sqlite3"])
def test_the_special_ones_are_answered(
    tmp_path: Path, engine: str, workload: str
) -> None:
    record = child.run(
        Job(
            engine=engine,
            workload=workload,
            n=COUNT,
            repetition=0,
            folder=str(tmp_path / "run"),
            base="",
            seconds_max=60.0,
        )
    )

    assert record.is_good, record.why or record.example
    assert ("rss_allowed_mib" in record.figures) == (
        engine == "tempest" and workload != "fillsync_64"
    )


def test_a_wrong_answer_is_found(
    run: Callable[[str, str], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = engines.load("dict")
    assert not isinstance(honest, TrioEngine)

    @attrs.frozen
    class Liar:
        inner: Engine
        traits = honest.traits

        def open(self, path: str, *, sync: bool) -> Face:
            face = self.inner.open(path, sync=sync)

            def get(key: bytes) -> bytes | None:
                return None if key.endswith(b"7") else face.get(key)

            return attrs.evolve(face, get=get)

    monkeypatch.setattr(engines, "load", lambda name: Liar(honest))

    for workload in ("readrandom", "fillrandom", "ycsb_a"):
        record = run("liar", workload)
        assert record.status == "ok"
        assert record.wrong > 0
        assert not record.is_good
        assert "got None" in record.example


def test_an_engine_that_is_not_installed_is_missing(
    run: Callable[[str, str], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> object:
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(engines, "load", fail)

    assert run("plyvel", "fillrandom").status == "missing"


def test_a_failing_engine_is_reported(
    run: Callable[[str, str], Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> object:
        raise RuntimeError(f"{name} fell over")

    monkeypatch.setattr(engines, "load", fail)
    record = run("plyvel", "fillrandom")

    assert record.status == "error"
    assert "plyvel fell over" in record.why
