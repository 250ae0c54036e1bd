"""The demo's judge: it must see every kind of wrong, and cry wolf over none."""

from pathlib import Path

import pytest

from tempest.cli.demo.acks import Acks
from tempest.cli.demo.check import judge
from tempest.cli.demo.plan import GROUP_FILES, Manner, Plan

PLAN = Plan("/tree", tuple(f"f{index:02}" for index in range(3 * GROUP_FILES)), 0)
BATCH = range(GROUP_FILES)
PUTS = range(GROUP_FILES, 2 * GROUP_FILES)


def acks(acknowledged: range = range(0), begun: range = range(0)) -> Acks:
    return Acks(
        Path("acks"),
        acknowledged={index: index for index in acknowledged},
        begun={index: [index] for index in begun},
    )


def content(*runs: range) -> dict[bytes, int]:
    return {PLAN.key(index): index for run in runs for index in run}


def test_groups_take_turns() -> None:
    assert [PLAN.manner(run.start) for run in (BATCH, PUTS)] == [
        Manner.BATCH,
        Manner.PUTS,
    ]
    assert {PLAN.group(index) for index in PUTS} == {PUTS}


@pytest.mark.parametrize(
    ("found", "noted"),
    [
        (content(), acks()),
        (content(), acks(begun=BATCH)),
        (content(BATCH), acks(begun=BATCH)),
        (content(BATCH), acks(acknowledged=range(3), begun=range(3, GROUP_FILES))),
        (content(BATCH, range(8, 11)), acks(acknowledged=BATCH, begun=PUTS)),
        (content(BATCH, PUTS), acks(acknowledged=range(2 * GROUP_FILES))),
    ],
)
def test_what_a_kill_may_leave_is_sound(found: dict[bytes, int], noted: Acks) -> None:
    assert judge(found, PLAN, noted).faults == ()


@pytest.mark.parametrize(
    ("found", "noted", "fault"),
    [
        (content(), acks(acknowledged=range(1)), "f00 was acknowledged and is gone"),
        ({b"f00": 7}, acks(acknowledged=range(1)), "f00 has content that was never"),
        ({b"f08": 7}, acks(begun=PUTS), "f08 has content that was never"),
        (content(range(1)), acks(), "f00 is there and was never written"),
        ({b"[x]": 0}, acks(), "[x] is there and was never written"),
        (content(range(3)), acks(begun=BATCH), "the batch of f00 was torn"),
    ],
)
def test_what_a_kill_may_not_leave_is_a_fault(
    found: dict[bytes, int], noted: Acks, fault: str
) -> None:
    verdict = judge(found, PLAN, noted)

    assert not verdict.sound
    assert [found for found in verdict.faults if found.startswith(fault)]


def test_what_was_in_flight_is_counted() -> None:
    noted = acks(acknowledged=BATCH, begun=PUTS)

    verdict = judge(content(BATCH, range(8, 11)), PLAN, noted)

    assert (verdict.acknowledged, verdict.rows) == (8, 11)
    assert (verdict.in_flight, verdict.in_flight_kept) == (8, 3)
