"""What the demo loads."""

from pathlib import Path
from random import Random

import pytest

from tempest.cli.demo import plan as plan_module
from tempest.cli.demo.plan import make_plan, read_plan, write_plan
from tempest.cli.demo.scans import expected_keys, largest_folders
from tempest.cli.demo.trial import LOADED_SHARE_MAX, choose_moments
from tempest.cli.output import UsageError


def make_tree(root: Path) -> None:
    for folder, count in [("a", 3), ("b", 1), ("c", 2), ("d", 4), ("e", 5)]:
        (root / folder).mkdir(parents=True)
        for number in range(count):
            (root / folder / f"{number}.txt").write_bytes(b"0123456789")


def test_the_standard_library_is_taken_without_site_packages() -> None:
    plan = make_plan(None)

    assert len(plan.files) > 500
    assert "asyncio/base_events.py" in plan.files
    assert all(name.endswith(".py") for name in plan.files)
    assert not any("site-packages" in name for name in plan.files)


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    make_tree(tmp_path / "tree")
    plan = make_plan(str(tmp_path / "tree"))

    write_plan(plan, tmp_path / "plan")

    assert read_plan(tmp_path / "plan") == plan
    assert plan.read(0) == b"0123456789"
    assert plan.bytes_total == 10 * len(plan.files)


def test_a_plan_ends_before_its_bytes_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_tree(tmp_path)
    monkeypatch.setattr(plan_module, "BYTES_MAX", 42)

    assert make_plan(str(tmp_path)).bytes_total == 40


def test_a_tree_that_is_no_folder_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no folder"):
        make_plan(str(tmp_path / "nowhere"))
    with pytest.raises(UsageError, match="holds no files"):
        make_plan(str(tmp_path))


def test_the_largest_folders_are_scanned(tmp_path: Path) -> None:
    make_tree(tmp_path)
    plan = make_plan(str(tmp_path))

    assert largest_folders(plan) == ["a", "c", "d", "e"]
    assert expected_keys(plan, b"c/") == [b"c/0.txt", b"c/1.txt"]


@pytest.mark.parametrize("files", [1, 2, 10, 1790])
def test_kills_come_in_order_before_the_load_is_done(files: int) -> None:
    moments = choose_moments(Random(7), files, 6)

    assert moments == choose_moments(Random(7), files, 6) == sorted(moments)
    assert len(moments) == 6
    assert moments[0] >= 1
    assert moments[-1] <= max(1, files * LOADED_SHARE_MAX)
