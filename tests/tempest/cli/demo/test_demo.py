"""The demo, small: real processes, really killed."""

import subprocess
import sys
from pathlib import Path

import pytest

import tempest
from tempest.cli.demo import trial
from tempest.cli.demo.acks import Acks, AckWriter
from tempest.cli.demo.child import ORPHANED
from tempest.cli.demo.plan import make_plan, write_plan
from tempest.cli.demo.story import Story
from tempest.cli.demo.trial import Trial
from tests.tempest.cli.conftest import Tempest

KILLS = 2
EARLY = 2  # a seed whose kills come long before the load is done
FILES = 300


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for number in range(FILES):
        path = tmp_path / "tree" / f"folder{number % 5}" / f"[file]{number}"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"%d" % number * (number * 37 % 5000))
    return tmp_path / "tree"


@pytest.fixture
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the demo makes its folder."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    return folder


def test_the_demo_finds_everything_and_leaves_nothing(
    tempest_command: Tempest, tree: Path, temporary: Path
) -> None:
    options = ("--kills", KILLS, "--seed", EARLY, "--json")

    finished = tempest_command("demo", "--tree", tree, *options)

    outcome = finished.json
    assert isinstance(outcome, dict)
    assert (finished.status, finished.err) == (0, "")
    assert outcome["files"] == outcome["final"]["rows"] == FILES
    assert outcome["final"]["faults"] == []
    assert len(outcome["lives"]) == KILLS
    assert sum(life["killed_twice"] for life in outcome["lives"]) == 1
    assert len(outcome["scans"]) == 4
    assert outcome["whole"] is True
    assert list(temporary.iterdir()) == []


def test_the_demo_tells_a_story_and_keeps_the_store_if_asked(
    tempest_command: Tempest, tree: Path, temporary: Path
) -> None:
    options = ("--kills", 1, "--seed", EARLY, "--keep")

    finished = tempest_command("demo", "--tree", tree, *options)

    story = finished.out.decode()
    (folder,) = temporary.iterdir()
    for words in [
        f"--seed {EARLY}",
        "SIGKILL 1 after",
        "Load finished",
        f"all {FILES} are there; nothing else",
        f"Nothing acknowledged was lost and nothing else appeared: {FILES} files",
        f"The store is in {folder / 'store'}.",
    ]:
        assert words in story
    assert tempest_command("verify", folder / "store").status == 0


def test_a_lost_write_is_found(
    tempest_command: Tempest,
    tree: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    finish = trial._finish

    async def finish_and_lose_one(it: Trial, acks: Acks, story: Story) -> None:
        await finish(it, acks, story)
        async with tempest.open_store(it.store) as store:
            await store.delete(it.plan.key(17))
            await store.put(b"stranger", b"")

    monkeypatch.setattr(trial, "_finish", finish_and_lose_one)

    finished = tempest_command("demo", "--tree", tree, "--kills", 1, "--seed", EARLY)

    lost = make_plan(str(tree)).files[17]
    story = finished.out.decode()
    assert finished.status == 1
    assert "FAILED" in story
    assert f"  {lost} was acknowledged and is gone\n" in story
    assert "  stranger is there and was never written\n" in story
    assert list(temporary.iterdir()) == []


def test_a_loader_that_fails_by_itself_is_named(
    tempest_command: Tempest,
    tree: Path,
    temporary: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tempest.cli.demo.loader.MODULE", "tempest.cli.demo.nowhere")

    finished = tempest_command("demo", "--tree", tree)

    assert finished.status == 2
    assert "tempest.cli.demo.nowhere" in finished.err
    assert list(temporary.iterdir()) == []


def test_a_loader_ends_with_its_parent(tree: Path, tmp_path: Path) -> None:
    write_plan(make_plan(str(tree)), tmp_path / "plan")
    AckWriter(tmp_path / "acks").close()

    with subprocess.Popen(
        [
            *(sys.executable, "-m", "tempest.cli.demo.child"),
            *(tmp_path / name for name in ("store", "plan", "acks")),
        ],
        cwd=Path(__file__).parents[4],
        stdin=subprocess.PIPE,
    ) as loader:
        loader.communicate()

    assert loader.returncode == ORPHANED
