"""Checking a table finds what no checksum can: a table that was written wrong."""

import attrs
import msgspec
import pytest

from tempest.errors import CorruptionError
from tempest.table import TableBuilder, TableMeta, TableOptions, builder, check_table
from tempest.table.filter import FilterBuilder
from tests.tempest.table.support import World, build, puts


async def problem_of(data: bytes, meta: TableMeta) -> str:
    world = World()
    await world.add(data)
    table = await world.open(meta)
    with pytest.raises(CorruptionError) as caught:
        await check_table(table)
    return caught.value.detail


async def test_a_sound_table_passes() -> None:
    data, meta = build(puts(100))
    world = World()
    await world.add(data)
    await check_table(await world.open(meta))


async def test_entries_out_of_order_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builder, "is_sorted", lambda *_: True)
    run = puts(4)
    keys = list(run.keys)
    keys[1:3] = keys[2:0:-1]
    run = msgspec.structs.replace(run, keys=keys)
    detail = await problem_of(*build(run, TableOptions()))
    assert "not in order" in detail


async def test_a_filter_that_denies_a_key_is_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(FilterBuilder, "add", lambda *_: None)
    assert "filter denies" in await problem_of(*build(puts(3)))


@pytest.mark.parametrize(
    ("field", "expected"),
    [("tombstones", (3, 5, 0, 1, 3)), ("shadowed", (3, 0, 5, 1, 3))],
)
async def test_counts_that_lie_are_found(
    monkeypatch: pytest.MonkeyPatch, field: str, expected: tuple[int, ...]
) -> None:
    describe = TableBuilder._describe

    def lie(self: TableBuilder, size: int, checksum: int) -> object:
        return TableMeta(**{**attrs.asdict(describe(self, size, checksum)), field: 5})

    monkeypatch.setattr(TableBuilder, "_describe", lie)
    detail = await problem_of(*build(puts(3)))
    assert f"expected {expected}, found (3, 0, 0, 1, 3)" in detail
