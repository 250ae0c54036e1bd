"""A plain dict: no order, no files. What Python itself allows, beside what stores do."""

from collections.abc import Iterator

from benchmarks.peers.engine import (
    Face,
    Row,
    Traits,
    UnsupportedError,
    in_parts,
    updater,
)


class DictEngine:
    """Scans sort the keys each time; there are no seeks. Closed and opened, a path is the same dict."""

    traits = Traits(
        kind="dict", without_sync="nothing: memory only", settings="-", durable=False
    )

    def __init__(self) -> None:
        self._opened: dict[str, dict[bytes, bytes]] = {}

    def open(self, path: str, *, sync: bool) -> Face:
        del sync
        data = self._opened.setdefault(path, {})
        get = data.get

        def scan(reverse: bool) -> Iterator[list[Row]]:  # noqa: FBT001, the face's shape
            return in_parts((key, data[key]) for key in sorted(data, reverse=reverse))

        def seek(key: bytes, count: int) -> list[Row]:
            raise UnsupportedError("a dict has no order")

        return Face(
            put=data.__setitem__,
            get=get,
            delete=data.__delitem__,
            write=data.update,
            get_many=lambda keys: list(map(get, keys)),
            scan=scan,
            seek=seek,
            update=updater(get, data.__setitem__),
            settle=lambda: None,
            close=lambda: None,
        )


ENGINES = {"dict": DictEngine()}
