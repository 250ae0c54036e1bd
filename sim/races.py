"""Small races of clients on the same keys, and the brute force that explains them.

A race is a few operations of a few clients on keys that all of them use. It is linearizable if
some order of all operations, in which none stands before one that had returned when it began,
gives every answer that was given. After a crash some prefix of such an order is what is left.

Invariants
- Every value written in a race is written once.
- The search tries every order that time allows, so it never blames a race that has one.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

import attrs
import trio

from sim import operations as ops
from sim.operations import Operation
from sim.oracle import Violation
from sim.values import make_value
from tempest import Durability, Store, TempestError

State = dict[bytes, bytes | None]
NEVER = 1 << 62


@attrs.define(eq=False)
class Event:
    """One operation of a race: what it did, and when it began and returned."""

    kind: Literal["write", "read", "update"]
    key: bytes
    began: int
    value: bytes | None = None  # what it wrote
    answer: bytes | None = None  # what it saw
    returned: int = NEVER
    level: str = ""
    is_answered: bool = True

    @property
    def is_open(self) -> bool:
        return self.returned == NEVER


def is_linearizable(
    events: Sequence[Event],
    before: State,
    after: State | None = None,
    levels: Collection[str] = (),
) -> bool:
    """Search for an order that explains every answer.

    With `after`, what a crash left, some prefix of that order has to give it, with every write in
    it that returned at one of these `levels`. What did not return may be in the order or not.
    """
    seen = [e for e in events if e.is_answered and not (e.is_open and e.kind == "read")]
    return _explain(tuple(seen), dict(before), after, levels)


def _explain(
    left: tuple[Event, ...],
    state: State,
    after: State | None,
    levels: Collection[str],
) -> bool:
    if after is not None and all(state.get(key) == after[key] for key in after):
        owed = (e for e in left if not e.is_open and e.level in levels)
        after = after if any(owed) else None
    if after is None and all(event.is_open for event in left):
        return True
    first_return = min((event.returned for event in left), default=NEVER)
    for place, event in enumerate(left):
        if event.began > first_return:
            continue
        if event.kind != "write" and state.get(event.key) != event.answer:
            continue
        rest = left[:place] + left[place + 1 :]
        then = state if event.kind == "read" else state | {event.key: event.value}
        if _explain(rest, then, after, levels):
            return True
    return False


class Race:
    """Runs one race on an open store; what fails once `is_dark` is left open."""

    def __init__(
        self, store: Store, life: int, is_dark: Callable[[], bool] = bool
    ) -> None:
        self._store = store
        self._life = life
        self._is_dark = is_dark
        self._moment = 0
        self._before: State = {}
        self.events: list[Event] = []

    async def run(self, clients: Sequence[Sequence[Operation]]) -> None:
        """Let all clients go at once; `Violation` if no order explains what they saw."""
        keys = sorted({op.key for part in clients for op in part if hasattr(op, "key")})
        values = await self._store.get_many(keys)
        self._before = dict(zip(keys, values, strict=True))
        async with trio.open_nursery() as nursery:
            for number, operations in enumerate(clients):
                nursery.start_soon(self._client, number, operations)
        if not self._is_dark():
            self._check(None, ())

    def recovered(
        self, content: Mapping[bytes, bytes], levels: Collection[str]
    ) -> None:
        """Take in what a crash, in the race or after it, left of its keys."""
        self._check({key: content.get(key) for key in self._before}, levels)

    def _check(self, after: State | None, levels: Collection[str]) -> None:
        if not is_linearizable(self.events, self._before, after, levels):
            story = "\n".join(map(str, self.events))
            end = "" if after is None else f" and a crash left {after}"
            raise Violation(
                "linearizable", f"from {self._before} no order gives\n{story}{end}"
            )

    async def _client(self, number: int, operations: Sequence[Operation]) -> None:
        for place, operation in enumerate(operations):
            self._moment += 1
            value = make_value(self._life, 100 + number, place, 0)
            event = self._begin(operation, value)
            self.events.append(event)
            try:
                await self._perform(operation, event)
            except TempestError:
                if self._is_dark():
                    return
                raise
            self._moment += 1
            event.returned = self._moment

    def _begin(self, operation: Operation, value: bytes) -> Event:
        began = self._moment
        match operation:
            case ops.Put(key, _, level):
                return Event("write", key, began, value, level=level)
            case ops.Delete(key, level):
                return Event("write", key, began, level=level)
            case ops.Update(key, _, level):
                return Event(
                    "update", key, began, value, level=level, is_answered=False
                )
            case ops.Get(key):
                return Event("read", key, began)
            case _:
                raise AssertionError(f"{operation} is no operation of a race")

    async def _perform(self, operation: Operation, event: Event) -> None:
        store, key = self._store, event.key
        match operation:
            case ops.Put() | ops.Delete() if event.value is not None:
                level = Durability(event.level)
                await store.put(key, event.value, durability=level)
            case ops.Put() | ops.Delete():
                await store.delete(key, durability=Durability(event.level))
            case ops.Update():

                def function(old: bytes | None) -> bytes | None:
                    event.answer, event.is_answered = old, True
                    return event.value

                level = Durability(event.level)
                await store.update(key, function, durability=level)
            case _:
                event.answer = await store.get(key)
