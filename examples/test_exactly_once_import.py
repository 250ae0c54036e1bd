"""Every line is imported once, through every crash; run with `pytest examples`."""

from collections import Counter

import sim
import tempest
from examples.exactly_once_import import Source, WordImport

pytest_plugins = ("sim.pytest_plugin",)


@sim.crash_test(memory=Source, seeds=50)
async def test_every_line_is_counted_once(world: sim.CrashWorld[Source]) -> None:
    """Five more lines in each life; the store holds the words of exactly those it names."""
    source = world.memory
    async with tempest.open_store("words", io=world.io) as store:
        task = WordImport(store)
        number = await task.imported()
        assert number >= source.forgotten, f"line {number + 1} is lost"
        found = await task.counts()
        assert found == words_of(source, number), f"not the words of {number} lines"
        source.lines += [f"line the {world.life}" for _ in range(5)]
        await task.run(source)
        assert await task.counts() == words_of(source, len(source.lines))


def words_of(source: Source, number: int) -> dict[str, int]:
    """Count the words of the first `number` lines."""
    return Counter(word for line in source.lines[:number] for word in line.split())
