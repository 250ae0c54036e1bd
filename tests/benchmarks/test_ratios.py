"""From records to the table and the picture."""

from xml.etree import ElementTree as Xml

import pytest

from benchmarks.peers.engines import PEERS, WHERE
from benchmarks.peers.picture import COLOURS, picture
from benchmarks.peers.ratios import Ratio, Verdict, measured, table, troubles
from benchmarks.peers.records import Record
from benchmarks.peers.rows import ROWS, Row, by_time, plan
from benchmarks.peers.workloads import NAMES

ROW = Row(section="writes", name="fillseq", workload="fillseq", target=0.8)


def records(**times: list[float]) -> list[Record]:
    return [
        Record(
            engine=engine, workload="fillseq", n=10, repetition=number, us_per_op=time
        )
        for engine, all_times in times.items()
        for number, time in enumerate(all_times)
    ]


def ratio(row: Row, *all_records: Record) -> Ratio:
    found = measured(all_records, row)
    assert found is not None
    return found


def test_the_best_peer_is_the_one_with_the_best_median() -> None:
    made = records(tempest=[2, 4, 3], plyvel=[9, 1, 9], lmdb=[6, 6, 5], dict=[1, 1, 1])

    found = ratio(ROW, *made)

    assert (found.best_name, found.best, found.mine) == ("lmdb", 6, 3)
    assert found.ratio == 2
    assert (found.low, found.high) == (1.5, 3)
    assert found.verdict is Verdict.MET


@pytest.mark.parametrize(
    ("mine", "verdict"),
    [(1.25, Verdict.MET), (1.5, Verdict.NEAR), (2.0, Verdict.MISSED)],
)
def test_a_verdict_is_about_the_target(mine: float, verdict: Verdict) -> None:
    assert ratio(ROW, *records(tempest=[mine], plyvel=[1])).verdict is verdict


def test_wrong_answers_do_not_count_and_are_named() -> None:
    made = records(tempest=[2], plyvel=[1], lmdb=[4])
    made[1].wrong, made[1].example = 3, "got None"

    assert ratio(ROW, *made).best_name == "lmdb"
    assert troubles(made) == ["plyvel fillseq: ok got None"]


def test_a_row_with_one_side_missing_is_left_out() -> None:
    assert measured(records(tempest=[2]), ROW) is None
    assert measured(records(plyvel=[2]), ROW) is None


def test_a_limit_measured_beside_is_a_bar() -> None:
    row = Row(
        section="memory",
        name="resident",
        workload="fillseq",
        peers=("tempest",),
        figure="used",
        bar="allowed",
        target=1.0,
    )
    [record] = records(tempest=[1])
    record.figures = {"used": 50.0, "allowed": 200.0}

    found = ratio(row, record)

    assert (found.ratio, found.best_name) == (4.0, "limit")


def test_the_table_tells_what_was_cut_short() -> None:
    made = records(tempest=[2], plyvel=[4])
    assert "2.00 " in table([ratio(ROW, *made)])
    made[1].truncated = True
    assert "2.00~" in table([ratio(ROW, *made)])


def test_the_picture_is_well_formed_and_has_a_bar_for_each_row() -> None:
    made = [
        ratio(ROW, *records(tempest=[mine], plyvel=[1])) for mine in (0.01, 1, 1.5, 99)
    ]

    tree = Xml.fromstring(picture(made, "T < P & more"))

    colours = [found.get("fill") for found in tree.iter() if found.get("rx")]
    assert colours == [COLOURS[one.verdict] for one in made]
    widths = [float(found.get("width", 0)) for found in tree.iter() if found.get("rx")]
    assert all(0 < width < 1080 for width in widths)


def test_every_row_names_what_there_is() -> None:
    for row in ROWS:
        names = {row.engine, *(peer.removeprefix("trio+") for peer in row.peers)}
        assert names <= set(WHERE), row
        assert row.workload in NAMES
    assert len({(row.section, row.name) for row in ROWS}) == len(ROWS)


def test_the_plan_runs_what_the_rows_need() -> None:
    wanted = plan(ROWS)

    assert set(wanted["fillrandom"][:3]) == {
        *("tempest", "tempest_nowait", "tempest_memory")
    }
    assert set(PEERS) < set(wanted["fillrandom"])
    assert {"space", "put_latency", "lateness"}.isdisjoint(by_time(ROWS))
    assert "fillsync_64" in by_time(ROWS)
