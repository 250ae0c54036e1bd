"""`checkpoint`, `backup`, `restore` and `inspect`, from arguments to exit status."""

from pathlib import Path

import pytest

from tests.tempest.cli.conftest import Tempest


@pytest.fixture
def filled(tempest_command: Tempest, store: Path) -> Path:
    assert tempest_command("put", store, "key", "old").status == 0
    return store


def spoil_a_table(folder: Path) -> None:
    table = max(folder.glob("table-*"))
    data = bytearray(table.read_bytes())
    data[len(data) // 2] ^= 1
    table.write_bytes(data)


def test_a_checkpoint_is_made_listed_and_restored(
    tempest_command: Tempest, filled: Path
) -> None:
    made = tempest_command("checkpoint", "create", filled, "--cookie", "mine")
    token = made.out.decode().strip()
    tempest_command("put", filled, "key", "new")
    listed = tempest_command("checkpoint", "list", filled, "--json").json
    told = tempest_command("checkpoint", "info", filled, token, "--json").json
    table = tempest_command("checkpoint", "list", filled).out.decode()
    restored = tempest_command("checkpoint", "restore", filled, token)

    assert listed == [told]
    assert isinstance(told, dict)
    assert (told["token"], told["kind"], told["cookie"]) == (token, "full", "mine")
    assert token in table
    assert (restored.status, restored.err) == (0, "")
    assert tempest_command("get", filled, "key").out == b"old"


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (["--kind", "index"], "index"),
        (["--kind", "log"], "log"),
        (["--kind", "full", "--style", "snapshot"], "full"),
    ],
)
def test_every_kind_can_be_asked_for(
    tempest_command: Tempest, filled: Path, words: list[str], kind: str
) -> None:
    made = tempest_command("checkpoint", "create", filled, *words, "--json").json

    assert isinstance(made, dict)
    assert made["kind"] == kind


def test_incremental_checkpoints_build_upon_others(
    tempest_command: Tempest, filled: Path
) -> None:
    words = ("checkpoint", "create", filled, "--kind", "incremental", "--json")
    alone = tempest_command(*words)
    base = tempest_command("checkpoint", "create", filled).out.decode().strip()
    upon = tempest_command(*words, "--base", base).json

    assert alone.status == 2
    assert isinstance(upon, dict)
    assert upon["base"] == base


def test_validate_reads_and_restore_names_what_it_passed_over(
    tempest_command: Tempest, filled: Path
) -> None:
    snapshot = ("checkpoint", "create", filled, "--style", "snapshot")
    first = tempest_command(*snapshot).out.decode().strip()
    tempest_command("put", filled, "key", "new")
    second = tempest_command(*snapshot).out.decode().strip()
    whole = tempest_command("checkpoint", "validate", filled)
    spoil_a_table(filled)
    damaged = tempest_command("checkpoint", "validate", filled, "--json")
    one = tempest_command("checkpoint", "validate", filled, first)
    refused = tempest_command("checkpoint", "restore", filled, second)
    newest = tempest_command("checkpoint", "restore", filled, "--newest-valid")

    assert (whole.status, whole.out.count(b"whole")) == (0, 2)
    assert damaged.status == 1
    assert isinstance(damaged.json, list)
    assert [report["is_valid"] for report in damaged.json] == [True, False]
    assert one.status == 0
    assert (refused.status, refused.out) == (2, b"")
    assert newest.out.decode().startswith(f"passed over {second}: ")
    assert tempest_command("get", filled, "key").out == b"old"


def test_prune_keeps_the_newest(tempest_command: Tempest, filled: Path) -> None:
    create = ("checkpoint", "create", filled)
    tokens = [tempest_command(*create).out.decode().strip() for _ in range(3)]
    gone = tempest_command("checkpoint", "prune", filled, "--keep", 1)
    none = tempest_command("checkpoint", "prune", filled, "--keep", 0)
    automatic = tempest_command(
        "checkpoint", "prune", filled, "--keep", 1, "--automatic-only", "--json"
    )

    assert gone.out.decode().split() == tokens[:2]
    assert none.status == 2
    assert automatic.json == []


def test_a_backup_is_made_continued_and_restored(
    tempest_command: Tempest, filled: Path, tmp_path: Path
) -> None:
    copy, new = tmp_path / "copy", tmp_path / "new"
    first = tempest_command("backup", filled, copy, "--json").json
    tempest_command("put", filled, "key", "new")
    second = tempest_command("backup", filled, copy)
    third = tempest_command("backup", filled, copy, "--json", "--unverified").json
    restored = tempest_command("restore", copy, new)

    assert isinstance(first, dict)
    assert isinstance(third, dict)
    assert (first["is_incremental"], third["is_incremental"]) == (False, True)
    assert (first["is_verified"], third["is_verified"]) == (True, False)
    assert "backed up to" in second.out.decode()
    assert (restored.status, restored.err) == (0, "")
    for folder in (copy, new):
        assert tempest_command("get", folder, "key").out == b"new"
        assert tempest_command("verify", folder).status == 0


def test_what_is_in_the_way_is_one_sentence(
    tempest_command: Tempest, filled: Path, tmp_path: Path
) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday").write_bytes(b"sea")
    for words in (
        ("backup", filled, tmp_path / "photos"),
        ("restore", filled, tmp_path / "new"),
        ("restore", tmp_path / "photos", tmp_path / "new"),
        ("checkpoint", "restore", filled),
        ("checkpoint", "restore", filled, "nonsense"),
        ("checkpoint", "info", filled, "nonsense"),
        ("checkpoint", "validate", filled, "nonsense"),
        ("checkpoint", "list", tmp_path / "photos"),
        ("inspect", tmp_path / "photos"),
    ):
        finished = tempest_command(*words)
        assert (finished.status, finished.out) == (2, b""), words
        assert len(finished.err.splitlines()) == 1


def test_inspect_says_what_opening_then_reports(
    tempest_command: Tempest, filled: Path
) -> None:
    token = tempest_command("checkpoint", "create", filled, "--kind", "index")
    tempest_command("put", filled, "key", "new")
    found = tempest_command("inspect", filled, "--json")
    stats = tempest_command("stats", filled, "--json").json
    shown = tempest_command("inspect", filled)

    assert (found.status, shown.status) == (0, 0)
    assert isinstance(found.json, dict)
    assert isinstance(stats, dict)
    recovery = stats["recovery"]
    log = found.json["log"]
    for name in ("replay_from", "frames", "entries", "bytes", "torn_bytes"):
        assert log[name] == recovery[name], name
    assert log["index_checkpoint"] == token.out.decode().strip()
    assert log["entries"] == 1
    assert "index checkpoint" in shown.out.decode()


def test_inspect_says_that_opening_would_be_refused(
    tempest_command: Tempest, filled: Path
) -> None:
    tempest_command("checkpoint", "create", filled)
    next(filled.glob("table-*")).unlink()
    finished = tempest_command("inspect", filled, "--json")

    assert finished.status == 1
    assert isinstance(finished.json, dict)
    assert finished.json["log"] is None
    assert "no such file exists" in finished.json["problem"]
