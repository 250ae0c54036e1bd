"""Forty option sets and both backends give the same answers."""

from pathlib import Path

import pytest
import trio

from io_backends import FileIo
from sim.metamorphic import answers, compare, draw_comparison


@pytest.mark.parametrize("seed", range(3))
def test_forty_option_sets_give_the_same_answers(seed: int) -> None:
    assert compare(seed, operations=60, sets=40)


@pytest.mark.parametrize("seed", range(2))
def test_the_real_filesystem_gives_the_same_answers(seed: int, tmp_path: Path) -> None:
    comparison = draw_comparison(seed, operations=40, sets=3)
    expected = compare(seed, operations=40, sets=3)

    async def all_of_them() -> set[str]:
        found: set[str] = set()
        for number, options in enumerate(comparison.options):
            io = FileIo()
            try:
                path = str(tmp_path / str(number))
                found.add(await answers(comparison, options, io, path))
            finally:
                await io.aclose()
        return found

    assert trio.run(all_of_them) == {expected}
