"""docs/architecture.md describes the house that stands: every module, no other, real tests."""

import re
from pathlib import Path

import pytest

from tests.test_architecture import STEPS

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "architecture.md").read_text()
FOLDERS = re.findall(r"^### `([\w/]+)`$", PAGE, re.MULTILINE)


def described(folder: str) -> set[str]:
    """Return the modules named in the first column of the folder's table."""
    section = PAGE.partition(f"### `{folder}`\n")[2].partition("\n#")[0]
    rows = re.findall(r"^\| (`.+?) \|", section, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([\w/]+)`", row)}


@pytest.mark.parametrize("folder", FOLDERS)
def test_every_module_has_its_line(folder: str) -> None:
    place = ROOT / folder
    modules = {path.stem for path in place.glob("*.py") if path.stem[:2] != "__"}
    beside = {
        f"{path.name}/"
        for path in place.iterdir()
        if (path / "__init__.py").is_file() and f"{folder}/{path.name}" not in FOLDERS
    }

    assert described(folder) == modules | beside


def test_every_package_has_its_table() -> None:
    packages = {"io_backends", "journal", "tempest", "sim"}

    assert packages <= set(FOLDERS)


def test_the_steps_are_those_that_are_enforced() -> None:
    rows = re.findall(r"^\| \d \| ([\w, /]+) \|$", PAGE, re.MULTILINE)
    steps = [set(row.replace("/", "").split(", ")) for row in rows]

    assert steps == list(STEPS[: len(steps)])
    assert STEPS[len(steps) :] == ({"__init__"}, {"cli"})


def test_the_tests_it_points_to_exist() -> None:
    named = re.findall(r"`(tests/[\w/.]+)`", PAGE)

    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []
