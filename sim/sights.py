"""Check what a read gave against what the model allows.

    Lookout   one moment of the store, seen through any number of reads

Invariants
- A lookout only narrows: what later reads of the same moment show must fit all earlier ones.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from sim.model import Model, Sight
from sim.operations import Scan
from sim.oracle import Violation
from sim.values import (
    ACCOUNTS,
    COMMON,
    PLACES,
    RING,
    START_BALANCE,
    account,
    is_session,
    place,
    session_key,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

Row = tuple[bytes, bytes]


def is_common(key: bytes) -> bool:
    """Whether a key belongs to the bank, the ring or a race, which every client writes."""
    return key.startswith(COMMON)


class Lookout:
    """What one moment of the store may be."""

    def __init__(self, model: Model, sight: Sight) -> None:
        self._model = model
        self.sight = sight

    def value(self, key: bytes, value: bytes | None) -> None:
        """Take in that a key had this value."""
        if not is_common(key):
            self._model.observe(self.sight, key, value)

    def values(self, keys: Sequence[bytes], values: Sequence[bytes | None]) -> None:
        """Take in the values of several keys at once."""
        if len(values) != len(keys):
            raise Violation("range", f"{len(values)} values for {len(keys)} keys")
        for key, value in zip(keys, values, strict=True):
            self.value(key, value)
        self._model.cuts(self.sight)

    def sessions(self, serials: "Mapping[str, int]") -> None:
        """Take in the serial number of every session; one that is not named has none."""
        found = {session_key(name): b"%d" % serial for name, serial in serials.items()}
        for key in filter(is_session, self._model.owners):
            self.value(key, found.pop(key, None))
        if found:
            raise Violation("session", f"nobody opened {found}")
        self._model.cuts(self.sight)

    def rows(self, scan: Scan, rows: Sequence[Row | bytes]) -> None:
        """Take in the rows of a scan, and what is missing between them."""
        found: Mapping[bytes, bytes | None] = {
            row if isinstance(row, bytes) else row[0]: (
                None if isinstance(row, bytes) else row[1]
            )
            for row in rows
        }
        keys = list(found)
        check_range(scan, keys, len(rows))
        is_whole = scan.limit is None or len(rows) < scan.limit
        self._owned(scan, found, keys, is_whole=is_whole)
        for key in keys:
            if is_session(key) or not (key in self._model.owners or is_common(key)):
                raise Violation("no-phantom", f"a scan found {key!r}, nobody's key")
        self._model.cuts(self.sight)
        if is_whole and not scan.keys_only and covers_all(scan):
            check_common({key: value for key, value in found.items() if value})

    def _owned(
        self,
        scan: Scan,
        found: "Mapping[bytes, bytes | None]",
        keys: Sequence[bytes],
        *,
        is_whole: bool,
    ) -> None:
        """Take in what a scan says of every key that somebody owns."""
        for key in filter(partial(in_range, scan), self._model.owners):
            if is_session(key):
                continue
            if key in found:
                if not scan.keys_only:
                    self.value(key, found[key])
            elif is_whole or is_before(scan, key, keys):
                self.value(key, None)


def covers_all(scan: Scan) -> bool:
    """Return whether a scan is bounded by nothing but its limit."""
    return not scan.prefix and not scan.start and scan.stop is None


def in_range(scan: Scan, key: bytes) -> bool:
    """Return whether a key lies within the bounds of a scan."""
    return (
        (scan.prefix is None or key.startswith(scan.prefix))
        and (scan.start is None or key >= scan.start)
        and (scan.stop is None or key < scan.stop)
    )


def is_before(scan: Scan, key: bytes, keys: Sequence[bytes]) -> bool:
    """Whether a scan has passed a key when it came to its last row."""
    if not keys:
        return False
    return key > keys[-1] if scan.reverse else key < keys[-1]


def check_range(scan: Scan, keys: Sequence[bytes], count: int) -> None:
    """Check order, bounds and limit."""
    if list(keys) != sorted(keys, reverse=scan.reverse) or len(keys) != count:
        raise Violation("range", f"{scan} gave {keys} in no order")
    if scan.limit is not None and count > scan.limit:
        raise Violation("range", f"{scan} gave {count} rows")
    for key in keys:
        if not in_range(scan, key):
            raise Violation("range", f"{scan} gave {key!r}")


def check_common(content: "Mapping[bytes, bytes]") -> None:
    """Check the bank's sum and the ring, if they are there at all."""
    found = [content.get(account(number)) for number in range(ACCOUNTS)]
    balances = [int(value) for value in found if value is not None]
    if balances and sum(balances) != ACCOUNTS * START_BALANCE:
        raise Violation("bank", f"the accounts hold {found}")
    check_ring({key: value for key, value in content.items() if key.startswith(RING)})


def check_ring(ring: "Mapping[bytes, bytes]") -> None:
    """Check that the places are one ring."""
    if not ring:
        return
    seen: list[bytes] = []
    here: bytes = place(0)
    while here not in seen:
        seen.append(here)
        here = ring.get(here, b"nowhere")
    if here != place(0) or len(seen) != PLACES or len(ring) != PLACES:
        raise Violation("ring", f"the ring is {dict(ring)}")
