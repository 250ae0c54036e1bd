"""Single commands, from arguments to exit status."""

import json
from pathlib import Path

import pytest

from tests.tempest.cli.conftest import Tempest

ROWS = [("a", "1"), ("user:[1]", "ada"), ("user:2", "grace\n"), ("v", "")]


@pytest.fixture
def filled(tempest_command: Tempest, store: Path) -> Path:
    lines = "\n".join(json.dumps({"key": key, "value": value}) for key, value in ROWS)
    assert tempest_command("load", store, "-", stdin=lines.encode()).status == 0
    return store


def test_get_gives_exactly_the_bytes(tempest_command: Tempest, filled: Path) -> None:
    finished = tempest_command("get", filled, "user:2")

    assert (finished.status, finished.out, finished.err) == (0, b"grace\n", "")


def test_get_as_json(tempest_command: Tempest, filled: Path) -> None:
    found = tempest_command("get", filled, "user:[1]", "--json")
    absent = tempest_command("get", filled, "nobody", "--json")

    assert found.json == {"key": "user:[1]", "found": True, "value": "ada"}
    assert absent.json == {"key": "nobody", "found": False}
    assert (found.status, absent.status) == (0, 1)


def test_an_absent_key_is_status_one(tempest_command: Tempest, filled: Path) -> None:
    finished = tempest_command("get", filled, "nobody")

    assert (finished.status, finished.out) == (1, b"")


def test_put_makes_a_store_and_get_finds_it(
    tempest_command: Tempest, store: Path
) -> None:
    put = tempest_command("put", store, "key", "value", "--json")
    get = tempest_command("get", store, "key")

    assert put.json == {"key": "key", "value_bytes": 5}
    assert get.out == b"value"


def test_put_takes_any_bytes(
    tempest_command: Tempest, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").write_bytes(b"\xff\x00from a file")
    hexadecimal = ("--encoding", "hex")

    tempest_command("put", store, "00ff", "0a", *hexadecimal)
    tempest_command("put", store, "file", "--value-file", tmp_path / "file")
    tempest_command("put", store, "stdin", "--value-file", "-", stdin=b"\xfein")
    tempest_command("put", store, "--", "-key", "-value")

    assert tempest_command("get", store, "00ff", *hexadecimal).out == b"\n"
    assert tempest_command("get", store, "file").out == b"\xff\x00from a file"
    assert tempest_command("get", store, "stdin").out == b"\xfein"
    assert tempest_command("get", store, "--", "-key").out == b"-value"


def test_delete_says_whether_it_was_there(
    tempest_command: Tempest, filled: Path
) -> None:
    first = tempest_command("delete", filled, "user:2", "--json")
    second = tempest_command("delete", filled, "user:2", "--json")

    assert (first.status, first.json) == (0, {"key": "user:2", "found": True})
    assert (second.status, second.json) == (1, {"key": "user:2", "found": False})
    assert tempest_command("get", filled, "user:2").status == 1


def test_scan_prints_rows_in_order(tempest_command: Tempest, filled: Path) -> None:
    out = tempest_command("scan", filled).out.decode()

    assert out == "a\t1\nuser:2\tgrace\\n\nuser:[1]\tada\nv\t\n"


@pytest.mark.parametrize(
    ("options", "keys"),
    [
        (["--prefix", "user:"], ["user:2", "user:[1]"]),
        (["--start", "user:2", "--stop", "v"], ["user:2", "user:[1]"]),
        (["--reverse", "--limit", "2"], ["v", "user:[1]"]),
        (["--limit", "0"], []),
        (["--prefix", "75", "--encoding", "hex"], ["user:2", "user:[1]"]),
    ],
)
def test_scan_takes_what_the_store_takes(
    tempest_command: Tempest, filled: Path, options: list[str], keys: list[str]
) -> None:
    finished = tempest_command("scan", filled, "--keys-only", *options)

    assert finished.out.decode().splitlines() == keys


def test_what_scan_prints_load_takes_back(
    tempest_command: Tempest, filled: Path, tmp_path: Path
) -> None:
    tempest_command("put", filled, "ff", "fe00", "--encoding", "hex")
    printed = tempest_command("scan", filled, "--json")
    (tmp_path / "rows").write_bytes(printed.out)

    loaded = tempest_command("load", tmp_path / "copy", tmp_path / "rows", "--json")

    assert printed.json_lines[-1] == {"key_base64": "/w==", "value_base64": "/gA="}
    assert isinstance(loaded.json, dict)
    assert loaded.json["rows"] == len(ROWS) + 1
    assert tempest_command("scan", tmp_path / "copy", "--json").out == printed.out


def test_load_takes_a_tree(
    tempest_command: Tempest, store: Path, tmp_path: Path
) -> None:
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "[file].txt").write_bytes(b"content")

    finished = tempest_command("load", store, tmp_path / "tree")

    assert finished.out.startswith(b"1 rows, 22 B, in ")
    assert finished.err == ""
    assert tempest_command("get", store, "deep/[file].txt").out == b"content"


