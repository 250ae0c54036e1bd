"""List what a checkpoint of a Tempest store holds, by docs/formats.md alone.

    python examples/read_checkpoint.py STORE                 the checkpoints of a store
    python examples/read_checkpoint.py STORE TOKEN           its entries, as JSON lines

Not a line of the library is used: the standard library, cbor2, msgspec and xxhash are enough.
Every byte that is believed is covered by a checksum that was checked. Blocks that were packed with
Zstandard are refused; LZ4 is unpacked here, in twenty lines.
"""

import base64
import json
import re
import struct
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import cbor2
import msgspec
import xxhash

SECTOR = 512
STRIDE = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
VALUES_FIRST = 1 << 62
LOG, TABLE = 1, 2  # kinds of files
PUT, DELETE, POINTER = 0, 1, 2  # kinds of entries
INDEX = 1  # kind of a checkpoint

Version = tuple[int, int, bytes]  # of a key: sequence, kind, and value or pointer


class DamageError(Exception):
    """Bytes are not what was written there."""


class Segment(NamedTuple):
    """A stretch of the log, or of values, in a file: SegmentMeta on the page."""

    number: int
    life: int
    first: int
    limit: int
    end: int

    def offset(self, address: int) -> int:
        return SECTOR + address - (self.first - self.first % SECTOR)


class Table(NamedTuple):
    """What a reader needs of a TableMeta."""

    number: int
    life: int
    size: int
    checksum: int


class Checkpoint(NamedTuple):
    """A CheckpointMeta, its later fields filled in."""

    token: bytes
    kind: int
    sequence: int
    address: int
    replay_from: int
    sessions: dict[bytes, int]
    segments: list[Segment]
    levels: list[list[Table]]
    base: bytes
    removed: set[int]
    added: list[tuple[int, Table]]


def need(condition: object, problem: str) -> None:
    """Raise unless the condition holds."""
    if not condition:
        raise DamageError(problem)


def check(condition: object, path: Path, offset: int, what: str) -> None:
    """Raise unless the condition, which is about bytes of a file, holds."""
    need(condition, f"{path} is damaged at offset {offset}: {what}")


def checksum(seed: int, place: int, data: bytes) -> int:
    """Return the checksum of data that stands at a place of a file."""
    return xxhash.xxh3_64_intdigest(data, (seed + place * STRIDE) & MASK)


