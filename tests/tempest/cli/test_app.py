"""The console script as a whole."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from tempest.cli import app, main
from tests.tempest.cli.conftest import Tempest

ROOT = Path(__file__).parents[3]
COMMANDS = {"demo", "get", "put", "delete", "scan", "load", "stats", "verify"}


def python(source: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", source],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )


def test_help_names_every_command(tempest_command: Tempest) -> None:
    finished = tempest_command("--help")

    assert finished.status == 0
    assert set(finished.out.decode().split()) >= COMMANDS


def test_the_engine_needs_no_extra() -> None:
    finished = python(
        "import sys\n"
        "sys.modules['cyclopts'] = sys.modules['rich'] = None\n"
        "import tempest\n"
    )

    assert finished.returncode == 0, finished.stderr


@pytest.mark.parametrize("missing", ["cyclopts", "rich"])
def test_a_missing_extra_is_a_sentence(
    missing: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in list(sys.modules):
        if name.startswith("tempest.cli.") or name.split(".")[0] == missing:
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, missing, None)

    status = main(["--help"])

    captured = capsys.readouterr()
    assert (status, captured.out) == (2, "")
    assert captured.err.count("\n") == 1
    assert f"needs {missing!r}" in captured.err
    assert "pip install 'tempestdb[cli]'" in captured.err


def test_other_packages_add_commands(
    tempest_command: Tempest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def entry_points(*, group: str) -> list[EntryPoint]:
        mine = f"{__name__}:shout"
        return [EntryPoint(name, mine, group) for name in ("shout", "get")]

    monkeypatch.setattr(app, "entry_points", entry_points)
    monkeypatch.setitem(sys.modules, __name__, sys.modules[shout.__module__])

    finished = tempest_command("shout", "hello")

    assert (finished.status, finished.out) == (7, b"HELLO\n")
    assert tempest_command("get", "nowhere", "key").status == 2


def shout(word: str) -> int:
    sys.stdout.write(f"{word.upper()}\n")
    return 7


def test_an_interrupt_is_no_traceback(
    tempest_command: Tempest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "make_app", interrupt)

    assert tempest_command("get", "store", "key").status == 130


def test_a_reader_that_hangs_up_is_no_error(
    tempest_command: Tempest, store: Path
) -> None:
    lines = b"".join(
        b'{"key": "%d", "value": "%s"}\n' % (n, b"x" * 1000) for n in range(500)
    )
    tempest_command("load", store, "-", stdin=lines)

    scan = subprocess.Popen(
        [sys.executable, "-m", "tempest.cli", "scan", str(store)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with scan:
        assert scan.stdout is not None
        assert scan.stderr is not None
        scan.stdout.read(1)
        scan.stdout.close()
        complaints = scan.stderr.read()

    assert (scan.returncode, complaints) == (0, b"")
