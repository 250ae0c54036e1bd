"""States that are to be read again: checkpoints and backups, and what the model knew of each.

A keepsake holds the model of the epoch in which it was taken, and the cuts that it may be. What
it is read as has to be one moment of that; from then on it has to be read as exactly that.

Invariants
- What was acknowledged stays until somebody asks for its end; what nobody was told of may be
  there or not, until it is listed by who has the store open for writing: a list from elsewhere
  may tell of an edit of a process that was killed, and a power cut still takes that away.
- Those that overlap and ask for the same may share one: the earliest of them bounds its cut.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Literal

import attrs

from sim.model import Model, Sight
from sim.operations import Scan
from sim.oracle import Violation
from sim.sights import Lookout, check_common
from sim.values import session_key

WHOLE = Scan()
Content = Mapping[bytes, bytes]
Serials = Mapping[str, int]
Sort = tuple[str, str, int]  # kind, style, cookie
State = Literal["kept", "doubtful", "gone"]
INDEX = "INDEX"


@attrs.define(eq=False)
class Keepsake:
    """One state: what it may be, and what it was found to be."""

    name: bytes
    oracle: str
    sort: Sort
    past: Model
    lows: list[int]
    highs: list[int]
    timeline: int
    ancestors: tuple[bytes, ...] = ()
    is_automatic: bool = False
    is_blind: bool = False  # nobody knows in which epoch it was made
    state: State = "kept"
    found: tuple[dict[bytes, bytes], dict[str, int]] | None = None
    certain: tuple[bytes, ...] = ()  # checkpoints that a backup has to hold
    others: dict[bytes, "Keepsake"] = attrs.field(
        factory=dict
    )  # that a backup may hold

    @property
    def is_readable(self) -> bool:
        return self.sort[0] != INDEX

    def check(self, content: Content, serials: Serials) -> None:
        """Check that this is what it is read as; `Violation` if it cannot be."""
        found = (dict(content), dict(serials))
        if self.found is not None:
            if self.found != found:
                raise Violation(
                    self.oracle, f"{self.name!r}: {_difference(self.found, found)}"
                )
            return
        self.found = found
        if self.is_blind:
            return
        past = self.past
        sessions = {session_key(name): b"%d" % n for name, n in serials.items()}
        past.check_batches({**content, **sessions}, past.owners)
        sight = Sight.between(self.lows, self.highs, self.oracle, self.oracle)
        lookout = Lookout(past, sight)
        lookout.rows(WHOLE, sorted(content.items()))
        lookout.sessions(serials)
        check_common(content)


def _difference(
    one: tuple[dict[bytes, bytes], dict[str, int]],
    other: tuple[dict[bytes, bytes], dict[str, int]],
) -> str:
    before, after = one[0], other[0]
    keys = sorted(k for k in before | after if before.get(k) != after.get(k))
    rows = [f"{key!r} was {before.get(key)!r}, is {after.get(key)!r}" for key in keys]
    if one[1] != other[1]:
        rows.append(f"sessions were {one[1]}, are {other[1]}")
    return f"{len(keys)} keys differ: {'; '.join(rows[:3])}"


@attrs.define(eq=False)
class Request:
    """Somebody asks for a checkpoint; `lows` bound its cut from below."""

    sort: Sort
    lows: list[int]
    is_open: bool = True
    has_met: bool = False  # another one


class Keepsakes:
    """All checkpoints and backups of a run."""

    def __init__(self) -> None:
        self.checkpoints: dict[bytes, Keepsake] = {}
        self.backups: dict[int, Keepsake] = {}
        self.timeline = 0
        self.is_from_backup = False
        self.line: list[bytes] = []  # checkpoints that the present state comes from
        self.droppings = 0  # begun and ended
        self._requests: list[Request] = []
        self._backing: dict[int, int] = {}
        self._kept_before: dict[int, list[Keepsake]] = {}

    # Asking.

    def ask(self, model: Model, sort: Sort) -> Request:
        """Note that a checkpoint is asked for."""
        lows = model.acknowledged()
        for other in self._requests:
            other.has_met = True
            if other.sort == sort:
                lows = list(map(min, lows, other.lows))
        request = Request(sort, lows, has_met=bool(self._requests))
        self._requests.append(request)
        return request

    def died(self) -> None:
        """Note that nobody asks any more: the process is gone."""
        self._requests.clear()
        self._backing.clear()

    def answered(self, request: Request) -> None:
        request.is_open = False
        self._requests = [one for one in self._requests if one.is_open]

    def made(self, name: bytes, request: Request, model: Model) -> Keepsake:
        """Note that a checkpoint was acknowledged."""
        known = self.checkpoints.get(name)
        if known is None:
            known = self._add(name, request.sort, model, request.lows)
        elif known.past.tracks is model.tracks and known.found is None:
            known.lows = list(map(max, known.lows, request.lows))
        if known.sort != request.sort:
            raise Violation(
                "checkpoint", f"{name!r} is {known.sort}, asked was {request.sort}"
            )
        return known

    def _add(
        self,
        name: bytes,
        sort: Sort,
        model: Model,
        lows: Sequence[int],
        *,
        is_blind: bool = False,
    ) -> Keepsake:
        made = Keepsake(
            name=name,
            oracle="checkpoint",
            sort=sort,
            past=model.kept(),
            lows=list(lows),
            highs=model.asked(),
            timeline=self.timeline,
            ancestors=tuple(one for one in self.line if one < name),
            is_blind=is_blind,
        )
        self.checkpoints[name] = made
        self.line.append(name)
        return made

    # Choosing.

    def kept(self) -> list[Keepsake]:
        """Return the checkpoints that are certainly there, the newest first."""
        kept = [k for k in self.checkpoints.values() if k.state == "kept"]
        return sorted(kept, key=lambda one: one.name, reverse=True)

    def choose(self, which: int, *, readable: bool = False) -> Keepsake | None:
        """Return one of those that are there; the newest is 0."""
        kept = [k for k in self.kept() if k.is_readable or not readable]
        return kept[which % len(kept)] if kept else None

    def newest_valid(self) -> Keepsake:
        """Return the one that a restore of the newest takes: no abandoned one before another."""
        kept = [one for one in self.kept() if one.is_readable]
        return max(kept, key=lambda one: (one.name in self.line, one.name))

    # Listing.

    def listed(
        self,
        infos: Iterable["Listed"],
        before: Sequence[Keepsake],
        model: Model,
        *,
        is_settled: bool = False,
        is_blind: bool = False,
    ) -> None:
        """Take in a list of all checkpoints; `before`: those there when it was asked for.

        Settled: nothing else happens, so what is not there is gone for good. Blind: the model
        is not that of those that nobody was told of.
        """
        found = {info.name: info for info in infos}
        for one in before:
            if one.name not in found and one.state == "kept" and not one.is_automatic:
                raise Violation("checkpoint", f"{one.name!r} is not listed any more")
        for info in found.values():
            self._check_listed(info, model, is_blind=is_blind)
        if not is_settled:
            return
        for one in self.checkpoints.values():
            if one.name not in found:
                # The edit by which retention drops one may be seen before it is durable.
                one.state = "doubtful" if one.is_automatic else "gone"
            elif one.state == "doubtful":
                one.state = "kept"

    def _check_listed(self, info: "Listed", model: Model, *, is_blind: bool) -> None:
        known = self.checkpoints.get(info.name)
        if known is None:
            lows = [0] * len(model.asked())
            known = self._add(info.name, info.sort, model, lows, is_blind=is_blind)
        known.is_automatic = info.is_automatic
        if known.sort != info.sort and not info.is_automatic:
            raise Violation("checkpoint", f"{known.name!r} is listed as {info.sort}")
        if known.state == "gone":
            raise Violation("checkpoint", f"{known.name!r} was dropped, and is there")
        if info.is_abandoned and info.name in self.line:
            raise Violation("checkpoint", f"{known.name!r} is not abandoned")

    def certain(self) -> set[bytes]:
        """Return the checkpoints of which it is known whether they are there."""
        return {
            one.name for one in self.checkpoints.values() if one.state != "doubtful"
        }

    def doubt(self, certain: Collection[bytes]) -> None:
        """Note that a list told of what is visible only: a power cut may undo all but these."""
        for one in self.checkpoints.values():
            if one.name not in certain:
                one.state = "doubtful"

    # Going back.

    def restored(self, keepsake: Keepsake) -> None:
        """Note that the store has become what it was: a new timeline begins."""
        self.timeline += 1
        self.line = [*keepsake.ancestors, keepsake.name]

    def restored_backup(self, backup: Keepsake) -> None:
        """Note that the store was replaced by a backup of it: it knows what that knew."""
        self.is_from_backup = True
        self.timeline = backup.timeline + 1
        self.line = list(backup.ancestors)
        self.checkpoints = dict(backup.others)
        for one in self.checkpoints.values():
            one.state = "kept" if one.name in backup.certain else "doubtful"

    def begin_backup(self, number: int) -> Keepsake | None:
        """Note that a backup is made; until then nobody knows what is in its folder."""
        self._backing[number] = self._backing.get(number, 0) + 1
        self._kept_before[number] = self.kept()
        older = self.backups.get(number)
        if older is not None:
            older.state = "doubtful"
        return older

    def end_backup(self, number: int) -> None:
        """Note that nobody waits for it any more."""
        self._backing[number] = self._backing.get(number, 1) - 1

    def backed_up(self, number: int, model: Model, lows: Sequence[int]) -> Keepsake:
        """Note that a backup was made; until it was read it may be any moment since it began."""
        made = Keepsake(
            name=b"backup %d" % number,
            oracle="backup",
            sort=("FULL", "", 0),
            past=model.kept(),
            lows=list(lows),
            highs=model.asked(),
            timeline=self.timeline,
            ancestors=tuple(self.line),
            others=dict(self.checkpoints),
            certain=tuple(
                one.name
                for one in self._kept_before.get(number, ())
                if one.state == "kept" and not one.is_automatic
            ),
            state="doubtful" if self._backing.get(number) else "kept",
        )
        self.backups[number] = made
        return made


@attrs.frozen
class Listed:
    """What a list says of one checkpoint."""

    name: bytes
    sort: Sort
    is_automatic: bool
    is_abandoned: bool


def in_doubt(keepsakes: Iterable[Keepsake]) -> Iterator[Keepsake]:
    """Let keepsakes be doubtful, those that are there, and give them."""
    for one in keepsakes:
        if one.state == "kept":
            one.state = "doubtful"
            yield one


def backup_folder(number: int) -> str:
    """Return where a backup is."""
    return f"backup {number}"