def test_a_bad_line_keeps_what_stands_before_it(
    tempest_command: Tempest, store: Path
) -> None:
    lines = b'{"key": "a", "value": "1"}\n' * 300 + b"nonsense\n"

    finished = tempest_command("load", store, "-", stdin=lines)

    assert finished.status == 2
    assert "Line 301 of 'stdin' is no row" in finished.err
    assert tempest_command("get", store, "a").out == b"1"


def test_stats_as_tables_and_json(tempest_command: Tempest, filled: Path) -> None:
    tables = tempest_command("stats", filled)
    document = tempest_command("stats", filled, "--json").json

    assert (tables.status, tables.err) == (0, "")
    assert b"recovery" in tables.out
    assert isinstance(document, dict)
    assert "recovery" in document


def test_verify_says_what_is_whole(tempest_command: Tempest, filled: Path) -> None:
    text = tempest_command("verify", filled)
    document = tempest_command("verify", filled, "--json").json

    assert text.status == 0
    assert b"Every byte is whole" in text.out
    assert isinstance(document, dict)
    assert document["whole"] is True


@pytest.mark.parametrize(
    "command",
    [
        ["get", "{}", "key"],
        ["delete", "{}", "key"],
        ["scan", "{}"],
        ["stats", "{}"],
        ["verify", "{}"],
    ],
)
def test_no_store_is_one_sentence_and_nothing_is_made(
    tempest_command: Tempest, store: Path, command: list[str]
) -> None:
    finished = tempest_command(*(word.format(store) for word in command))

    assert finished.status == 2
    assert finished.out == b""
    assert str(store) in finished.err
    assert len(finished.err.splitlines()) == 1
    assert not store.exists()


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["nonsense"], "nonsense"),
        (["get", "store"], "KEY"),
        (["get", "store", "key", "--nonsense"], "--nonsense"),
        (["get", "store", "0g", "--encoding", "hex"], "'0g' is not hex"),
        (["scan", "store", "--limit", "few"], "--limit"),
        (["put", "store", "key"], "VALUE or a --value-file"),
        (["put", "store", "key", "v", "--value-file", "f"], "one of the two"),
        (["put", "store", "key", "--value-file", "nowhere"], "nowhere"),
        (["load", "store", "nowhere"], "nowhere"),
        (["load", "store", "--nonsense"], "--nonsense"),
        (["demo", "--kills", "0"], "--kills"),
        (["demo", "--tree", "nowhere"], "nowhere"),
    ],
)
def test_wrong_usage_is_one_sentence_on_stderr(
    tempest_command: Tempest,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)

    finished = tempest_command(*words)

    assert (finished.status, finished.out) == (2, b"")
    assert complaint in finished.err
    assert "Traceback" not in finished.err
    assert list(tmp_path.iterdir()) == []
