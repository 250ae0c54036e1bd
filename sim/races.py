"""Small races of clients on the same keys, and the brute force that explains them.

A race is a few operations of a few clients on keys that all of them use. It is linearizable if
some order of all operations, in which none stands before one that had returned when it began,
gives every answer that was given.

Invariants
- Every value written in a race is written once.
- The search tries every order that time allows, so it never blames a race that has one.
"""

from collections.abc import Sequence
from typing import Literal

import attrs
import trio

from sim import operations as ops
from sim.operations import Operation
from sim.oracle import Violation
from sim.values import make_value
from tempest import Durability, Store

State = dict[bytes, bytes | None]


@attrs.define(eq=False)
class Event:
    """One operation of a race: what it did, and when it began and returned."""

    kind: Literal["write", "read", "update"]
    key: bytes
    began: int
    value: bytes | None = None  # what it wrote
    answer: bytes | None = None  # what it saw
    returned: int = 0


def is_linearizable(events: Sequence[Event], before: State) -> bool:
    """Search for an order that explains every answer."""
    return _explain(tuple(events), dict(before))


def _explain(left: tuple[Event, ...], state: State) -> bool:
    if not left:
        return True
    first_return = min(event.returned for event in left)
    for place, event in enumerate(left):
        if event.began > first_return:
            continue
        if event.kind != "write" and state.get(event.key) != event.answer:
            continue
        rest = left[:place] + left[place + 1 :]
        after = state if event.kind == "read" else state | {event.key: event.value}
        if _explain(rest, after):
            return True
    return False


class Race:
    """Runs one race on an open store."""

    def __init__(self, store: Store, life: int) -> None:
        self._store = store
        self._life = life
        self._moment = 0
        self.events: list[Event] = []

    async def run(self, clients: Sequence[Sequence[Operation]]) -> None:
        """Let all clients go at once; `Violation` if no order explains what they saw."""
        keys = sorted({op.key for part in clients for op in part if hasattr(op, "key")})
        values = await self._store.get_many(keys)
        before: State = dict(zip(keys, values, strict=True))
        async with trio.open_nursery() as nursery:
            for number, operations in enumerate(clients):
                nursery.start_soon(self._client, number, operations)
        if not is_linearizable(self.events, before):
            story = "\n".join(map(str, self.events))
            raise Violation("linearizable", f"from {before} no order gives\n{story}")

    async def _client(self, number: int, operations: Sequence[Operation]) -> None:
        for place, operation in enumerate(operations):
            self._moment += 1
            began = self._moment
            value = make_value(self._life, 100 + number, place, 0)
            event = await self._perform(operation, value, began)
            self._moment += 1
            event.returned = self._moment
            self.events.append(event)

    async def _perform(self, operation: Operation, value: bytes, began: int) -> Event:
        store = self._store
        match operation:
            case ops.Put(key, _, level):
                await store.put(key, value, durability=Durability(level))
                return Event("write", key, began, value)
            case ops.Delete(key, level):
                await store.delete(key, durability=Durability(level))
                return Event("write", key, began, None)
            case ops.Update(key, _, level):
                event = Event("update", key, began, value)

                def function(old: bytes | None) -> bytes:
                    event.answer = old
                    return value

                await store.update(key, function, durability=Durability(level))
                return event
            case ops.Get(key):
                return Event("read", key, began, answer=await store.get(key))
            case _:
                raise AssertionError(f"{operation} is no operation of a race")
