"""What a process holds in memory is bounded by its options, however much it loads."""

import json
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

from tests.tempest.process.killer import ROOT

MIB = 1 << 20
pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the peak is read from /proc"
)


@attrs.frozen
class Taken:
    """What a child and its workers took at most, and what it took before it opened a store."""

    before: int
    peak: int
    workers: list[int]
    rows: int


def run_child(command: str, store: Path, *numbers: int) -> Taken:
    finished = subprocess.run(
        [
            *(sys.executable, "-m", "tests.tempest.process.memory_child"),
            *(command, str(store), *map(str, numbers)),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr
    taken = Taken(**json.loads(finished.stdout))
    print(command, [each // MIB for each in (taken.before, taken.peak, *taken.workers)])  # noqa: T201
    return taken


def test_what_is_held_does_not_grow_with_what_is_loaded(tmp_path: Path) -> None:
    """96 MiB go through 8 MiB of memtable and cache, and are recovered and read again."""
    numbers = (96 * MIB, 8 * MIB, 4096)

    loaded = run_child("load", tmp_path / "store", *numbers)
    read = run_child("read", tmp_path / "store", *numbers)

    assert loaded.rows == read.rows == 96 * MIB // 4096
    for taken in (loaded, read):
        for peak in (taken.peak, *taken.workers):
            assert peak - taken.before < 48 * MIB


@pytest.mark.slow
@pytest.mark.parametrize("value_bytes", [4096, MIB])
def test_a_gigabyte_passes_through_less_than_400_megabytes(
    tmp_path: Path, value_bytes: int
) -> None:
    """With 64 MiB of memtable and cache; the larger of two workers is counted in."""
    numbers = (1024 * MIB, 64 * MIB, value_bytes)

    loaded = run_child("load", tmp_path / "store", *numbers)
    read = run_child("read", tmp_path / "store", *numbers)

    assert loaded.rows == read.rows == 1024 * MIB // value_bytes
    for taken in (loaded, read):
        assert taken.peak + max(taken.workers, default=0) < 400 * MIB
