"""One run as one page: verdict, cause, lanes, disks, tables, and every event.

Invariants
- What the page says does not need its script: that only adds what the mouse points at.
"""

from sim.console import render
from sim.draw import draw
from sim.oracle import ORACLES
from sim.record import Recorder
from sim.report.blame import OPERATION_ROLES, Blame, blame
from sim.report.disks import disk_legend, disk_note, draw_disk
from sim.report.kinds import GROUP_NAMES
from sim.report.markup import Html, element
from sim.report.numbers import NOTHING, count_text, seconds_text
from sim.report.skeleton import (
    cell,
    command,
    facts,
    page,
    section,
    table,
    versions_of_here,
)
from sim.report.story import LifePart, Story, read_story
from sim.report.tables import fault_table, latency_table, property_table
from sim.report.timeline import life_lanes, overview
from sim.script import Script
from sim.wording import counted, describe, name_of, values
from sim.world import RunResult

LOG_WIDTH = 150
GUILTY = ("broken", "seen")
BROKEN_FIRST = ("broken", "seen", "found", "story")


def write_report(
    script: Script, result: RunResult, recorder: Recorder, *, again: str = ""
) -> str:
    """Return a page about one run that was recorded; `again` is the command that repeats it."""
    again = again or command_of(script)
    story = read_story(recorder.events)
    guilt = blame(story)
    parts = [
        _header(script, result, story, again),
        _cause(story, guilt),
        _run(story, guilt),
        _lives(story, guilt),
        _disks(story, result),
        section(
            "Latency",
            "Virtual seconds from asking to the answer. The bar is the median.",
            latency_table(story),
            name="latency",
        ),
        section(
            "Properties",
            "What was watched, on how many occasions, and whether it held.",
            property_table(recorder, result),
            name="properties",
        ),
        section(
            "Faults",
            "What was done to the disk, in order, and the Io operation that it met.",
            fault_table(story),
            name="faults",
        ),
        _events(recorder),
        _script(script),
    ]
    title = f"seed {result.seed}: {result.verdict}"
    return page(title, *parts, data=_data(result, story, guilt) | {"command": again})


# What it came to.


def _header(script: Script, result: RunResult, story: Story, again: str) -> Html:
    is_well = result.verdict == "ok"
    kind = "is-good" if is_well else "is-bad"
    told = (
        "Every promise was kept: nothing that was watched was violated."
        if is_well
        else f"Violated: {ORACLES.get(result.verdict, result.verdict)}."
    )
    detail = element("pre", result.detail)
    return element(
        "header",
        element("p", f"Simulated run of Tempest, seed {result.seed}", class_="over"),
        element("h1", result.verdict, class_=kind),
        element("p", told, class_="lead"),
        None if is_well else element("div", detail, class_="detail"),
        facts(
            {
                "seed": str(result.seed),
                "lives": f"{len(story.lives)} of {len(script.lives)}",
                "crashes": count_text(result.crashes),
                "operations": count_text(result.operations),
                "Io operations": count_text(sum(len(life.io) for life in story.lives)),
                "virtual time": seconds_text(result.virtual_seconds),
                "faults that hit": count_text(sum(result.faults.values())),
            }
        ),
        command(again),
        versions_of_here({"digest": result.digest}),
        class_="" if is_well else "failed",
    )


def command_of(script: Script) -> str:
    """Return what to type to see this run again."""
    if script == draw(script.seed):
        return f"python -m sim run --seed {script.seed}"
    return "python -m sim replay --script FILE   # FILE: the script at the end of this page"


def _cause(story: Story, guilt: Blame) -> Html:
    if not guilt.roles:
        return Html()
    spans = sorted(
        (span for span in story.operations if span.number in guilt.roles),
        key=lambda span: (BROKEN_FIRST.index(guilt.roles[span.number]), span.number),
    )
    rows = [
        element(
            "tr",
            cell(OPERATION_ROLES[guilt.roles[span.number]]),
            cell(str(span.number), "n"),
            cell(f"client {span.lane}, life {span.life}"),
            cell(f"{span.at:.6f} {NOTHING} {span.until:.6f}", "n mono"),
            cell(f"{name_of(span.operation)} {describe(span.operation)}", "mono"),
            cell(span.answer),
            class_="named" if guilt.roles[span.number] in GUILTY else None,
        )
        for span in spans
    ]
    heads = [
        *(("", ""), ("number", "n"), ("who", ""), ("virtual seconds", "n")),
        *(("operation", ""), ("answer", "")),
    ]
    note = (
        "The operations that the violation names; triangles point at them in the lanes."
    )
    return section("The promise", note, table(heads, rows), name="cause")


# Lanes.


