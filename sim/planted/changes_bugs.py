"""Bugs of the stream of changes: frames twice or never, positions that lead elsewhere."""

from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed
from sim.script import Recover

FOLLOWED = Directed(
    mix={"put": 6, "delete": 2, "batch": 1, "session": 2, "flush": 1, "follow": 6},
    options={"memtable_bytes_max": 1024, "segment_bytes_max": 1024},
    levels=(1, 1, 2),
    clients=2,
    operations=36,
    lives=2,
    latencies=((0.0, 0.0), (0.0005, 0.0), (0.0, 0.002)),
)
RECOVERED = Directed(
    mix={"put": 6, "delete": 1, "follow": 8},
    levels=(0, 6, 1),
    operations=30,
    lives=4,
    io=(0, 1, 2),
)
RESTORED = Directed(
    mix={"put": 6, "checkpoint": 1, "follow": 4},
    operations=20,
    lives=2,
    recovers=(Recover(),),
)

CHANGES_BUGS = (
    Planted.edit(
        "changes-forget-what-memory-gave",
        "every durable frame is given once: files go on where memory was left",
        Edit(
            "tempest.log_tail:LogTail._read",
            "if scanner is not None and scanner.start != self.address:",
            "if False:",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-skip-what-is-in-memory",
        "every durable frame is given, from memory if it is still there",
        Edit(
            "tempest.log_tail:LogTail._remember",
            "if frame is None or frame.end > settled:",
            "if True:",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-take-deletes-for-puts",
        "a change says that a key was deleted",
        Edit(
            "tempest.changes:changes_of",
            "value = None if is_deleted else run.values[index]",
            "value = run.values[index]",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-forget-acknowledgements",
        "an acknowledgement is durable when it returns",
        Edit(
            "tempest.changes:Changes.acknowledge",
            "                await self._store(name, wanted.address)\n",
            "                self._acknowledged = wanted.address\n",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-acknowledge-too-much",
        "a consumer goes on behind the frame that it acknowledged, not behind the next one",
        Edit(
            "tempest.changes:Changes.acknowledge",
            "await self._store(name, wanted.address)",
            "await self._store(name, self._parts.streams.settled.address)",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-floor-is-ignored",
        "the log is kept for a consumer as far back as is promised",
        Edit(
            "tempest.streams:Streams.floor",
            "return max(min(kept), self._lowest()) if kept else None",
            "return None",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-floor-is-not-asked",
        "segments are retired only below what a consumer wants",
        Edit(
            "tempest.upkeep.removing:Removing._retired",
            "version.replay_from, floor=self.log_floor",
            "version.replay_from",
        ),
        Edit(
            "tempest.upkeep.flushing:Flushing._flush",
            "stop, added=result.tables, floor=self.log_floor",
            "stop, added=result.tables",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-show-what-is-not-durable",
        "a frame is given once it is durable, so that no crash takes it back",
        Edit(
            "tempest.log_tail:LogTail.next",
            "while self.address < committer.settled:",
            "while self.address < committer.log.flushed:",
        ),
        Edit(
            "tempest.log_tail:LogTail._remember",
            "settled = self.streams.committer.settled",
            "settled = self.streams.committer.log.flushed",
        ),
        draw=RECOVERED,
    ),
    Planted.edit(
        "changes-know-nobody",
        "a consumer is known, durably, once its stream is open",
        Edit(
            "tempest.changes:Changes._register",
            "if consumers.get(name) != self._at(address):",
            "if False:",
        ),
        draw=FOLLOWED,
    ),
    Planted.edit(
        "changes-show-serials-of-sessions",
        "what counts sessions is no change",
        Edit(
            "tempest.log_tail:LogTail._users",
            "if run.keyspace == Keyspace.USER and run.keys:",
            "if run.keys:",
        ),
        Edit(
            "tempest.log_tail:LogTail._read",
            "frame.runs(scanner.path)",
            "frame.every_run(scanner.path)",
        ),
        draw=FOLLOWED,
    ),
)
