"""What a workload does and which answers are right, made before the engine is opened.

So making them costs the engine nothing: no time, no idle moments in which its background work
catches up, no resident memory.
"""

import struct
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import NamedTuple

import attrs

from benchmarks.peers.data import SEED, Data
from benchmarks.peers.engine import Row

BATCH_ROWS = 1000
MANY_KEYS = 100
SEEK_ROWS = 50
SEEK_ROWS_MAX = 100
COUNTERS_MAX = 10_000
SAMPLE = 2000
WARM_KEYS = 20_000

COUNTER = struct.Struct("<Q")


@attrs.define(kw_only=True)
class Tape:
    """Which fields are used depends on the workload.

    Attributes:
        rows: what is put.
        batches: what is put at once.
        keys: what is read, deleted or counted.
        values: the answers to `keys`.
        many: keys asked for at once, with their answers.
        starts: where seeks start, as indexes.
        order: of the indexes, where rows are made as they are put.
        mix: YCSB's operations.
        warm: keys read before anything is timed.
        after: what must be found when all is done, and after a reopen.
        count_after: how many entries there must be then.
    """

    rows: list[Row] = attrs.field(factory=list)
    batches: list[list[Row]] = attrs.field(factory=list)
    keys: list[bytes] = attrs.field(factory=list)
    values: list[bytes | None] = attrs.field(factory=list)
    many: list[tuple[list[bytes], list[bytes]]] = attrs.field(factory=list)
    starts: list[int] = attrs.field(factory=list)
    order: "array[int]" = attrs.field(factory=lambda: array("I"))
    mix: "list[Step]" = attrs.field(factory=list)
    warm: list[bytes] = attrs.field(factory=list)
    after: dict[bytes, bytes | None] = attrs.field(factory=dict)
    count_after: int | None = None


class Step(NamedTuple):
    """One operation of YCSB; the answer to a read is found in `wanted`."""

    kind: str
    key: bytes
    value: bytes = b""
    rows: int = 0
    wanted: object = None


def warm_keys(data: Data, count: int = WARM_KEYS) -> list[bytes]:
    """Return keys to read before anything is timed."""
    return [data.key(index) for index in data.uniform(min(count, data.count), 99)]


def sample(written: dict[bytes, bytes]) -> dict[bytes, bytes | None]:
    """Return some of what was written, to be read again."""
    keys = Random(len(written)).sample(list(written), min(len(written), SAMPLE))
    return {key: written[key] for key in keys}


def fill_in_order(data: Data, count: int) -> Tape:
    """Every key once, ascending."""
    return Tape(rows=data.rows(0, count), count_after=count)


def fill_at_random(data: Data, count: int) -> Tape:
    """Random keys of an empty database, some of them again and again."""
    key, value = data.key, data.value
    picked = enumerate(data.uniform(count, 1))
    return Tape(rows=[(key(index), value(index, at)) for at, index in picked])


def fill_in_batches(data: Data, count: int) -> Tape:
    """Every key once in random order, in batches."""
    key, value = data.key, data.value
    rows = [(key(index), value(index, 0)) for index in data.permutation(2)[:count]]
    parts = [rows[start : start + BATCH_ROWS] for start in range(0, count, BATCH_ROWS)]
    return Tape(batches=parts, count_after=count)


def overwrite(data: Data, count: int) -> Tape:
    """Random keys of the prepared database, each with a version of its own."""
    key, value = data.key, data.value
    picked = enumerate(data.uniform(count, 3))
    return Tape(rows=[(key(index), value(index, 1 + at)) for at, index in picked])


def read_at_random(data: Data, count: int) -> Tape:
    """Random keys of the prepared database."""
    picked = data.uniform(count, 4)
    return Tape(
        keys=[data.key(index) for index in picked],
        values=[data.value(index, 0) for index in picked],
        warm=warm_keys(data),
    )


def read_missing(data: Data, count: int) -> Tape:
    """Keys between those that are there."""
    keys = [data.key(index) + b"." for index in data.uniform(count, 5)]
    return Tape(keys=keys, values=[None] * count, warm=warm_keys(data))


