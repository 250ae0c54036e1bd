"""Pages: whole, self-contained, escaped, and they show what was violated."""

import json
import re
from collections import Counter
from html.parser import HTMLParser

import attrs
import pytest

from sim import ORACLES, SITUATIONS, RunResult, Script, draw, operations as ops, run
from sim.oracle import Violation
from sim.planted import PLANTED
from sim.record import Recorder
from sim.report import write_report, write_sweep_report
from sim.report.blame import blame
from sim.report.markup import element
from sim.report.numbers import (
    bytes_text,
    moment_texts,
    percentile,
    seconds_text,
    short_count,
)
from sim.report.properties import count_checks
from sim.report.story import read_story

VOID = ("meta",)
BYTES_MAX = 3_000_000
OLDER = re.compile(r"b'[^']*' is b'")


class Outline(HTMLParser):
    """Checks that every element ends, and gathers ids and attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.names: Counter[str] = Counter()
        self.tags: Counter[str] = Counter()
        self.data = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags[tag] += 1
        self.names.update(name for name, _ in attrs)
        self.ids += [value for name, value in attrs if name == "id" and value]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open[-1:] == ["script"] and not self.data:
            self.data = data


@attrs.frozen
class Recorded:
    script: Script
    result: RunResult
    recorder: Recorder
    page: str


def recorded(script: Script) -> Recorded:
    recorder = Recorder()
    result = run(script, recorder)
    page = write_report(script, result, recorder)
    return Recorded(script, result, recorder, page)


def first_forgetful() -> Script:
    """Return the first script in which a lying disk takes a write, and an older one comes back."""
    for seed in range(400):
        script = attrs.evolve(draw(seed), canary=True)
        result = run(script)
        if result.verdict == "acknowledged-survives" and OLDER.match(result.detail):
            return script
    pytest.fail("no seed loses a write")


@pytest.fixture(scope="module")
def failed() -> Recorded:
    return recorded(first_forgetful())


@pytest.fixture(scope="module")
def passed() -> Recorded:
    return recorded(draw(4))


@pytest.fixture(scope="module")
def sweep(failed: Recorded) -> list[RunResult]:
    results = [run(draw(seed)) for seed in range(6)]
    return [*results, failed.result]


def check_self_contained(page: str) -> Outline:
    outline = Outline(page)
    assert outline.open == []
    assert not re.search(r"https?:|//[a-z]+\.[a-z]|@import|url\(", page)
    assert not {"src", "srcset", "action"} & set(outline.names)
    assert not {"link", "img", "iframe", "object"} & set(outline.tags)
    assert len(page.encode()) < BYTES_MAX
    assert len(set(outline.ids)) == len(outline.ids)
    return outline


def test_a_failed_run_has_all_its_parts(failed: Recorded) -> None:
    outline = check_self_contained(failed.page)

    sections = {"cause", "run", "lives", "disk", "latency", "properties", "faults"}
    assert sections | {"events", "script", "data"} <= set(outline.ids)
    assert "a write that returned survives what its level promises" in failed.page
    assert "prefers-color-scheme: dark" in failed.page
    assert "trio" in failed.page


def test_a_run_that_is_well_says_so(passed: Recorded) -> None:
    outline = check_self_contained(passed.page)

    assert passed.result.verdict == "ok"
    assert "Every promise was kept" in passed.page
    assert "cause" not in outline.ids
    assert "python -m sim run --seed 4" in passed.page


def test_the_data_of_a_run_can_be_read(failed: Recorded) -> None:
    data = json.loads(Outline(failed.page).data)

    assert data["verdict"] == failed.result.verdict
    assert data["digest"] == failed.result.digest
    assert len(data["io"]) >= failed.result.io_calls
    assert 60 <= len(data["operations"]) <= failed.result.operations


def test_the_broken_promise_is_named(failed: Recorded) -> None:
    story = read_story(failed.recorder.events)
    roles = blame(story).roles
    spans = {span.number: span for span in story.operations}
    (broken,) = [spans[n] for n, role in roles.items() if role == "broken"]
    (found,) = [spans[n] for n, role in roles.items() if role == "found"]

    assert broken.answer == "done"
    assert repr(broken.values[0]) in failed.result.detail
    assert f"is {found.values[0]!r}" in failed.result.detail
    assert found.number < broken.number


def test_who_saw_the_violation_is_named() -> None:
    (bug,) = [bug for bug in PLANTED if bug.name == "scan-limit-holds-for-each-chunk"]
    for seed in range(30):
        recorder = Recorder()
        with bug.plant():
            result = run(bug.draw(seed), recorder)
        if result.verdict == "range":
            break
    story = read_story(recorder.events)
    (number,) = blame(story).roles
    (span,) = [span for span in story.operations if span.number == number]

    assert isinstance(span.operation, ops.Scan)
    assert result.detail.startswith(str(span.operation))


def test_every_oracle_has_its_row(failed: Recorded, passed: Recorded) -> None:
    checks = count_checks(passed.recorder.events)

    assert set(checks) <= set(ORACLES)
    assert checks["acknowledged-survives"] > 1
    assert checks["leak"] == sum(
        life.ending.kind == "close" for life in passed.script.lives
    )
    for name, told in ORACLES.items():
        assert name in failed.page
        assert told in failed.page


def test_text_of_a_run_can_not_become_markup() -> None:
    assert element("p", "<b> & 'x'") == "<p>&lt;b&gt; &amp; &#x27;x&#x27;</p>"
    assert element("i", class_='"') == '<i class="&quot;"></i>'

    recorder = Recorder()
    script = draw(3)
    result = run(script, recorder)
    detail = "</script><script>alert(1)</script>"
    recorder.violated(Violation("bank", detail))
    result = attrs.evolve(result, verdict="bank", detail=detail)
    page = write_report(script, result, recorder)

    assert "<script>alert" not in page
    assert json.loads(check_self_contained(page).data)["detail"] == detail


def test_a_sweep_has_all_its_parts(sweep: list[RunResult], failed: Recorded) -> None:
    seed = failed.result.seed
    page = write_sweep_report(sweep, seconds=1.5)
    outline = check_self_contained(page)

    assert {"failures", "seeds", "sizes", "faults", "situations"} <= set(outline.ids)
    assert page.count('data-seed="') == len(sweep)
    title = f'class="failed" title="seed {seed}: acknowledged-survives"'
    assert page.count(title) == 1
    assert f"seed-{seed}" in outline.ids
    assert "power cut" in page
    assert all(name in page for name in SITUATIONS)
    assert ">never<" in page


def test_a_sweep_of_nothing_is_a_page_too() -> None:
    check_self_contained(write_sweep_report([]))


def test_large_sweeps_stay_small(sweep: list[RunResult]) -> None:
    results = [attrs.evolve(sweep[n % 6], seed=n) for n in range(20_000)]
    page = write_sweep_report(results)

    assert len(check_self_contained(page).ids) < 20
    assert "Each cell stands for 4 seeds." in page


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.0, "0"),
        (2e-6, "2 µs"),
        (0.001, "1 ms"),
        (9.99999e-4, "1 ms"),
        (12.5, "12.5 s"),
        (90_000.0, "25 h"),
    ],
)
def test_seconds_have_a_unit_that_fits(seconds: float, text: str) -> None:
    assert seconds_text(seconds) == text


def test_numbers_are_told_as_people_read_them() -> None:
    assert [bytes_text(n) for n in (7, 2048, 3 << 20)] == ["7 B", "2.0 KiB", "3.0 MiB"]
    assert moment_texts([0.5, 0.54, 2.0]) == ["0.50 s", "0.54 s", "2.00 s"]
    assert moment_texts([0.0, 0.01]) == ["0 ms", "10 ms"]
    assert moment_texts([]) == []
    assert [short_count(n) for n in (7, 999, 1234, 30_000)] == [
        *("7", "999", "1.23k", "30k")
    ]
    assert [percentile([1, 2, 3, 4], share) for share in (0.0, 0.5, 0.99)] == [1, 2, 4]
