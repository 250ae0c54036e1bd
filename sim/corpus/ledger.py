"""What a store promised, and whether what came back keeps it. Pure.

A `Ledger` is the memory of the world outside: it survives every crash. A write is begun, then
acknowledged once the store said that it is durable; with it everything that was begun before it.
After a restart `judge` takes the whole content of the store.

Invariants
- What comes back is the state after a prefix of the writes, no shorter than what was acknowledged.
- A write that failed may be part of it or not.
- Once seen, an outcome is pinned: the next judgement holds the store to it.
"""

from collections.abc import Iterator

import attrs

Changes = dict[bytes, bytes | None]
State = dict[bytes, bytes]


class BrokenPromiseError(AssertionError):
    """What came back is not what was promised."""


@attrs.define
class Begun:
    """A write that was begun; its changes take effect together."""

    changes: Changes
    has_failed: bool = False


@attrs.define
class Ledger:
    """Every write in the order it was begun, and how many of them are promised."""

    writes: list[Begun] = attrs.field(factory=list)
    promised: int = 0
    steps_begun: int = 0

    def begin(self, changes: Changes) -> Begun:
        begun = Begun(changes)
        self.writes.append(begun)
        return begun

    def acknowledge(self, begun: Begun) -> None:
        """Note that this write is durable, and with it all before it."""
        place = next(i for i, write in enumerate(self.writes) if write is begun)
        self.promised = max(self.promised, place + 1)

    def acknowledge_all_before(self, count: int) -> None:
        self.promised = max(self.promised, count)

    def judge(self, state: State) -> None:
        """Accept what came back and pin it, or say what is wrong with it."""
        for kept in self._allowed():
            if state_after(kept) == state:
                self.writes = [Begun(write.changes) for write in kept]
                self.promised = len(kept)
                return
        raise BrokenPromiseError(self._complaint(state))

    def _allowed(self) -> Iterator[list[Begun]]:
        """Yield every outcome that keeps the promises, the longest first."""
        for count in range(len(self.writes), self.promised - 1, -1):
            yield from _without_some_that_failed(self.writes[:count])

    def _complaint(self, state: State) -> str:
        promised = state_after(
            [write for write in self.writes[: self.promised] if not write.has_failed]
        )
        lost = sorted(key for key in promised if key not in state)
        changed = sorted(k for k in promised if k in state and state[k] != promised[k])
        extra = sorted(key for key in state if key not in promised)
        parts = (("lost", lost), ("changed", changed), ("unexpected", extra))
        return "no prefix of the writes explains what came back: " + ", ".join(
            f"{word} {' '.join(map(_word, keys))}" for word, keys in parts if keys
        )


def state_after(writes: list[Begun]) -> State:
    """Return the content of a store in which just these writes happened."""
    state: State = {}
    for write in writes:
        apply_changes(state, write.changes)
    return state


def apply_changes(state: State, changes: Changes) -> None:
    """Put what was set, take out what was deleted."""
    for key, value in changes.items():
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value


def _without_some_that_failed(writes: list[Begun]) -> Iterator[list[Begun]]:
    """Yield the writes with every choice of failed ones left out."""
    failed = [place for place, write in enumerate(writes) if write.has_failed]
    for choice in range(1 << len(failed)):
        gone = {place for bit, place in enumerate(failed) if choice >> bit & 1}
        yield [write for place, write in enumerate(writes) if place not in gone]


def _word(key: bytes) -> str:
    return key.decode() if key.isalnum() else repr(key)