def read_from_memory(data: Data, count: int) -> Tape:
    """Fill a quarter of the database, too little to be flushed, and read it."""
    rows = data.rows(0, max(1, data.count // 4))
    picked = Random(SEED).choices(rows, k=count)
    return Tape(
        batches=[rows],
        keys=[key for key, _ in picked],
        values=[value for _, value in picked],
    )


def scan(data: Data, count: int) -> Tape:
    """Nothing to draw: everything is scanned."""
    del count
    return Tape(warm=warm_keys(data, 100))


def seek(data: Data, count: int) -> Tape:
    """Random places to start from."""
    return Tape(starts=data.uniform(count, 6), warm=warm_keys(data))


def read_many(data: Data, count: int) -> Tape:
    """Random keys, a hundred distinct ones at a time."""
    picked = data.uniform(count, 7)
    parts = (
        list(dict.fromkeys(picked[start : start + MANY_KEYS]))
        for start in range(0, count, MANY_KEYS)
    )
    return Tape(
        many=[
            (
                [data.key(index) for index in part],
                [data.value(index, 0) for index in part],
            )
            for part in parts
        ],
        warm=warm_keys(data),
    )


def bump(value: bytes | None) -> bytes:
    """Count up what a counter holds."""
    return COUNTER.pack(COUNTER.unpack(value)[0] + 1 if value else 1)


def count_up(data: Data, count: int) -> Tape:
    """Counters that are hot by YCSB's distribution."""
    picked = data.zipf(count, 8, min(data.count, COUNTERS_MAX))
    return Tape(keys=[b"ctr%013d" % index for index in picked])


def counters(keys: list[bytes]) -> dict[bytes, bytes | None]:
    """Return what the counters hold after being bumped once for each of these keys."""
    return {key: COUNTER.pack(times) for key, times in Counter(keys).items()}


def delete_at_random(data: Data, count: int) -> Tape:
    """Distinct keys in random order."""
    return Tape(keys=[data.key(index) for index in data.permutation(9)[:count]])


def touch(value: bytes | None) -> bytes:
    """Count a value's version up: what YCSB's workload F does to it."""
    assert value is not None
    version = (int(value[9:12], 16) + 1) & 0xFFF
    return b"%b%03x%b" % (value[:9], version, value[12:])


MIXES = {  # reads, updates, inserts, scans; the rest reads, modifies and writes
    "a": (0.5, 0.5, 0.0, 0.0),
    "b": (0.95, 0.05, 0.0, 0.0),
    "c": (1.0, 0.0, 0.0, 0.0),
    "d": (0.95, 0.0, 0.05, 0.0),
    "e": (0.0, 0.0, 0.05, 0.95),
    "f": (0.5, 0.0, 0.0, 0.0),
}


class Model:
    """The database as it must be after each step; what was not written is as prepared."""

    def __init__(self, data: Data) -> None:
        self.count = data.count
        self._data = data
        self._written: dict[int, bytes] = {}

    def value(self, index: int) -> bytes:
        return self._written.get(index) or self._data.value(index, 0)

    def put(self, index: int, value: bytes) -> bytes:
        self.count = max(self.count, index + 1)
        self._written[index] = value
        return value

    def rows(self, start: int, count: int) -> list[Row]:
        stop = min(start + count, self.count)
        return [(self._data.key(at), self.value(at)) for at in range(start, stop)]


def ycsb(letter: str) -> Callable[[Data, int], Tape]:
    """Return the maker of one of YCSB's mixes."""

    def make(data: Data, count: int) -> Tape:
        return Tape(mix=list(steps(data, count, letter)), warm=warm_keys(data, 5000))

    return make


def steps(data: Data, count: int, letter: str) -> Iterator[Step]:
    """Yield operations with the answers of a model."""
    reads, updates, inserts, scans = MIXES[letter]
    random = Random(SEED + ord(letter))
    model = Model(data)
    latest = letter == "d"
    pick = data.zipf_ranks if latest else data.zipf
    for number, rank in enumerate(pick(count, ord(letter))):
        index = max(0, model.count - 1 - rank) if latest else rank
        key = data.key(index)
        share = random.random()
        if share < reads:
            yield Step("get", key, wanted=model.value(index))
        elif share < reads + updates:
            yield Step("put", key, model.put(index, data.value(index, 1 + number)))
        elif share < reads + updates + inserts:
            index = model.count
            yield Step("put", data.key(index), model.put(index, data.value(index, 0)))
        elif share < reads + updates + inserts + scans:
            length = random.randint(1, SEEK_ROWS_MAX)
            yield Step("seek", key, rows=length, wanted=model.rows(index, length))
        else:
            value = model.put(index, touch(model.value(index)))
            yield Step("update", key, value)


def written_by(mix: list[Step]) -> dict[bytes, bytes]:
    """Return what these steps left behind."""
    return {step.key: step.value for step in mix if step.value}
