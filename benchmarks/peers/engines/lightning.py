"""LMDB through its binding of the same name: a transaction for each call."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice

from benchmarks.peers.engine import Change, Face, Row, Traits, in_parts

MAP_BYTES = 64 << 30  # a reservation; the file is sparse


class Lmdb:
    """Defaults, but for the size of the map."""

    traits = Traits(
        kind="B+tree, copy on write, mmap (LMDB, C)",
        without_sync="sync=False: pages handed to the system; a power cut may corrupt",
        with_sync="sync=True: fdatasync and a synced meta page at each commit",
        settings="defaults, a transaction for each call",
    )

    def open(self, path: str, *, sync: bool) -> Face:  # noqa: C901, a record of small calls
        lmdb = import_module("lmdb")
        db = lmdb.open(
            path, map_size=MAP_BYTES, sync=sync, metasync=sync, max_readers=256
        )
        begin = db.begin

        def put(key: bytes, value: bytes) -> None:
            with begin(write=True) as change:
                change.put(key, value)

        def get(key: bytes) -> bytes | None:
            with begin() as view:
                found: bytes | None = view.get(key)
                return found

        def delete(key: bytes) -> None:
            with begin(write=True) as change:
                change.delete(key)

        def write(rows: Sequence[Row]) -> None:
            with begin(write=True) as change:
                change.cursor().putmulti(rows)

        def get_many(keys: Sequence[bytes]) -> list[bytes | None]:
            with begin() as view:
                found = dict(view.cursor().getmulti(keys))
            return [found.get(key) for key in keys]

        def scan(reverse: bool) -> Iterator[list[Row]]:  # noqa: FBT001, the face's shape
            with begin() as view:
                cursor = view.cursor()
                yield from in_parts(cursor.iterprev() if reverse else cursor.iternext())

        def seek(key: bytes, count: int) -> list[Row]:
            with begin() as view:
                cursor = view.cursor()
                if not cursor.set_range(key):
                    return []
                return list(islice(cursor.iternext(), count))

        def update(key: bytes, change: Change) -> None:
            with begin(write=True) as both:
                both.put(key, change(both.get(key)))

        def close() -> None:
            db.sync(True)  # noqa: FBT003, LMDB's own
            db.close()

        return Face(
            put=put,
            get=get,
            delete=delete,
            write=write,
            get_many=get_many,
            scan=scan,
            seek=seek,
            update=update,
            settle=lambda: db.sync(True),  # noqa: FBT003
            close=close,
        )


ENGINES = {"lmdb": Lmdb()}
