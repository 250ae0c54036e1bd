"""Upkeep that its caller gives up at any moment leaves a store that opens and is whole."""

import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from sim import run_seeded
from tempest import Options

LATENCY = 0.01
TINY = Options(
    memtable_bytes_max=1024,
    table_bytes_max=512,
    block_bytes=128,
    level0_tables_max=100,
    compaction_inline=True,
)
CONTENT = {b"key %d" % number: b"new" * 20 for number in range(7)}


async def compact_for(seconds: float) -> bool:
    """Give up a compaction after some time; say whether it had ended before."""
    io = VirtualIo(VirtualDisk(), latency=LATENCY)
    async with tempest.open_store("store", io=io, options=TINY) as store:
        for value in (b"old", b"new"):
            async with store.batch() as batch:
                for key in CONTENT:
                    batch.put(key, value * 20)
            await store.flush()
        with trio.move_on_after(seconds) as scope:
            await store.compact()
        await trio.sleep(100 * LATENCY)  # what was given up may still land
        assert await read_all(store) == CONTENT
    async with tempest.open_store("store", io=io, options=TINY) as store:
        assert await read_all(store) == CONTENT
    return not scope.cancelled_caught


async def read_all(store: tempest.Store) -> dict[bytes, bytes]:
    async with store.scan() as rows:
        return {key: value async for key, value in rows}


def test_a_compaction_can_be_given_up_at_any_moment() -> None:
    """Once its edit was on its way, the sweep took the tables that the edit then named."""

    async def main() -> None:
        moment = 0.5
        while not await compact_for(moment * LATENCY):
            moment += 1
        assert moment > 5

    run_seeded(0, main)
