"""SQLite through the standard library: one table without row ids, each call its own commit."""

import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

import attrs

from benchmarks.peers.engine import Change, Face, Row, Traits, in_parts

TABLE = "CREATE TABLE IF NOT EXISTS kv(key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID"
GET = "SELECT value FROM kv WHERE key = ?"
PUT = "INSERT OR REPLACE INTO kv(key, value) VALUES(?, ?)"
DELETE = "DELETE FROM kv WHERE key = ?"
SCAN = "SELECT key, value FROM kv ORDER BY key"
SEEK = "SELECT key, value FROM kv WHERE key >= ? ORDER BY key LIMIT ?"
MANY = "SELECT key, value FROM kv WHERE key IN ({})"
TUNED = (
    "PRAGMA cache_size = -65536",
    "PRAGMA mmap_size = 1073741824",
    "PRAGMA wal_autocheckpoint = 4000",
)


def traits(settings: str) -> Traits:
    """Return what the reader must know, whatever the settings."""
    return Traits(
        kind="B-tree with a log (SQLite, C)",
        without_sync="WAL, synchronous=NORMAL: log handed to the system",
        with_sync="WAL, synchronous=FULL: log synced at each commit",
        settings=settings,
        one_writer=True,
    )


@attrs.frozen
class Sqlite:
    """Write-ahead log, as everybody is advised to use it."""

    traits: Traits
    pragmas: tuple[str, ...]

    def open(self, path: str, *, sync: bool) -> Face:
        Path(path).mkdir(parents=True, exist_ok=True)
        db = sqlite3.connect(
            Path(path, "kv.sqlite"), isolation_level=None, check_same_thread=False
        )
        safety = f"PRAGMA synchronous = {'FULL' if sync else 'NORMAL'}"
        for statement in ("PRAGMA journal_mode = WAL", safety, *self.pragmas, TABLE):
            db.execute(statement).fetchall()
        return face(db)


def face(db: sqlite3.Connection) -> Face:  # noqa: C901, a record of small calls
    """Return the calls over one open connection."""
    cursor = db.cursor()
    execute = cursor.execute

    def put(key: bytes, value: bytes) -> None:
        execute(PUT, (key, value))

    def get(key: bytes) -> bytes | None:
        row = execute(GET, (key,)).fetchone()
        return row[0] if row is not None else None

    def delete(key: bytes) -> None:
        execute(DELETE, (key,))

    def write(rows: Sequence[Row]) -> None:
        execute("BEGIN IMMEDIATE")
        cursor.executemany(PUT, rows)
        execute("COMMIT")

    def get_many(keys: Sequence[bytes]) -> list[bytes | None]:
        marks = ",".join("?" * len(keys))
        found = dict(execute(MANY.format(marks), keys).fetchall())
        return [found.get(key) for key in keys]

    def scan(reverse: bool) -> Iterator[list[Row]]:  # noqa: FBT001, the face's shape
        return in_parts(db.cursor().execute(f"{SCAN} DESC" if reverse else SCAN))

    def update(key: bytes, change: Change) -> None:
        execute("BEGIN IMMEDIATE")
        put(key, change(get(key)))
        execute("COMMIT")

    def settle() -> None:
        db.execute("VACUUM")
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    return Face(
        put=put,
        get=get,
        delete=delete,
        write=write,
        get_many=get_many,
        scan=scan,
        seek=lambda key, count: execute(SEEK, (key, count)).fetchall(),
        update=update,
        settle=settle,
        close=db.close,
    )


ENGINES = {
    "sqlite3": Sqlite(traits("defaults: 2 MB page cache"), ()),
    "sqlite3_tuned": Sqlite(
        traits("64 MiB page cache, 1 GiB mmap, checkpoint every 4000 pages"), TUNED
    ),
}
