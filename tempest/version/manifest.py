"""The manifest: the journal of versions, the numbers it reserves, and who still reads what.

Invariants
- There is one state: `current` is the journal's, nobody keeps a copy that could differ.
- A file number, and an address for values, is handed out once in the life of the store, and only
  below a durable ceiling.
- A file is obsolete only when neither the current version nor a pinned one names it, and never
  while the outcome of an edit is unknown.
"""

from typing import TYPE_CHECKING, Protocol

import attrs

from journal import Journal
from tempest.log import SECTOR_BYTES
from tempest.version.edit import VersionEdit
from tempest.version.version import Version

if TYPE_CHECKING:
    from collections.abc import Callable

NUMBERS_STEP = 64
VALUE_ADDRESSES_STEP = 1 << 36


class Versions(Protocol):
    """What a reader needs: the current version, and files that stay while it is read."""

    @property
    def current(self) -> Version: ...

    def pin(self) -> Version:
        """Keep the files of the current version until `unpin`."""
        ...

    def unpin(self, version: Version) -> None:
        """Let go of a version that was pinned."""
        ...


@attrs.frozen
class FixedVersion:
    """The one version of a store that was opened read-only: its files are held open anyway."""

    current: Version

    def pin(self) -> Version:
        return self.current

    def unpin(self, version: Version) -> None:
        pass


class Manifest:
    """The journal of a writable store, from recovery to close."""

    def __init__(self, journal: Journal[Version], unused: int | None = None) -> None:
        """Number files from `unused` on: nobody was ever given that number, or one above it.

        Without it that is the journal's ceiling: what is below may have been used.
        """
        ceiling = journal.state.number_ceiling
        self.journal = journal
        self.on_change: Callable[[], None] = _nothing
        self._next_number = ceiling if unused is None else unused
        self._ceiling = ceiling
        self._next_value = self._value_ceiling = journal.state.value_ceiling
        self._pins: dict[int, tuple[Version, int]] = {}
        self._dropped: dict[int, None] = {}
        journal.on_settled = self._settled

    @property
    def current(self) -> Version:
        return self.journal.state

    async def append(self, edit: VersionEdit) -> None:
        """Make the edit durable; `current` shows it when this returns."""
        dropped = self._what_may_go(edit)
        try:
            await self.journal.append(edit)
        finally:  # whoever is cancelled gives up the wait: the edit may still come
            self._dropped |= dropped
        self.on_change()

    def _what_may_go(self, edit: VersionEdit) -> dict[int, None]:
        """Return the numbers of files that nobody may need once the edit is durable."""
        numbers = [*edit.removed, *edit.segments_removed]
        changed = {meta.token for meta in edit.checkpoints}
        changed.update(edit.checkpoints_removed)
        for meta in self.current.checkpoints:
            if meta.token in changed:
                numbers += meta.numbers
        if edit.restored is not None:
            numbers += self.current.own_numbers
        return dict.fromkeys(numbers)

    async def reserve(self, count: int) -> tuple[int, ...]:
        """Return `count` file numbers that nobody else was ever given."""
        while self._next_number + count > self.current.number_ceiling:
            wanted = self._next_number + count + NUMBERS_STEP
            # Never below one that was asked for: that edit may be on its way.
            self._ceiling = max(self._ceiling, wanted)
            await self.append(VersionEdit(number_ceiling=self._ceiling))
        first = self._next_number
        self._next_number += count
        return tuple(range(first, first + count))

    async def reserve_values(self, count: int) -> int:
        """Return the first of `count` addresses for value segments that nobody else was given.

        It lies at the beginning of a sector.
        """
        count = -(-count // SECTOR_BYTES) * SECTOR_BYTES
        while self._next_value + count > self.current.value_ceiling:
            wanted = self._next_value + count + VALUE_ADDRESSES_STEP
            self._value_ceiling = max(self._value_ceiling, wanted)
            await self.append(VersionEdit(value_ceiling=self._value_ceiling))
        first = self._next_value
        self._next_value += count
        return first

    def pin(self) -> Version:
        """Keep the files of the current version until `unpin`."""
        version = self.current
        _, count = self._pins.get(id(version), (version, 0))
        self._pins[id(version)] = (version, count + 1)
        return version

    def unpin(self, version: Version) -> None:
        """Let go of a version; its files may be obsolete now."""
        _, count = self._pins[id(version)]
        if count > 1:
            self._pins[id(version)] = (version, count - 1)
            return
        del self._pins[id(version)]
        if self._dropped:
            self.on_change()

    @property
    def has_dropped(self) -> bool:
        """Whether files wait to become obsolete."""
        return bool(self._dropped)

    def take_obsolete(self) -> list[int]:
        """Return the numbers of files that nobody needs any more; each is returned once."""
        if not self._dropped or not self.journal.is_settled:
            return []
        versions = [self.current, *(version for version, _ in self._pins.values())]
        needed = {number for version in versions for number in version.numbers}
        obsolete = [number for number in self._dropped if number not in needed]
        for number in obsolete:
            del self._dropped[number]
        return obsolete

    def _settled(self) -> None:
        """Files that had to wait for the outcome of an edit may be obsolete now."""
        if self._dropped:
            self.on_change()

    def drop_again(self, number: int) -> None:
        """Take back a number whose file could not be removed yet."""
        self._dropped[number] = None

    def abandon(self, *numbers: int) -> None:
        """Note files that were made and not published: they go, unless an edit names them."""
        for number in numbers:
            self._dropped[number] = None
        self.on_change()


def _nothing() -> None:
    pass
