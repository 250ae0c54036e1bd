"""RocksDB through rocksdict, in its raw mode (bytes in, bytes out)."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice

import attrs

from benchmarks.peers.engine import Face, Row, Traits, in_parts, updater

MIB = 1 << 20


def traits(settings: str) -> Traits:
    """Return what the reader must know, whatever the settings."""
    return Traits(
        kind="LSM (RocksDB, C++ through Rust)",
        without_sync="WriteOptions.sync=False: log handed to the system",
        with_sync="WriteOptions.sync=True: fdatasync of the log",
        settings=settings,
    )


@attrs.frozen
class RocksDict:
    """Gets, puts, deletes and lists of keys are rocksdict's own methods."""

    traits: Traits
    tuned: bool

    def open(self, path: str, *, sync: bool) -> Face:
        rocksdict = import_module("rocksdict")
        options = rocksdict.Options(raw_mode=True)
        options.create_if_missing(True)  # noqa: FBT003, RocksDB's own
        families = None
        if self.tuned:
            tables = rocksdict.BlockBasedOptions()
            tables.set_bloom_filter(10, False)  # noqa: FBT003
            tables.set_block_cache(rocksdict.Cache(64 * MIB))
            options.set_write_buffer_size(16 * MIB)
            options.set_block_based_table_factory(tables)
            # When it opens again, rocksdict takes what it knows from the OPTIONS file and loses
            # filter and cache, unless they are given for the column family.
            families = {"default": options}
        db = rocksdict.Rdict(path, options, families)
        writing = rocksdict.WriteOptions()
        writing.sync = sync
        db.set_write_options(writing)

        def write(rows: Sequence[Row]) -> None:
            batch = rocksdict.WriteBatch(raw_mode=True)
            add = batch.put
            for key, value in rows:
                add(key, value)
            db.write(batch)

        def scan(reverse: bool) -> Iterator[list[Row]]:  # noqa: FBT001, the face's shape
            return in_parts(db.items(backwards=reverse))

        def settle() -> None:
            db.flush()
            db.compact_range(None, None)

        return Face(
            put=db.put,
            get=db.get,
            delete=db.delete,
            write=write,
            get_many=db.get,
            scan=scan,
            seek=lambda key, count: list(islice(db.items(from_key=key), count)),
            update=updater(db.get, db.put),
            settle=settle,
            close=db.close,
        )


ENGINES = {
    "rocksdict": RocksDict(
        traits("defaults: 64 MiB memtable, 32 MiB block cache, no filter, snappy"),
        tuned=False,
    ),
    "rocksdict_tuned": RocksDict(
        traits("16 MiB memtable, 64 MiB block cache, filter of 10 bits"), tuned=True
    ),
}