def _run(story: Story, guilt: Blame) -> Html:
    note = (
        "Time goes from left to right, as wide as what happens in it: silence is shortened, "
        "labels are virtual seconds. A number on top is a life; red lines are crashes, "
        "amber bands faults."
    )
    return section("The run", note, _legend(), overview(story, guilt), name="run")


def _legend() -> Html:
    items = [
        element("span", element("i", class_=name), text)
        for name, text in GROUP_NAMES.items()
    ]
    items += [
        element(
            "span", element("i", class_="level"), "bytes in a level, and its tables"
        ),
        element("span", element("i", class_="fault"), "fault"),
        element("span", element("i", class_="line crash"), "crash"),
    ]
    return element("div", *items, class_="legend")


def _lives(story: Story, guilt: Blame) -> Html:
    note = (
        "Each life on an axis of its own, with every Io operation: blue writes, green reads, "
        "dark syncs, grey the rest. Dashed operations were cut off: nobody knows."
    )
    shown = _shown(story, guilt)
    lives = [_life(story, life, guilt, is_open=life in shown) for life in story.lives]
    return section("Lives", note, *lives, name="lives")


def _shown(story: Story, guilt: Blame) -> list[LifePart]:
    """Return the lives to open at once: where it broke, and what was promised."""
    named = {s.life for s in story.operations if guilt.roles.get(s.number) in GUILTY}
    shown = [
        life
        for life in story.lives
        if life.violated is not None or life.number in named
    ]
    return shown or story.lives[:1]


def _life(story: Story, life: LifePart, guilt: Blame, *, is_open: bool) -> Html:
    words = [f"{counted(len(life.operations), 'operation')}, {len(life.io)} of Io"]
    words += [f"recovery: {life.recovery}"] if life.recovery else ["never opened"]
    if life.violated:
        words.append(f"violated: {life.violated[1].name}")
    summary = element(
        "summary",
        element("strong", f"Life {life.number}, {life.text}"),
        element("span", "; ".join(words), class_="note"),
    )
    return element(
        "details",
        summary,
        life_lanes(story, life, guilt),
        id=f"life-{life.number}",
        open="" if is_open else None,
    )


# Disks, events, script.


def _disks(story: Story, result: RunResult) -> Html:
    crashed = [life for life in story.lives if life.disk is not None]
    if not crashed:
        return Html()
    hurt = [
        life
        for life in crashed
        if life.disk and any(file.lost for file in life.disk.files)
    ]
    shown = (hurt or crashed)[-1]
    parts = [
        element(
            "details",
            element(
                "summary",
                element(
                    "strong", f"{life.dark[1].kind} at the end of life {life.number}"
                ),
                element("span", disk_note(life), class_="note"),
            ),
            draw_disk(life.disk, result.detail),
            open="" if life is shown else None,
        )
        for life in crashed
        if life.dark is not None and life.disk is not None
    ]
    note = "Each file as it could be seen before the crash, from its first byte to its last."
    return section("The disk at each crash", note, disk_legend(), *parts, name="disk")


def _events(recorder: Recorder) -> Html:
    text = "\n".join(render(recorder, width=LOG_WIDTH))
    rows = text.count("\n") + 1
    summary = element(
        "summary",
        element("strong", "Every event"),
        element(
            "span", f"{count_text(rows)} rows, without Io operations", class_="note"
        ),
    )
    log = element("details", summary, element("pre", text, class_="log"))
    return section("Events", "The run as the console shows it.", log, name="events")


def _script(script: Script) -> Html:
    text = repr(script)
    summary = element(
        "summary",
        element("strong", "The script"),
        element("span", "everything this run was made of", class_="note"),
    )
    button = element("button", "copy", data_copy=text, hidden="")
    pre = element("pre", text.replace("Life(options", "\nLife(options"), class_="log")
    log = element("details", summary, button, pre)
    note = "Save it in a file to run it again, or to take parts of it away."
    return section("Script", note, log, name="script")


def _data(result: RunResult, story: Story, guilt: Blame) -> dict[str, object]:
    """Return the run for scripts: what the page's own one shows, and more."""
    operations = {
        span.number: {
            "number": span.number,
            "life": span.life,
            "client": span.lane,
            "at": span.at,
            "until": span.until,
            "text": f"{name_of(span.operation)} {describe(span.operation)}",
            "answer": ": ".join(
                filter(None, (span.answer, span.error, values(span.saw)))
            ),
            "role": OPERATION_ROLES.get(guilt.roles.get(span.number, ""), ""),
        }
        for span in story.operations
    }
    io = {
        f"{life.number}.{span.index}": [span.at, span.until, span.text, span.answer]
        for life in story.lives
        for span in life.io
    }
    return {
        "seed": result.seed,
        "verdict": result.verdict,
        "detail": result.detail,
        "digest": result.digest,
        "faults": result.faults,
        "situations": list(result.situations),
        "operations": operations,
        "io": io,
    }
