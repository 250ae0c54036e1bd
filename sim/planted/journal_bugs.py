"""Bugs of the manifest's journal: what is on disk, in which order, and what a failure leaves."""

from random import Random

from io_backends import CrashPolicy, FailOp, Fault, OpKind, PowerCut
from sim.draw import WHENS
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

MANIFEST = "store/manifest-*"
TORN = CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0, tear=8.0)
GARBAGE = CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0, garbage=6.0)
MIXED = CrashPolicy(all_kept=0.0, none_kept=1.0, prefix=1.0, mixed=4.0)


def _cut_while_writing(random: Random) -> tuple[Fault, ...]:
    """The power fails between a write to the manifest and its sync."""
    at = random.randrange(15, 90)
    return (PowerCut(at=at, kinds=(OpKind.SYNC,), path=MANIFEST),)


def _cut_while_publishing(random: Random) -> tuple[Fault, ...]:
    """The power fails around the names of a new generation, or soon after."""
    kinds = random.choice(
        (
            (OpKind.SYNC_DIR,),
            (OpKind.SYNC, OpKind.WRITE, OpKind.CREATE),
            (OpKind.REMOVE, OpKind.RENAME),
        )
    )
    when = random.choice(WHENS)
    return (PowerCut(at=random.randrange(40), kinds=kinds, when=when),)


def _failing(random: Random) -> tuple[Fault, ...]:
    """A write or sync of the manifest fails."""
    return (
        FailOp(
            at=random.randrange(10, 60),
            kinds=(random.choice((OpKind.WRITE, OpKind.SYNC)),),
            path=MANIFEST,
            effect=random.choice(("none", "partial", "done")),
        ),
    )


APPENDING = Directed(  # edits of several sectors: keys are long
    mix={"put": 4, "flush": 4, "compact": 1},
    options={"level0_tables_max": (1, 4)},
    tail=b"y" * 300,
    operations=10,
    lives=3,
    policies=(TORN, GARBAGE),
    faults=_cut_while_writing,
)
PUBLISHING = Directed(
    mix={"put": 4, "flush": 4},
    options={"manifest_rotation_bytes_min": 1},
    operations=8,
    lives=3,
    policies=(MIXED, TORN),
    faults=_cut_while_publishing,
)
FAILING = Directed(
    mix={"put": 6, "flush": 4, "compact": 1, "look": 1},
    options={"level0_tables_max": (1, 4)},
    operations=14,
    endings=("close", "cut"),
    faults=_failing,
)

ROTTING = Directed(
    mix={"put": 3, "delete": 3, "flush": 3, "compact": 1},
    options={"segment_bytes_max": 1024, "level0_tables_max": 1},
    operations=10,
    endings=("close", "cut"),
    damages=(("rot", "manifest"),),
)

JOURNAL_BUGS: tuple[Planted, ...] = (
    Planted.edit(
        "journal-checksum-dropped",
        "a frame is believed only if its checksum holds (T14)",
        Edit("journal.framing:decode_frame", "if computed != stored:", "if False:"),
        draw=APPENDING,
    ),
    Planted.edit(
        "journal-tear-is-damage",
        "an unfinished end of the journal is a torn tail, and opens (T15)",
        Edit(
            "journal.reader:replay",
            "if end < max(mark, highest_mark(seed, data, end)):",
            "if True:",
        ),
        draw=APPENDING,
    ),
    Planted.edit(
        "journal-shares-a-sector",
        "no write touches a sector that was synced (D1)",
        Edit(
            "journal.framing:encode_frames",
            """\
    assert address % SECTOR_BYTES == 0
    assert 0 <= synced_until <= address
    frames, end, last = [], address, len(payloads) - 1
    for index, payload in enumerate(payloads):
        assert len(payload) <= PAYLOAD_BYTES_MAX
        start, end = end, end + FRAME_HEADER_SIZE + len(payload)
        padding = -end % SECTOR_BYTES if index == last else 0
""",
            """\
    frames, end, last = [], address, len(payloads) - 1
    for index, payload in enumerate(payloads):
        assert len(payload) <= PAYLOAD_BYTES_MAX
        start, end = end, end + FRAME_HEADER_SIZE + len(payload)
        padding = 0
""",
        ),
        draw=APPENDING,
    ),
    Planted.edit(
        "journal-append-not-synced",
        "an edit counts after its sync has returned, not before (E2)",
        Edit("journal.writer:Writer.append", "    await self._file.sync()\n", ""),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "journal-header-not-synced",
        "a generation is synced before it gets its name (T13, A5)",
        Edit("journal.writer:begin_generation", "        await file.sync()\n", ""),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "journal-name-not-synced",
        "the folder is synced before a new generation counts (R1)",
        Edit(
            "journal.writer:publish_generation", "    await io.sync_dir(folder)\n", ""
        ),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "journal-written-in-place",
        "a generation is written under another name and renamed (R2 of rskv, B2)",
        Edit("journal.writer:_temporary", "Role.TEMPORARY", "Role.CURRENT"),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "journal-retires-first",
        "the old generation is retired after the new one is durable (A3)",
        Edit(
            "journal.writer:publish_generation",
            "    await io.sync_dir(folder)\n",
            "    await retire_generations(io, folder, name)\n"
            "    await io.sync_dir(folder)\n",
        ),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "journal-goes-on-behind-a-failed-write",
        "nothing is appended to a file in which a write or sync has failed (T9, R5)",
        Edit(
            "journal.writer:Writer.append",
            """\
    assert not self._in_doubt, "a file is not used after a failed write or sync"
    self._in_doubt = True
    data = encode_frames(self._seed, self.tail, self.synced, payloads)
    await self._file.write_at(self.tail, data)
    await self._file.sync()
    self._in_doubt = False
    self.tail = self.synced = self.tail + len(data)
""",
            """\
    data = encode_frames(self._seed, self.tail, self.synced, payloads)
    at, self.tail = self.tail, self.tail + len(data)
    await self._file.write_at(at, data)
    await self._file.sync()
    self.synced = self.tail
""",
        ),
        Edit(
            "journal.journal:Journal._abandon",
            "self._generations.is_settled = False",
            "self._generations.is_settled = True",
        ),
        draw=FAILING,
    ),
    Planted.edit(
        "journal-applies-before-durable",
        "the state moves after the sync that makes the edit durable (T9)",
        Edit(
            "journal.journal:Journal._commit",
            "        await self._generations.writer.append",
            "        self.state = self._group[-1].successor\n"
            "        await self._generations.writer.append",
        ),
        draw=FAILING,
    ),
    Planted.edit(
        "snapshot-forgets-the-number-ceiling",
        "the snapshot holds the whole state, counters too (T1)",
        Edit(
            "tempest.version.version:Version.snapshot",
            "return self",
            "return attrs.evolve(self, number_ceiling=max(self.numbers, default=0) + 1)",
        ),
        draw=PUBLISHING,
    ),
    Planted.edit(
        "journal-damage-passes-for-a-tear",
        "a hole below what any frame vouches for is damage (T14)",
        Edit(
            "journal.reader:replay",
            "if end < max(mark, highest_mark(seed, data, end)):",
            "if False:",
        ),
        draw=ROTTING,
    ),
)
