"""Which operations a violation is about: what was promised and broken, what was seen instead.

The detail of a violation tells the story of a key: `write 19 (returned): b'0.0.19:'`. Writes are
counted by client and from the last recovery, as the recorder counts them, so a story leads back
to operations.

Invariants
- Nothing is named that the detail does not name.
"""

import re

import attrs

from sim.events import OPEN, Violated
from sim.report.story import OperationSpan, Story

STEP = re.compile(r"write (\d+) \((returned|open|refused)\): (.*?)(?=; write \d+ \(|$)")
FLOOR = re.compile(r"of client (\d+), at least (\d+) of \d+ writes")
HOLE = re.compile(r"not all first (\d+) of client (\d+)")
FOUND = re.compile(r"(?: is|update found) (b'.*?'|b\".*?\"|None)[:.] ", re.DOTALL)
OPERATION_ROLES = {
    "broken": "promised, and not kept",
    "seen": "was told what must not be",
    "found": "wrote what was found instead",
    "story": "another write of this key",
}


@attrs.define
class Blame:
    """Numbers of operations, and the role of each: a key of `OPERATION_ROLES`."""

    roles: dict[int, str] = attrs.field(factory=dict)


def blame(story: Story) -> Blame:
    """Find the operations that the violation of a run names."""
    violated = story.violated
    if violated is None:
        return Blame()
    roles = _seen(story, violated)
    client, floor = _floor(violated)
    steps = [
        (int(index), state, value)
        for index, state, value in STEP.findall(violated.detail)
    ]
    for index, _, value in steps:
        _name(roles, _writers(story, violated, client, index, value), "story")
    found = FOUND.search(violated.detail)
    was_found = found[1] if found else ""
    if was_found and was_found != "None":
        _name(roles, _writers(story, violated, client, -1, was_found), "found")
    promised = [
        (index, value)
        for index, state, value in steps
        if state == "returned" and (floor is None or index < floor)
    ]
    if floor and not steps:
        promised = [(floor - 1, "None")]
    for index, value in promised[-1:]:
        if value != was_found:
            _name(roles, _writers(story, violated, client, index, value), "broken")
    return Blame(roles)


def _seen(story: Story, violated: Violated) -> dict[int, str]:
    """Return the operation that its client had asked for when it found the violation."""
    asked = [
        span
        for span in story.operations
        if span.lane == violated.lane and span.at <= violated.at <= span.until
    ]
    if asked and asked[-1].answer in (OPEN, "failed"):
        return {asked[-1].number: "seen"}
    return {}


def _floor(violated: Violated) -> tuple[int | None, int | None]:
    """Return whose writes are meant, and how many of them had to be there."""
    match = FLOOR.search(violated.detail)
    if match:
        return int(match[1]), int(match[2])
    match = HOLE.search(violated.detail)
    if match:
        return int(match[2]), int(match[1])
    return None, None


def _writers(
    story: Story, violated: Violated, client: int | None, index: int, value: str
) -> list[OperationSpan]:
    """Find a write by its value, which no other has, or a deletion by its place."""
    if value != "None":
        return [s for s in story.operations if value in map(repr, s.values)]
    return [
        span
        for span in story.operations
        if span.epoch == violated.epoch
        and index in span.writes
        and client in (None, span.lane)
    ]


def _name(roles: dict[int, str], spans: list[OperationSpan], role: str) -> None:
    """Give a role if it is clear whose it is."""
    if len(spans) == 1:
        roles[spans[0].number] = role
