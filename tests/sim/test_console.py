"""The console: fixed columns, and the eye finds the crash."""

import re

import attrs
import pytest

from sim import draw, operations as ops, run
from sim.console import render
from sim.record import Recorder
from sim.wording import describe, short

ROW = re.compile(r"^ *\d+\.\d{6} +\d+ (\S( \S){1}) ")


@pytest.fixture(scope="module")
def failed() -> Recorder:
    recorder = Recorder()
    run(attrs.evolve(draw(14), forgets=True), recorder)
    return recorder


def test_every_row_has_its_columns(failed: Recorder) -> None:
    heading, *lines = render(failed)
    rows = [line for line in lines if ROW.match(line)]

    assert heading.split() == ["time", "life", "0", "b", "operation", "answer"]
    assert len({match.end() for row in rows if (match := ROW.match(row))}) == 1
    assert len(rows) > 100


def test_crash_and_violation_stand_across_the_page(failed: Recorder) -> None:
    lines = list(render(failed, width=100))
    rules = [line for line in lines if line[:3] in ("━━━", "███")]

    assert any("POWER CUT: life 0 ends" in line for line in rules)
    assert any("VIOLATED: acknowledged-survives" in line for line in rules)
    assert {len(line) for line in rules} == {100}
    assert max(map(len, lines)) <= 100


def test_io_operations_are_shown_if_asked_for(failed: Recorder) -> None:
    without, with_io = list(render(failed)), list(render(failed, io=True))

    assert len(with_io) > len(without)
    assert any("write_at store/log-" in line for line in with_io)
    assert not any(" . " in line for line in without)


def test_colour_is_an_addition(failed: Recorder) -> None:
    plain = list(render(failed))
    coloured = [
        re.sub("\x1b\\[[0-9;]*m", "", line) for line in render(failed, colour=True)
    ]

    assert coloured == plain
    assert not any("\x1b" in line for line in plain)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (None, "nothing"),
        (b"", "''"),
        (b"k01", "k01"),
        (b"a b\xff", "a\\x20b\\xff"),
        (b"k" * 300, "kkkkkkkkkkkkk…(300)"),
    ],
)
def test_bytes_are_short(data: bytes | None, text: str) -> None:
    assert short(data) == text


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (ops.Put(b"k", 8, "os"), "k 8 B os"),
        (ops.Update(b"k", None), "k to nothing disk"),
        (ops.Batch(((b"a", 1), (b"b", None))), "1 puts, 1 deletes disk"),
        (ops.Scan(start=b"a", limit=0), "start a, limit 0, chunk 0"),
        (ops.Cancelled(ops.Sync(), 0.5), "after 0.5 s: Sync"),
        (ops.Flush(), ""),
    ],
)
def test_operations_are_described(operation: ops.Operation, text: str) -> None:
    assert describe(operation) == text
