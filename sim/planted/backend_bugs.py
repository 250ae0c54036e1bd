"""Bugs of a backend: a contract of `Io` broken as a real one could break it."""

from random import Random

from io_backends import CrashPolicy, FailOp, Fault, OpKind
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

LOG = "store/log-*"


def _syncs_fail(random: Random) -> tuple[Fault, ...]:
    """A sync fails, and its pages are gone."""
    return (FailOp(at=random.randrange(10, 50), kinds=(OpKind.SYNC,)),)


WRITING = Directed(
    mix={"put": 6, "batch": 2, "flush": 1, "delete": 1},
    sizes=(30, 700, 3000),
    operations=12,
    policies=(CrashPolicy.drop_all(),),
)
KILLED = Directed(
    mix={"put": 6, "batch": 2, "put_nowait": 3},
    levels=(0, 1, 0),
    operations=12,
    endings=("kill",),
)
FAILING = Directed(
    mix={"put": 6, "flush": 1},
    operations=16,
    lives=3,
    policies=(CrashPolicy.drop_all(),),
    faults=_syncs_fail,
)
OPENING = Directed(
    mix={"put": 4, "open_twice": 2}, operations=8, lives=1, latencies=((0.001, 0.0),)
)
REMOVING = Directed(
    mix={"put": 6, "flush": 4, "compact": 2, "open_twice": 3},
    options={"block_bytes": 64, "table_bytes_max": 256, "level0_tables_max": 1},
    clients=3,
    keys=8,
    lives=1,
    operations=60,
    endings=("close",),
)
CANCELLING = Directed(
    mix={"put": 4, "flush": 3, "cancelled": 8, "compact": 1},
    options={"tables_open_max": 1, "cache_bytes_max": 0, "table_bytes_max": 256},
    clients=2,
    keys=8,
    lives=1,
    operations=60,
    endings=("close",),
    latencies=((0.0001, 0.0), (0.0, 0.0003)),
    uncached=(100,),
)

BACKEND_BUGS: tuple[Planted, ...] = (
    Planted.edit(
        "backend-short-write",
        "a write is whole or an error: a short one is continued (O16)",
        Edit(
            "io_backends.handles:OpenFiles.write_at",
            "    if data:\n",
            "    data = data[:2048]\n    if data:\n",
        ),
        draw=WRITING,
    ),
    Planted.edit(
        "backend-sync-leaves-the-last-write",
        "a sync makes every byte durable whose write returned before (P2)",
        Edit(
            "io_backends.handles:OpenFiles.sync",
            "node.mark if mark is None else mark",
            "(node.mark if mark is None else mark) - 1",
        ),
        draw=WRITING,
    ),
    Planted.edit(
        "backend-sync-leaves-the-length",
        "a sync makes the length durable, too (D2)",
        Edit(
            "io_backends.inode:FileNode.sync",
            "    del self.pending[:count]\n",
            "    del self.pending[:count]\n"
            "    grown = self.durable[-1:] if count else b''\n"
            "    if grown:\n"
            "        del self.durable[-1:]\n"
            "        self.pending.insert(0, (len(self.durable), bytes(grown)))\n"
            "        self.synced_count -= 1\n",
        ),
        draw=WRITING,
    ),
    Planted.edit(
        "backend-sync-swallows-its-error",
        "a failed sync is an error (E1)",
        Edit(
            "io_backends.faulty:FaultyIo.around",
            'if verdict.effect != "done":\n        raise self._conclude(op, verdict)\n    try:',
            'if verdict.effect != "done" and op.kind is not OpKind.SYNC:\n'
            "        raise self._conclude(op, verdict)\n"
            "    verdict.error = None\n"
            "    try:",
        ),
        draw=FAILING,
    ),
    Planted.edit(
        "backend-folder-sync-leaves-the-last-name",
        "a folder's sync makes every name durable that was changed before (R14)",
        Edit(
            "io_backends.tree:Tree.sync_dir",
            "self._folder_for_change(number).sync(upto)",
            "self._folder_for_change(number).sync(upto - 1)",
        ),
        draw=WRITING,
    ),
    Planted.edit(
        "backend-listing-misses-one",
        "a listing names every file of a folder",
        Edit(
            "io_backends.tree:Tree.list_dir",
            'return sorted(self._folder("list", path, number).visible)',
            'return sorted(self._folder("list", path, number).visible)[:-1]',
        ),
        draw=WRITING,
    ),
    Planted.edit(
        "backend-lock-is-shared",
        "a lock is held by one",
        Edit(
            "io_backends.disk:VirtualDisk.lock",
            "if taken is not holder:",
            "if False:",
        ),
        draw=OPENING,
    ),
    Planted.edit(
        "backend-lock-is-not-let-go",
        "releasing a lock lets go of it",
        Edit(
            "io_backends.disk:VirtualDisk.unlock",
            "del self._locks[key]",
            "pass",
        ),
        draw=OPENING,
    ),
    Planted.edit(
        "backend-remove-ends-readers",
        "open handles keep reading a file that was removed",
        Edit(
            "io_backends.tree:Tree.remove",
            "    folder, name = self._entry(",
            "    for handle in [h for h in self._handles if h.number == number]:\n"
            "        del self._handles[handle]\n"
            "    folder, name = self._entry(",
        ),
        draw=REMOVING,
    ),
    Planted.edit(
        "backend-close-can-be-cancelled",
        "closing closes, also when cancelled",
        Edit(
            "io_backends.virtual:VirtualFile.aclose",
            "    self._disk.close(self._handle)\n"
            "    await trio.lowlevel.checkpoint_if_cancelled()\n",
            "    await trio.lowlevel.checkpoint_if_cancelled()\n"
            "    self._disk.close(self._handle)\n",
        ),
        draw=CANCELLING,
    ),
    Planted.edit(
        "backend-write-waits-in-the-process",
        "a killed process keeps every byte whose write returned",
        Edit(
            "io_backends.virtual:VirtualFile.write_at_nowait",
            "    self._disk.write_at(self._handle, offset, data)\n",
            "    held = self.__dict__.setdefault('held', [])\n"
            "    held.append((offset, data))\n"
            "    if len(held) > 2:\n"
            "        for place, kept in held:\n"
            "            self._disk.write_at(self._handle, place, kept)\n"
            "        held.clear()\n",
        ),
        draw=KILLED,
    ),
    Planted.edit(
        "backend-short-read-begins-again",
        "a read is whole or an error: a short one goes on where it ended",
        Edit(
            "io_backends.handles:OpenFiles.read_at",
            "return bytes(visible[offset : offset + length])",
            "rest = offset + max(0, length - 2048)\n"
            "    first = visible[offset : offset + min(length, 2048)]\n"
            "    return bytes(first + visible[offset:rest])",
        ),
        draw=WRITING,
    ),
)
