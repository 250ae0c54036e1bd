"""The command lines: what they choose, show and write. Nothing is measured here but a profile."""

from pathlib import Path

import msgspec
import pytest

from benchmarks.peers import __main__ as bench, profiling, scale
from benchmarks.peers.engines import PEERS
from benchmarks.peers.records import Document, Record


def documented(records: list[Record], **settings: str) -> bytes:
    said: dict[str, str | None] = dict.fromkeys(
        ("kind", "without a sync", "with a sync", "settings"), "said"
    )
    document = Document(
        machine={},
        versions={},
        settings=settings,
        durability={record.engine: said for record in records},
        records=records,
    )
    return msgspec.json.encode(document)


def timed(engine: str, workload: str, us: float, n: int = 10) -> Record:
    return Record(engine=engine, workload=workload, n=n, repetition=0, us_per_op=us)


def test_everything_is_planned_unless_it_is_narrowed() -> None:
    everything = bench.chosen("", "")
    assert {"fillsync_64", "recovery_kill", "space", "lateness"} < set(everything)
    assert set(PEERS) < set(everything["ycsb_a"])
    assert everything["lateness"] == ("tempest",)

    assert bench.chosen("fillrandom", "") == {"fillrandom": everything["fillrandom"]}
    assert set(bench.chosen("", "lmdb").values()) == {("lmdb",)}
    assert bench.chosen("readseq", "tempest,trio+lmdb") == {
        "readseq": ("tempest", "trio+lmdb")
    }
    with pytest.raises(SystemExit, match="no such workload: fillfoo"):
        bench.chosen("fillseq,fillfoo", "")


def test_what_was_measured_is_shown_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "kept.json"
    wrong = timed("plyvel", "fillseq", 0.5)
    wrong.wrong, wrong.example = 1, "got None"
    records = [timed("tempest", "fillseq", 2.0), timed("lmdb", "fillseq", 3.0), wrong]
    kept.write_bytes(documented(records, n="10"))

    bench.main(["--show", "--json", str(kept)])

    told = capsys.readouterr().out
    assert "1.50" in told
    assert "TROUBLE plyvel fillseq: ok got None" in told
    assert kept.with_suffix(".svg").read_text().startswith("<svg")


def test_growth_is_compared_with_the_peer_that_grows_least() -> None:
    small = [timed("tempest", "load", 2.0), timed("lmdb", "load", 2.0)]
    large = [timed("tempest", "load", 3.0, 100), timed("lmdb", "load", 4.0, 100)]
    engines = ("tempest", "lmdb")

    [line] = scale.growth(small, large, engines)[2:]
    assert line.split() == ["load", "1.50", "2.00", "no", "worse"]
    [line] = scale.growth(small, [*large[:1], small[1]], engines)[2:]
    assert line.split() == ["load", "1.50", "1.00", "worse"]


def test_a_profile_is_printed_and_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(profiling, "RESULTS", tmp_path)

    profiling.main(["readrandom", "--n", "200", "--top", "400"])

    told = capsys.readouterr().out
    assert told.startswith("ok ")
    assert "(get)" in told
    assert "(open_store)" not in told, "only the timed sections are profiled"
    assert [path.name for path in tmp_path.iterdir()] == ["tempest-readrandom.prof"]
