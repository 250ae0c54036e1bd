"""SQLite's LSM1 extension through lsm-db: all of its work is done by the calling thread."""

from collections.abc import Iterator, Sequence
from importlib import import_module
from itertools import islice
from pathlib import Path

from benchmarks.peers.engine import Face, Row, Traits, in_parts, one_by_one, updater

SYNC_NORMAL = 1
SYNC_FULL = 2
WORK_KIB = 1 << 20


class LsmDb:
    """Defaults."""

    traits = Traits(
        kind="LSM (SQLite's LSM1, C)",
        without_sync="write_safety NORMAL: log handed to the system",
        with_sync="write_safety FULL: log synced at each commit",
        settings="defaults, no compression",
        one_writer=True,
    )

    def open(self, path: str, *, sync: bool) -> Face:  # noqa: C901, a record of small calls
        lsm = import_module("lsm")
        Path(path).mkdir(parents=True, exist_ok=True)
        safety = SYNC_FULL if sync else SYNC_NORMAL
        db = lsm.LSM(str(Path(path, "db.lsm")), write_safety=safety)
        fetch = db.fetch
        put = db.insert

        def get(key: bytes) -> bytes | None:
            try:
                found: bytes = fetch(key)
            except KeyError:
                return None
            return found

        def write(rows: Sequence[Row]) -> None:
            with db.transaction():
                for key, value in rows:
                    put(key, value)

        def scan(reverse: bool) -> Iterator[list[Row]]:  # noqa: FBT001, the face's shape
            return in_parts(reversed(db) if reverse else iter(db))

        def seek(key: bytes, count: int) -> list[Row]:
            with db.cursor() as cursor:
                return list(islice(cursor.fetch_range(key, None), count))

        def settle() -> None:
            db.flush()
            while db.work(1, WORK_KIB):
                pass
            db.checkpoint(0)

        return Face(
            put=put,
            get=get,
            delete=db.delete,
            write=write,
            get_many=one_by_one(get),
            scan=scan,
            seek=seek,
            update=updater(get, put),
            settle=settle,
            close=db.close,
        )


ENGINES = {"lsm_db": LsmDb()}
