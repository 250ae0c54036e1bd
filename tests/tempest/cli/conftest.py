"""Run `tempest` commands in this process and see what they say."""

import io
import json
import sys
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from tempest.cli import main


@attrs.frozen
class Finished:
    """How a command ended."""

    status: int
    out: bytes
    err: str

    @property
    def json(self) -> object:
        return json.loads(self.out)

    @property
    def json_lines(self) -> list[object]:
        return [json.loads(line) for line in self.out.splitlines()]


Tempest = Callable[..., Finished]


@pytest.fixture
def tempest_command(
    capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> Tempest:
    """A function that runs one command line, with `stdin` if given."""

    def run(*arguments: str | int | Path, stdin: bytes = b"") -> Finished:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin)))
        capfdbinary.readouterr()
        status = main([str(argument) for argument in arguments])
        sys.stdout.flush()
        sys.stderr.flush()
        out, err = capfdbinary.readouterr()
        return Finished(status, out, err.decode())

    return run


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Where a store may be made; nothing is there yet."""
    return tmp_path / "store"
