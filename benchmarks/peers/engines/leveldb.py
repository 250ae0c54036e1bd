"""LevelDB through plyvel."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from importlib import import_module
from itertools import islice

import attrs

from benchmarks.peers.engine import Face, Row, Traits, in_parts, one_by_one, updater

MIB = 1 << 20
DEFAULTS = "defaults: 4 MiB memtable, 8 MiB block cache, no filter, snappy"
TUNED = {
    "bloom_filter_bits": 10,
    "lru_cache_size": 64 * MIB,
    "write_buffer_size": 16 * MIB,
}


def traits(settings: str) -> Traits:
    """Return what the reader must know, whatever the settings."""
    return Traits(
        kind="LSM (LevelDB, C++)",
        without_sync="sync=False: log handed to the system",
        with_sync="sync=True: fdatasync of the log",
        settings=settings,
    )


@attrs.frozen
class Plyvel:
    """Gets, puts and deletes are plyvel's own methods."""

    traits: Traits
    options: Mapping[str, int]

    def open(self, path: str, *, sync: bool) -> Face:
        plyvel = import_module("plyvel")
        db = plyvel.DB(path, create_if_missing=True, **self.options)
        put = partial(db.put, sync=True) if sync else db.put

        def write(rows: Sequence[Row]) -> None:
            with db.write_batch(sync=sync) as batch:
                add = batch.put
                for key, value in rows:
                    add(key, value)

        def scan(reverse: bool) -> Iterator[list[Row]]:  # noqa: FBT001, the face's shape
            with db.iterator(reverse=reverse) as rows:
                yield from in_parts(rows)

        def seek(key: bytes, count: int) -> list[Row]:
            with db.iterator(start=key) as rows:
                return list(islice(rows, count))

        return Face(
            put=put,
            get=db.get,
            delete=partial(db.delete, sync=True) if sync else db.delete,
            write=write,
            get_many=one_by_one(db.get),
            scan=scan,
            seek=seek,
            update=updater(db.get, put),
            settle=db.compact_range,
            close=db.close,
        )


ENGINES = {
    "plyvel": Plyvel(traits(DEFAULTS), {}),
    "plyvel_tuned": Plyvel(
        traits("16 MiB memtable, 64 MiB block cache, filter of 10 bits"), TUNED
    ),
    "plyvel_unflushed": Plyvel(
        traits("64 MiB memtable, 64 MiB block cache, filter of 10 bits"),
        {**TUNED, "write_buffer_size": 64 * MIB},
    ),
}
