"""docs/faults.md knows every kind of fault and every row, and names oracles and fields that exist."""

import re
from pathlib import Path

import attrs

from sim import ORACLES, Ending, Life
from sim.faults import CONTRACTS

PAGE = (Path(__file__).parents[2] / "docs" / "faults.md").read_text()
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d+ \|", line)
]


def test_there_is_a_line_for_every_row_of_the_taxonomy() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 36))
    assert all(len(row) == 6 and all(row) for row in ROWS)


def test_every_kind_with_a_contract_is_named() -> None:
    assert [kind for kind in CONTRACTS if kind not in PAGE] == []


def test_oracles_and_fields_exist() -> None:
    fields = {field.name for part in (Life, Ending) for field in attrs.fields(part)}
    for row in ROWS:
        oracles = row[5].split(", ")
        assert [name for name in oracles if name not in {*ORACLES, "all"}] == []
        for field in re.findall(r"`(?:ending\.)?([a-z_]+)`", row[4]):
            known = fields | {"cut", "kill", "during", "drop_pages"}
            is_policy = "ending.policy" in row[4]
            assert field in known or is_policy, f"row {row[0]}: {field}"
