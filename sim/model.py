"""What a store may contain, known from outside: writes in the order of each client.

Every client writes keys of its own, one write after the other, so the part of the log that is
its own is known in order. A content is explained by one *cut* a client: how many of its writes
are in it. A set of cuts is a bit mask, so that each observed key narrows it with one `&`.

Across clients only time is known: if a write returned before another one was asked for, it
stands before it in the log. The cuts that explain a content must be closed under that: if the
later one is in it, so is the earlier one. Possible cuts form a lattice, so the lowest ones are
found by raising cuts until nothing more is asked.

Invariants
- A write is certain once it returned; refused, it never was; anything else leaves it open.
- Whatever a recovered store was seen to contain is the base of all that follows.
"""

from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from copy import copy

import attrs

from sim.oracle import Violation
from sim.values import SESSION, is_session

Content = Mapping[bytes, bytes]
Entries = Mapping[bytes, bytes | None]
LIVE = ("read-your-writes", "snapshot-isolation")


@attrs.define(eq=False)
class Write:
    """One write of one client: its place among them, and when it was asked for."""

    client: int
    index: int
    entries: Entries
    asked: int
    is_certain: bool = False
    is_refused: bool = False


@attrs.define
class Track:
    """The writes of one client since the last recovery that was seen."""

    writes: list[Write] = attrs.field(factory=list)
    of_key: dict[bytes, list[Write]] = attrs.field(factory=dict)
    acknowledged: int = 0  # the lowest cut that holds every write that returned
    taken: list[int] = attrs.field(factory=list)  # moments, ascending
    taken_counts: list[int] = attrs.field(factory=list)  # cuts known to be in by then

    @property
    def known(self) -> int:
        """The lowest cut that holds every write that is known to be in the log."""
        return self.taken_counts[-1] if self.taken_counts else 0

    def known_before(self, moment: int) -> int:
        """The same, of what was known before a moment."""
        place = bisect_left(self.taken, moment)
        return self.taken_counts[place - 1] if place else 0

    def last_certain(self, cut: int) -> Write | None:
        """The newest certain write below a cut."""
        for write in reversed(self.writes[:cut]):
            if write.is_certain:
                return write
        return None


