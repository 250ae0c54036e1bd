"""Bugs of separated values: pointers, the flush that makes them, and the cache they are read by."""

from random import Random

from io_backends import Fault, LateError
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed, Options

SMALL: Options = {
    "separated_value_bytes_min": 64,
    "memtable_bytes_max": 1024,
    "segment_bytes_max": 1024,
    "table_bytes_max": 256,
    "level0_tables_max": (1, 4),
    "level_bytes_base": 256,
    "cache_bytes_max": 0,
}
READ = Directed(
    mix={"put": 2, "large": 5, "flush": 2, "compact": 0.5, "get": 5, "get_many": 2},
    options={**SMALL, "read_cache_bytes_max": (0, 1 << 20)},
    operations=30,
    lives=1,
    endings=("close",),
    uncached=(0, 100),
)
SCANNED = Directed(
    mix={"large": 5, "flush": 2, "scan": 5, "held_scan": 2},
    options=SMALL,
    operations=24,
    lives=1,
    endings=("close",),
)
ROTTEN = Directed(
    mix={"large": 8, "flush": 1},
    options={**SMALL, "segment_bytes_max": 1 << 16, "memtable_bytes_max": 1 << 15},
    keys=40,
    operations=24,
    lives=1,
    endings=("close",),
    damages=(("rot", "log"), ("stale", "log"), ("misdirected", "log")),
)


def fail_late(random: Random) -> tuple[Fault, ...]:
    """Let a sync of the log say later that it had lost what it was asked to keep."""
    return (LateError(at=random.randrange(2, 30), path="store/log-*"),)


LATE = Directed(
    mix={"large": 6, "put": 1, "get": 2},
    options={**SMALL, "segment_bytes_max": 1 << 16, "level0_tables_max": 4},
    clients=3,
    operations=60,
    latencies=((0.0005, 0.0), (0.0, 0.002)),
    lives=1,
    endings=("close",),
    faults=fail_late,
)

VALUE_BUGS = (
    Planted.edit(
        "value-checksum-is-not-checked",
        "a value is given out only if the checksum in its pointer holds",
        Edit(
            "tempest.values:Values._check", "if found != pointer.checksum:", "if False:"
        ),
        draw=ROTTEN,
    ),
    Planted.edit(
        "value-cache-goes-by-length",
        "the read cache goes by address, which never gets other bytes",
        Edit(
            "tempest.values:Values.read_nowait",
            "self.cache.get(pointer.address)",
            "self.cache.get(pointer.length)",
        ),
        Edit(
            "tempest.values:Values.read_nowait",
            "self.cache.keep(pointer.address, data)",
            "self.cache.keep(pointer.length, data)",
        ),
        Edit(
            "tempest.values:Values.read",
            "self.cache.keep(pointer.address, data)",
            "self.cache.keep(pointer.length, data)",
        ),
        draw=READ,
    ),
    Planted.edit(
        "value-cache-goes-by-segment",
        "the read cache goes by address: a segment holds many values",
        Edit(
            "tempest.values:Values.read_nowait",
            "self.cache.get(pointer.address)",
            "self.cache.get(pointer.segment)",
        ),
        Edit(
            "tempest.values:Values.read_nowait",
            "self.cache.keep(pointer.address, data)",
            "self.cache.keep(pointer.segment, data)",
        ),
        draw=READ,
    ),
    Planted.edit(
        "value-pointer-is-off-by-one",
        "a pointer leads to the first byte of its value",
        Edit(
            "tempest.flush:_separated",
            "Pointer(segment.meta.number, address, len(value), checksum)",
            "Pointer(segment.meta.number, address + 1, len(value), checksum)",
        ),
        draw=READ,
    ),
    Planted.edit(
        "value-pointers-are-read-as-values",
        "a pointer is never given out in place of the value",
        Edit(
            "tempest.reader:Reader._get_from_tables",
            "if found[1] == Kind.POINTER:",
            "if False:",
        ),
        draw=READ,
    ),
    Planted.edit(
        "scan-leaves-pointers-as-they-are",
        "a scan gives values, wherever they lie",
        Edit(
            "tempest.scan:Scan._resolved", "if type(value) is Separated:", "if False:"
        ),
        draw=SCANNED,
    ),
    Planted.edit(
        "flush-points-to-what-may-move",
        "pointers are made once no late error can move what they point to",
        Edit(
            "tempest.upkeep.flushing:Flushing._settled",
            "return log.confirmed if separates else log.durable",
            "return log.durable",
        ),
        draw=LATE,
    ),
    Planted.edit(
        "segment-goes-while-it-is-pointed-into",
        "a segment stays while a table points into it",
        Edit(
            "tempest.version.version:Version.retired_segments",
            "        and segment.number not in pointed\n",
            "",
        ),
        draw=READ,
    ),
    Planted.edit(
        "segment-goes-before-its-table-comes",
        "a table that is about to be added counts: what it points into stays",
        Edit(
            "tempest.version.version:Version.retired_segments",
            "tables = (*kept, *added)",
            "tables = (*kept,)",
        ),
        draw=READ,
    ),
)
