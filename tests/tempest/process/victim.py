"""The process that is killed: `python -m tests.tempest.process.victim STORE ACKS SEED LIFE`.

It waits for a byte on stdin, opens the store and writes until it is killed. Each acknowledged
write is noted outside the store before the next one begins; the opening is noted as write 0,
with a digest of all that was found. When stdin ends, so does the victim.
"""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import trio
import xxhash

import tempest
from tempest.cli.demo.acks import AckWriter, Mark
from tempest.cli.demo.child import end_with_parent
from tests.tempest.process.plan import Manner, Write, options_of, writes


def main(arguments: list[str]) -> None:
    store, acks, seed, life = arguments
    if os.read(sys.stdin.fileno(), 1):
        trio.run(live, store, AckWriter(Path(acks)), int(seed), int(life))


async def live(path: str, acks: AckWriter, seed: int, life: int) -> None:
    async with trio.open_nursery() as nursery:
        nursery.start_soon(end_with_parent)
        acks.write(Mark.OPENING)
        async with tempest.open_store(path, options=options_of(seed, life)) as store:
            acks.write(Mark.DONE, 0, digest_of(await content_of(store)))
            for number, write in enumerate(writes(seed, life), 1):
                await perform(store, write)
                acks.write(Mark.DONE, number)


async def content_of(store: tempest.Store) -> dict[bytes, bytes]:
    async with store.scan() as rows:
        return dict([row async for row in rows])


def digest_of(content: Mapping[bytes, bytes]) -> int:
    """Name a store's whole content."""
    digest = xxhash.xxh3_64()
    for key, value in sorted(content.items()):
        digest.update(b"%d %d " % (len(key), len(value)))
        digest.update(key + value)
    return digest.intdigest()


async def perform(store: tempest.Store, write: Write) -> None:
    """Make one write; it is acknowledged on return."""
    match write.manner:
        case Manner.BATCH:
            await put_batch(store, write)
        case Manner.SYNC:
            await store.sync()
        case Manner.FLUSH:
            await store.flush()
        case Manner.COMPACT:
            await store.compact()
        case Manner.PUT | Manner.NOWAIT | Manner.UPDATE:
            for key, value in write.entries.items():
                await put(store, write, key, value)


async def put_batch(store: tempest.Store, write: Write) -> None:
    async with store.batch(durability=write.level) as batch:
        for key, value in write.entries.items():
            if value is None:
                batch.delete(key)
            else:
                batch.put(key, value)


async def put(
    store: tempest.Store, write: Write, key: bytes, value: bytes | None
) -> None:
    level = write.level
    if write.manner is Manner.UPDATE:
        await store.update(key, lambda _: value, durability=level)
    elif value is None:
        await store.delete(key, durability=level)
    elif write.manner is Manner.NOWAIT:
        try:
            store.put_nowait(key, value, durability=level)
        except trio.WouldBlock:
            await store.put(key, value, durability=level)
    else:
        await store.put(key, value, durability=level)


if __name__ == "__main__":
    main(sys.argv[1:])
