"""What a power cut leaves: the questions it asks, and who answers them.

A cut meets every file and folder that has unsynced changes with a few questions (`Chooser`): how
many pending changes, in order, reached the disk, or was it a mixture; and if so, which truncation,
length, sector and name. `RandomChooser` answers from a `Random` under a `CrashPolicy`;
`ExactChooser` keeps exactly the named `Unit`s and drops the rest, for exhaustive exploration.

Invariants
- Nothing but the answers decides: the same answers give the same disk.
- Only unsynced sectors are asked about, so only they can be dropped, torn or turn to garbage.
"""

from collections.abc import Sequence
from enum import Enum
from random import Random
from typing import Protocol

import attrs
from attrs import validators

SECTOR_BYTES = 512


class UnitKind(Enum):
    """What kind of unsynced change a `Unit` is."""

    SECTOR = "sector"  # index: which sector of the file
    LENGTH = "length"  # index: 0
    CUT = "cut"  # a truncation; index: its place among the file's changes
    NAME = "name"  # index: the change's place among the folder's changes

    def __repr__(self) -> str:
        return f"UnitKind.{self.name}"


@attrs.frozen
class Unit:
    """One unsynced change that a cut may keep or drop by itself; `path` is for people only."""

    kind: UnitKind
    number: int
    index: int
    path: str = attrs.field(default="", eq=False)


@attrs.frozen(kw_only=True)
class CrashPolicy:
    """How likely a cut leaves what. Weights compare within their group; chances lie in 0..1.

    First each file and folder draws its fate: `all_kept`, `none_kept`, `prefix` (some number of
    its changes, in order) or `mixed` (each change by itself). In a mixed file each sector is then
    kept (`keep`), left as it was (`drop`), cut in two between old and new (`tear`), or random
    bytes (`garbage`); the length is the old, the new, or one between.
    """

    all_kept: float = attrs.field(default=1.0, validator=validators.ge(0.0))
    none_kept: float = attrs.field(default=1.0, validator=validators.ge(0.0))
    prefix: float = attrs.field(default=1.0, validator=validators.ge(0.0))
    mixed: float = attrs.field(default=3.0, validator=validators.ge(0.0))
    keep: float = attrs.field(default=4.0, validator=validators.ge(0.0))
    drop: float = attrs.field(default=4.0, validator=validators.ge(0.0))
    tear: float = attrs.field(default=1.0, validator=validators.ge(0.0))
    garbage: float = attrs.field(default=1.0, validator=validators.ge(0.0))
    cut_kept_chance: float = attrs.field(default=0.5)
    name_kept_chance: float = attrs.field(default=0.5)
    rename_atomic: bool = True

    @classmethod
    def keep_all(cls) -> "CrashPolicy":
        """Everything that was written reached the disk."""
        return cls(all_kept=1.0, none_kept=0.0, prefix=0.0, mixed=0.0)

    @classmethod
    def drop_all(cls) -> "CrashPolicy":
        """Nothing that was not synced reached the disk."""
        return cls(all_kept=0.0, none_kept=1.0, prefix=0.0, mixed=0.0)


class Chooser(Protocol):
    """Who answers a power cut's questions. Asked in the order of inode numbers, then of changes."""

    def kept_in_order(self, count: int) -> int | None:
        """How many of an inode's `count` pending changes are kept, in order; None: a mixture."""
        ...

    def keeps_cut(self, unit: Unit) -> bool: ...

    def keeps_name(self, unit: Unit) -> bool: ...

    def length(self, unit: Unit, old: int, new: int) -> int: ...

    def sector(self, unit: Unit, old: bytes, versions: Sequence[bytes]) -> bytes:
        """Choose 512 bytes: `old` is durable, `versions` what writes made of it, in order."""
        ...


@attrs.define
class ExactChooser:
    """Keep exactly the given units, whole and in their newest form; drop every other."""

    kept: frozenset[Unit]

    def kept_in_order(self, count: int) -> int | None:
        return None

    def keeps_cut(self, unit: Unit) -> bool:
        return unit in self.kept

    def keeps_name(self, unit: Unit) -> bool:
        return unit in self.kept

    def length(self, unit: Unit, old: int, new: int) -> int:
        return new if unit in self.kept else old

    def sector(self, unit: Unit, old: bytes, versions: Sequence[bytes]) -> bytes:
        return versions[-1] if unit in self.kept else old


@attrs.define
class RandomChooser:
    """Answer from `random`, which needs `random`, `randrange` and `randbytes` only."""

    random: Random
    policy: CrashPolicy

    def kept_in_order(self, count: int) -> int | None:
        policy = self.policy
        fate = self._pick(
            (policy.all_kept, policy.none_kept, policy.prefix, policy.mixed)
        )
        if fate == 2:
            return self.random.randrange(count + 1)
        return (count, 0, None, None)[fate]

    def keeps_cut(self, unit: Unit) -> bool:
        return self.random.random() < self.policy.cut_kept_chance

    def keeps_name(self, unit: Unit) -> bool:
        return self.random.random() < self.policy.name_kept_chance

    def length(self, unit: Unit, old: int, new: int) -> int:
        if old == new:
            return new
        low, high = min(old, new), max(old, new)
        return (old, new, self.random.randrange(low, high + 1))[
            self.random.randrange(3)
        ]

    def sector(self, unit: Unit, old: bytes, versions: Sequence[bytes]) -> bytes:
        policy = self.policy
        action = self._pick((policy.drop, policy.keep, policy.tear, policy.garbage))
        if action == 0:
            return old
        if action == 3:
            return self.random.randbytes(SECTOR_BYTES)
        new = versions[self._newest_mostly(len(versions))]
        return new if action == 1 else self._tear(old, new)

    def _newest_mostly(self, count: int) -> int:
        if count == 1 or self.random.random() < 0.5:
            return count - 1
        return self.random.randrange(count)

    def _tear(self, old: bytes, new: bytes) -> bytes:
        place = self.random.randrange(1, SECTOR_BYTES)
        first, second = (new, old) if self.random.random() < 0.5 else (old, new)
        return first[:place] + second[place:]

    def _pick(self, weights: Sequence[float]) -> int:
        """Return an index with the chance of its weight; the last positive one on rounding."""
        left = self.random.random() * sum(weights)
        chosen = 0
        for index, weight in enumerate(weights):
            if weight > 0.0:
                chosen = index
                if left < weight:
                    break
                left -= weight
        return chosen