class Model:
    """Histories of all clients, and what they allow."""

    def __init__(self, owners: Mapping[bytes, int], clients: int) -> None:
        self.owners = owners
        self.clients = clients
        self.moment = 0
        self.proven = 0  # when the newest write was asked for that reached the disk
        self.base: dict[bytes, bytes] = {}
        self.former: set[bytes] = set()  # values of earlier lives
        self.tracks = [Track() for _ in range(clients)]
        self.durable = [0] * clients
        self.flushed = [0] * clients

    def kept(self) -> "Model":
        """Return the model of this epoch: it hears of its writes, and of no later recovery."""
        kept = copy(self)
        kept.former = set(self.former)
        return kept

    # What clients do.

    def begin(self, client: int, entries: Entries) -> Write:
        """Note that a write was asked for."""
        track = self.tracks[client]
        self.moment += 1
        write = Write(client, len(track.writes), entries, self.moment)
        track.writes.append(write)
        for key in entries:
            track.of_key.setdefault(key, []).append(write)
        return write

    def end(self, write: Write, level: str) -> None:
        """Note that a write returned, having reached its level."""
        self.confirm(write)
        track = self.tracks[write.client]
        track.acknowledged = max(track.acknowledged, write.index + 1)
        if level != "memory":
            self._raise(self.flushed, write)
        if level == "disk":
            self._raise(self.durable, write)
            self.proven = max(self.proven, write.asked)

    def confirm(self, write: Write) -> None:
        """Note that a write is known to be in the log, visible or not."""
        write.is_certain = True
        track = self.tracks[write.client]
        self.moment += 1
        track.taken_counts.append(max(write.index + 1, track.known))
        track.taken.append(self.moment)

    def newest(self, key: bytes, value: bytes | None) -> None:
        """Take in what an update by the owner saw as the newest value, visible or not.

        It tells what became of the open writes of this key.
        """
        for write in reversed(self.tracks[self.owners[key]].of_key.get(key, [])):
            if write.is_refused:
                continue
            if write.entries[key] == value:
                if not write.is_certain and value is not None:
                    self.confirm(write)
                return
            if write.is_certain:
                raise Violation(
                    "read-your-writes", f"update found {value!r}. {self.story(key)}"
                )
            write.is_refused = True
        if self.base.get(key) != value:
            raise Violation(
                "read-your-writes", f"update found {value!r}. {self.story(key)}"
            )

    def acknowledged(self) -> list[int]:
        """The cuts of all that returned until now."""
        return [track.acknowledged for track in self.tracks]

    def known(self) -> list[int]:
        """The cuts of all that is known to be in the log."""
        return [track.known for track in self.tracks]

    def asked(self) -> list[int]:
        """The cuts of all that was asked for until now."""
        return [len(track.writes) for track in self.tracks]

    def promise(self, cuts: Sequence[int]) -> None:
        """Note that everything below these cuts was made durable."""
        for promised in (self.durable, self.flushed):
            promised[:] = map(max, promised, cuts)

    @staticmethod
    def _raise(promised: list[int], write: Write) -> None:
        promised[write.client] = max(promised[write.client], write.index + 1)

    # What may be seen.

    def mask(self, key: bytes, value: bytes | None) -> int:
        """The set of cuts of its owner under which a key has this value."""
        track = self.tracks[self.owners[key]]
        start = 0 if self.base.get(key) == value else -1
        found = 0
        for write in track.of_key.get(key, ()):
            if write.is_refused:
                continue
            if write.is_certain and start >= 0:
                found |= (2 << write.index) - (1 << start)
                start = -1
            if start < 0 and write.entries[key] == value:
                start = write.index + 1
        if start >= 0:
            found |= (2 << len(track.writes)) - (1 << start)
        return found

    def observe(self, sight: "Sight", key: bytes, value: bytes | None) -> None:
        """Narrow what a sight may be by one key; `Violation` if nothing is left."""
        client = self.owners.get(key)
        if client is None:
            raise Violation("no-phantom", f"{key!r} has {value!r} and nobody wrote it")
        mask = self.mask(key, value)
        if not mask:
            raise self._impossible(sight, key, value)
        if not mask & sight.masks[client]:
            is_back = value is not None and self._was_deleted(sight, client, key, mask)
            is_promise = sight.name == "acknowledged-survives"
            name = "session" if is_session(key) and not is_promise else sight.name
            raise Violation(
                "no-resurrection" if is_back else name,
                f"{key!r} is {value!r}: of client {client}, at least "
                f"{sight.lows[client]} of {len(self.tracks[client].writes)} writes must be "
                f"seen, and what else was seen does not fit. {self.story(key)}",
            )
        sight.masks[client] &= mask

    def _was_deleted(self, sight: "Sight", client: int, key: bytes, mask: int) -> bool:
        """Whether a read that no crash came before gives what a delete had taken away."""
        low, track = sight.lows[client], self.tracks[client]
        if sight.name not in LIVE or mask >> low:
            return False
        writes = [w for w in track.of_key.get(key, ()) if w.index < low]
        done = [write for write in writes if not write.is_refused]
        return bool(done) and done[-1].entries[key] is None

    def cuts(self, sight: "Sight") -> list[int]:
        """The lowest cuts that explain a sight; `Violation` if there are none."""
        cuts = [(mask & -mask).bit_length() - 1 for mask in sight.masks]
        is_settled = False
        while not is_settled:
            is_settled = True
            for track, cut in zip(self.tracks, cuts, strict=True):
                last = track.last_certain(cut) if cut else None
                if last is None:
                    continue
                for other, before in enumerate(self.tracks):
                    wanted = before.known_before(last.asked)
                    if cuts[other] < wanted:
                        cuts[other] = self._raised(sight, other, wanted, last)
                        is_settled = False
        return cuts

    def _raised(self, sight: "Sight", client: int, wanted: int, last: Write) -> int:
        rest = sight.masks[client] >> wanted << wanted
        if not rest:
            raise Violation(
                sight.hole,
                f"write {last.index} of client {last.client} is there ({last.entries!r}) and, "
                f"of those that returned before it began, not all first {wanted} of client "
                f"{client}",
            )
        return (rest & -rest).bit_length() - 1

    def _impossible(self, sight: "Sight", key: bytes, value: bytes | None) -> Violation:
        detail = f"{key!r} is {value!r}. {self.story(key)}"
        if is_session(key):
            return Violation("session", detail)
        if value is None:
            return Violation(sight.name, detail)
        if value in self.former:
            return Violation("no-resurrection", detail)
        return Violation("no-phantom", detail)

    def story(self, key: bytes) -> str:
        """Tell what was done to a key."""
        steps = [f"before: {self.base.get(key)!r}"]
        for write in self.tracks[self.owners[key]].of_key.get(key, ()):
            state = (
                "refused"
                if write.is_refused
                else "returned"
                if write.is_certain
                else "open"
            )
            steps.append(f"write {write.index} ({state}): {write.entries[key]!r}")
        return "; ".join(steps)

    def rebase(self, content: Content) -> None:
        """Begin again from what a recovered store was seen to contain."""
        for track in self.tracks:
            for write in track.writes:
                self.former.update(v for v in write.entries.values() if v is not None)
        self.former.update(self.base.values())
        self.base = dict(content)
        self.tracks = [Track() for _ in range(self.clients)]
        self.durable = [0] * self.clients
        self.flushed = [0] * self.clients

    def check_batches(self, content: Content, keys: Iterable[bytes]) -> None:
        """Of each batch that is seen, every key is as it left it, or newer."""
        seen = set(keys)
        for track in self.tracks:
            for write in track.writes:
                if len(write.entries) > 1 and not write.is_refused:
                    self._check_batch(track, write, content, seen)

    def _check_batch(
        self, track: Track, write: Write, content: Content, seen: set[bytes]
    ) -> None:
        is_there = any(  # a serial proves nothing: one that was not used is given again
            value is not None
            and content.get(key) == value
            and not key.startswith(SESSION)
            for key, value in write.entries.items()
        )
        for key, value in write.entries.items() if is_there else ():
            found = content.get(key)
            newer = [w.entries[key] for w in track.of_key[key] if w.index > write.index]
            if key in seen and found != value and found not in newer:
                raise Violation(
                    "batch-atomic",
                    f"of the batch {write.entries!r}, {key!r} is {found!r}. {self.story(key)}",
                )


@attrs.define
class Sight:
    """What one moment may be: for each client a set of cuts. `name` and `hole`: what it proves."""

    lows: list[int]
    masks: list[int]
    name: str
    hole: str

    @classmethod
    def between(
        cls, lows: Sequence[int], highs: Sequence[int], name: str, hole: str
    ) -> "Sight":
        """Any cut from `lows` to `highs`."""
        masks = [
            (2 << high) - (1 << low) for low, high in zip(lows, highs, strict=True)
        ]
        return cls(list(lows), masks, name, hole)
