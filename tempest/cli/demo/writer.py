"""Write one group of files in its manner, noting each before and after."""

import trio
import xxhash

from tempest import Durability, Store
from tempest.cli.demo.acks import AckWriter, Mark
from tempest.cli.demo.plan import Manner, Plan


class GroupWriter:
    """The files of one group, on their way into a store."""

    def __init__(self, store: Store, plan: Plan, group: range, acks: AckWriter) -> None:
        self._store = store
        self._acks = acks
        self._manner = plan.manner(group.start)
        self._keys = {index: plan.key(index) for index in group}
        self._contents = {index: plan.read(index) for index in group}
        self._digests = {
            index: xxhash.xxh3_64_intdigest(content)
            for index, content in self._contents.items()
        }

    async def write(self) -> None:
        """Write the whole group; all of it is acknowledged and noted on return."""
        for index, digest in self._digests.items():
            self._acks.write(Mark.BEGUN, index, digest)
        match self._manner:
            case Manner.BATCH:
                await self._write_batch()
            case Manner.PUTS:
                async with trio.open_nursery() as nursery:
                    for index in self._keys:
                        nursery.start_soon(self._put, index, Durability.DISK)
            case Manner.OS:
                for index in self._keys:
                    await self._put(index, Durability.OS)

    async def _write_batch(self) -> None:
        async with self._store.batch(durability=Durability.DISK) as batch:
            for index, key in self._keys.items():
                batch.put(key, self._contents[index])
        for index in self._keys:
            self._note(index)

    async def _put(self, index: int, durability: Durability) -> None:
        key, content = self._keys[index], self._contents[index]
        await self._store.put(key, content, durability=durability)
        self._note(index)

    def _note(self, index: int) -> None:
        self._acks.write(Mark.DONE, index, self._digests[index])