class Reader:
    """The folder of a store, and what its newest manifest says of checkpoints."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        names = (path.name for path in folder.iterdir())
        manifests = [name for name in names if re.fullmatch(r"manifest-\d{12,}", name)]
        need(manifests, f"{folder} holds no manifest: it is no store")
        newest = max(manifests, key=lambda name: int(name.removeprefix("manifest-")))
        self.store_id = b""
        self.checkpoints: dict[bytes, Checkpoint] = {}
        self._files: dict[int, tuple[Path, bytes, int]] = {}
        self._read_manifest(folder / newest)

    def _read_manifest(self, path: Path) -> None:
        data = path.read_bytes()
        payload, mark, end = journal_frame(data, 0, 0) or (b"", 0, 0)
        check(payload, path, 0, "the header does not verify")
        version, _, needed, self.store_id, *names, state = cbor2.loads(payload)[:9]
        life, generation, _, token = names
        need(version == 1 and not needed, f"{path} was written by a newer program")
        identity = self.store_id + token + struct.pack("<QQ", life, generation)
        seed = xxhash.xxh3_64_intdigest(identity)
        self._know(fields(cbor2.loads(state), 10)[9] or [])
        while frame := journal_frame(data, end, seed):
            payload, synced_until, end = frame
            mark = max(mark, synced_until)
            if payload:
                edit = fields(cbor2.loads(payload), 17)
                for gone in edit[13] or []:
                    self.checkpoints.pop(gone, None)
                self._know(edit[12] or [])
        behind = data.find(b"TJNL", end)
        while behind >= 0:
            if frame := journal_frame(data, behind, seed):
                mark = max(mark, frame[1])
            behind = data.find(b"TJNL", behind + 1)
        check(end >= mark, path, end, "a frame that was synced does not verify")

    def _know(self, metas: list[Any]) -> None:
        for meta in metas:
            self.checkpoints[meta[0]] = Checkpoint(
                token=meta[0],
                kind=meta[2],
                sequence=meta[7],
                address=meta[8],
                replay_from=meta[9],
                sessions=dict(meta[13]),
                segments=[Segment(*segment[:5]) for segment in meta[14]],
                levels=[[table_of(table) for table in level] for level in meta[15]],
                base=meta[16],
                removed=set(meta[17]),
                added=[(level, table_of(table)) for level, table in meta[18]],
            )

    def entries(self, token: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield key and value of everything in a checkpoint, in key order."""
        name = token.decode()
        need(token in self.checkpoints, f"there is no checkpoint {name!r}")
        meta = self.checkpoints[token]
        need(meta.kind != INDEX, f"{name} is an index checkpoint: it holds nothing")
        newest = self._newest(meta)
        segments = {segment.number: segment for segment in meta.segments}
        for key in sorted(newest):
            sequence, kind, value = newest[key]
            need(sequence <= meta.sequence, f"{key!r} is newer than {name}")
            if kind != DELETE:
                yield key, self._value(value, segments) if kind == POINTER else value

    def _newest(self, meta: Checkpoint) -> dict[bytes, Version]:
        """Return the newest version of each key, in tables and log."""
        newest: dict[bytes, Version] = {}
        for level in self.levels(meta.token):
            for table in level:
                for block in self._blocks(table):
                    take(newest, block)
        for run in self._log_runs(meta):
            take(newest, run)
        return newest

    def levels(self, token: bytes) -> list[list[Table]]:
        """Return the tables of a checkpoint by level, through the chain of its bases."""
        meta = self.checkpoints[token]
        if not meta.base:
            return meta.levels
        need(meta.base in self.checkpoints, f"{token!r} has no base {meta.base!r}")
        levels = [
            [table for table in level if table.number not in meta.removed]
            for level in self.levels(meta.base)
        ]
        for level, table in meta.added:
            levels[level].append(table)
        return levels

    def _open(self, kind: int, life: int, number: int) -> tuple[Path, bytes, int]:
        """Return path, bytes and seed of a file whose header says what it has to."""
        if number in self._files:
            return self._files[number]
        path = self.folder / f"{'log' if kind == LOG else 'table'}-{number:012}"
        data = path.read_bytes()
        check(data[:8] == b"TEMPEST\0" and len(data) >= 64, path, 0, "no file header")
        (found,) = struct.unpack_from("<Q", data, 56)
        check(found == xxhash.xxh3_64_intdigest(data[:56]), path, 56, "header checksum")
        version, file_kind, reserved, _, needed = struct.unpack_from("<HHIII", data, 8)
        is_known = (version, reserved, needed) == (1, 0, 0)
        need(is_known, f"{path} was written by a newer program")
        named = (file_kind, data[24:40], *struct.unpack_from("<QQ", data, 40))
        check(named == (kind, self.store_id, life, number), path, 8, "another file")
        identity = struct.pack("<16sBQQ", self.store_id, kind, life, number)
        self._files[number] = path, data, xxhash.xxh3_64_intdigest(identity)
        return self._files[number]

    def _blocks(self, table: Table) -> Iterator[list[Any]]:
        path, data, seed = self._open(TABLE, table.life, table.number)
        check(len(data) == table.size, path, len(data), f"not {table.size} bytes")
        footer = len(data) - 72
        *places, magic, found = struct.unpack_from("<7Q8sQ", data, footer)
        is_it = (magic, found) == (b"TEMPTABL", table.checksum)
        check(is_it, path, footer, "another table's footer")
        body = data[footer : footer + 64]
        check(found == checksum(seed, footer, body), path, footer, "footer checksum")
        filter_at, index_at, properties_at, _, _, index_sum, _ = places
        packed = data[index_at:properties_at]
        index = unpack_block(path, seed, index_at, packed, index_sum)
        place = 64
        lengths = struct.unpack(f"<{len(index[2]) // 4}I", index[2])
        sums = struct.unpack(f"<{len(index[3]) // 8}Q", index[3])
        for length, expected in zip(lengths, sums, strict=True):
            yield unpack_block(
                path, seed, place, data[place : place + length], expected
            )
            place += length
        check(place == filter_at, path, place, "the data blocks do not add up")

    def _log_runs(self, meta: Checkpoint) -> Iterator[list[Any]]:
        address, stop = meta.replay_from, meta.address
        log = [segment for segment in meta.segments if segment.first < VALUES_FIRST]
        for segment in sorted(log, key=lambda segment: segment.first):
            if min(segment.end, stop) <= max(address, segment.first):
                continue
            address = max(address, segment.first)
            path, data, seed = self._open(LOG, segment.life, segment.number)
            while address < min(segment.end, stop):
                payload, address = self._frame(path, data, seed, segment, address)
                yield from user_runs(path, payload)
        is_short = address < stop and any(segment.end >= stop for segment in log)
        need(not is_short, f"{self.folder}: the log ends at {address}, before {stop}")

    def _frame(
        self, path: Path, data: bytes, seed: int, segment: Segment, address: int
    ) -> tuple[bytes, int]:
        """Return payload and end of the frame that follows `address`."""
        for begin in (address, -(-address // SECTOR) * SECTOR):
            place = segment.offset(begin)
            if data[place : place + 4] != b"TFRM" or len(data) < place + 48:
                continue
            head = data[place : place + 48]
            length, own, follows, _, *sums = struct.unpack_from("<I5Q", head, 4)
            payload = data[place + 48 : place + 48 + length]
            right = [
                xxhash.xxh3_64_intdigest(payload),
                checksum(seed, begin, head[:40]),
            ]
            if (own, follows, sums) == (begin, address, right):
                return payload, begin + 48 + length
        where = segment.offset(address)
        raise DamageError(f"{path} is damaged at offset {where}: no frame verifies")

    def _value(self, pointer: bytes, segments: dict[int, Segment]) -> bytes:
        number, address, length, expected = struct.unpack("<QQQQ", pointer)
        need(number in segments, f"there is no segment {number} as a pointer says")
        segment = segments[number]
        path, data, seed = self._open(LOG, segment.life, number)
        place = segment.offset(address)
        value = data[place : place + length]
        is_right = len(value) == length and checksum(seed, address, value) == expected
        check(is_right, path, place, "a value does not verify")
        return value


def journal_frame(data: bytes, place: int, seed: int) -> tuple[bytes, int, int] | None:
    """Return payload, synced_until and end of the frame that stands at `place`, if any."""
    if len(data) < place + 36 or data[place : place + 4] != b"TJNL":
        return None
    named = struct.unpack_from("<QQIIQ", data, place + 4)
    address, synced_until, length, padding, found = named
    begin, end = place + 36, place + 36 + length + padding
    sum_here = checksum(seed, place, data[place : place + 28] + data[begin:end])
    if end > len(data) or (address, found) != (place, sum_here):
        return None
    return data[begin : begin + length], synced_until, end


def fields(record: list[Any], count: int) -> list[Any]:
    """Return a record with the fields that were left out, up to so many, as None."""
    return [*record, *[None] * (count - len(record))]


def table_of(meta: list[Any]) -> Table:
    """Return what a reader needs of a TableMeta."""
    return Table(number=meta[0], life=meta[1], size=meta[2], checksum=meta[10])


def user_runs(path: Path, payload: bytes) -> Iterator[list[Any]]:
    """Yield the runs in a frame that hold entries of users."""
    place = 0
    while place < len(payload):
        (length,) = struct.unpack_from("<I", payload, place)
        run = msgspec.msgpack.decode(payload[place + 4 : place + 4 + length])
        need(run[0] in {0, 1}, f"{path} was written by a newer program")
        if run[0] == 0:
            yield run
        place += 4 + length


def take(newest: dict[bytes, Version], run: list[Any]) -> None:
    """Keep the newest version of each key."""
    _, keys, values, base, deltas, kinds, _ = run
    width = len(deltas) // len(keys) if keys else 0
    for index, (key, value) in enumerate(zip(keys, values, strict=True)):
        delta = deltas[index * width : (index + 1) * width]
        sequence = base + (int.from_bytes(delta, "little") if deltas else index)
        kind = kinds[index] if kinds else PUT
        need(kind <= POINTER, f"entries of kind {kind} need a newer program")
        if key not in newest or newest[key][0] < sequence:
            newest[key] = sequence, kind, value


def unpack_block(
    path: Path, seed: int, place: int, data: bytes, expected: int
) -> list[Any]:
    """Check a block and return the record in it."""
    check(len(data) >= 24, path, place, "a block is cut short")
    found, length, raw_length, packing = struct.unpack_from("<QIIB", data)
    is_right = found == expected == checksum(seed, place, data[8:])
    check(is_right and length == len(data) - 24, path, place, "a block does not verify")
    stored = data[24:]
    need(packing != 3, f"{path} is packed with Zstandard, which is not read here")
    check(packing in {0, 1, 2}, path, place, f"packing {packing} is unknown")
    unpacked = (bytes, zlib.decompress, lz4_block)[packing](stored)
    check(len(unpacked) == raw_length, path, place, "a block unpacks to another length")
    record: list[Any] = msgspec.msgpack.decode(unpacked)
    return record


def lz4_block(data: bytes) -> bytes:
    """Unpack one LZ4 block: literals, then a match that copies from what is there already."""
    out = bytearray()
    place = 0

    def extended(length: int) -> int:
        nonlocal place
        if length == 15:
            more = 255
            while more == 255:
                more = data[place]
                length, place = length + more, place + 1
        return length

    while place < len(data):
        token = data[place]
        place += 1
        literals = extended(token >> 4)
        out += data[place : place + literals]
        place += literals
        if place >= len(data):
            break
        distance = data[place] | data[place + 1] << 8
        place += 2
        start = len(out) - distance
        need(0 < distance <= len(out), "an LZ4 match begins before the block does")
        for at in range(start, start + extended(token & 15) + 4):
            out.append(out[at])
    return bytes(out)


def text(name: str, data: bytes) -> dict[str, str]:
    """Return the JSON field that stands for these bytes."""
    try:
        return {name: data.decode()}
    except UnicodeDecodeError:
        return {f"{name}_base64": base64.b64encode(data).decode()}


def main(arguments: list[str]) -> int:
    """Run one command; return its exit status."""
    if len(arguments) not in {1, 2}:
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        reader = Reader(Path(arguments[0]))
        if len(arguments) == 1:
            for token in reader.checkpoints:
                sys.stdout.write(f"{token.decode()}\n")
            return 0
        token = arguments[1].encode()
        for key, value in reader.entries(token):
            row = json.dumps({**text("key", key), **text("value", value)})
            sys.stdout.write(f"{row}\n")
    except (DamageError, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
