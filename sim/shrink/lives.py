"""Lives, crashes, clients and operations: the story that a script tells.

Invariants
- The cut of a life stays behind the operation that it was behind, as long as that is there.
"""

from collections.abc import Collection
from itertools import chain, zip_longest

import attrs

from sim.operations import Operation
from sim.script import Ending, Life, Script
from sim.shrink.aspect import Aspect, aspect, change_lives

Clients = tuple[tuple[Operation, ...], ...]
Place = tuple[
    int, int, int
]  # life, place within its client, client; the race after all


def operations_of(life: Life) -> int:
    """Return how many operations the clients of a life have."""
    return sum(map(len, life.clients))


def _life_numbers(script: Script) -> list[int]:
    return list(range(len(script.lives)))


def _without_lives(script: Script, numbers: Collection[int]) -> Script:
    lives = tuple(life for n, life in enumerate(script.lives) if n not in numbers)
    return attrs.evolve(script, lives=lives)


def _join_places(script: Script) -> list[int]:
    return list(range(len(script.lives) - 1))


def _joined(script: Script, numbers: Collection[int]) -> Script:
    """Make one life of each of these and the one after it."""
    lives: list[Life] = []
    for number, life in enumerate(script.lives):
        is_joined = number - 1 in numbers and lives
        lives.append(_join(lives.pop(), life) if is_joined else life)
    return attrs.evolve(script, lives=tuple(lives))


def _join(first: Life, second: Life) -> Life:
    parts = zip_longest(first.clients, second.clients, fillvalue=())
    ending = second.ending
    moved = operations_of(first) + ending.operations
    return attrs.evolve(
        second,
        options=second.options or first.options,
        clients=tuple(before + after for before, after in parts),
        faults=first.faults + second.faults,
        rots=first.rots + second.rots,
        ending=attrs.evolve(ending, operations=moved),
    )


def _crashes(script: Script) -> list[int]:
    return [n for n, life in enumerate(script.lives) if life.ending.kind != "close"]


def _closed(script: Script, numbers: Collection[int]) -> Script:
    def close(number: int, life: Life) -> Life:
        if number not in numbers:
            return life
        return attrs.evolve(life, ending=Ending(kind="close"))

    return change_lives(script, close)


def _seams(script: Script) -> list[int]:
    """Return the places between clients: number n is between n and n + 1."""
    return list(range(max((len(life.clients) for life in script.lives), default=0) - 1))


def _sewn(script: Script, seams: Collection[int]) -> Script:
    """Make one client of the two at each seam: their operations take turns."""

    def sew(_: int, life: Life) -> Life:
        groups: list[list[tuple[Operation, ...]]] = []
        for client, operations in enumerate(life.clients):
            if client - 1 in seams and groups:
                groups[-1].append(operations)
            else:
                groups.append([operations])
        return attrs.evolve(life, clients=tuple(map(_turns, groups)))

    keys: list[tuple[bytes, ...]] = []
    for client, own in enumerate(script.keys):
        keys.append(keys.pop() + own if client - 1 in seams and keys else own)
    return attrs.evolve(change_lives(script, sew), keys=tuple(keys))


def _turns(group: list[tuple[Operation, ...]]) -> tuple[Operation, ...]:
    rounds = zip_longest(*group)
    return tuple(op for op in chain.from_iterable(rounds) if op is not None)


def _places(parts: list[Clients]) -> list[Place]:
    """Return where operations are, about in the order in which they are done."""
    return [
        (number, place, client)
        for number, clients in enumerate(parts)
        for place in range(max(map(len, clients), default=0))
        for client, operations in enumerate(clients)
        if place < len(operations)
    ]


def operation_places(script: Script) -> list[Place]:
    """Return the place of each operation of a client."""
    return _places([life.clients for life in script.lives])


def _race_places(script: Script) -> list[Place]:
    return _places([life.race for life in script.lives])


def _kept(
    clients: Clients, number: int, gone: Collection[Place]
) -> tuple[tuple[Operation, ...], ...]:
    return tuple(
        tuple(
            operation
            for place, operation in enumerate(operations)
            if (number, place, client) not in gone
        )
        for client, operations in enumerate(clients)
    )


def _without_operations(script: Script, places: Collection[Place]) -> Script:
    gone = set(places)

    def change(number: int, life: Life) -> Life:
        trigger = life.ending.operations
        before = _places([life.clients])[:trigger]
        lost = sum((number, place, client) in gone for _, place, client in before)
        left = max(min(trigger, 1), trigger - lost)
        return attrs.evolve(
            life,
            clients=_kept(life.clients, number, gone),
            ending=attrs.evolve(life.ending, operations=left),
        )

    return change_lives(script, change)


def _without_race(script: Script, places: Collection[Place]) -> Script:
    gone = set(places)
    return change_lives(
        script,
        lambda number, life: attrs.evolve(life, race=_kept(life.race, number, gone)),
    )


LIVES: Aspect = aspect("lives", _life_numbers, _without_lives)
JOINS: Aspect = aspect("joins", _join_places, _joined)
CRASHES: Aspect = aspect("crashes", _crashes, _closed)
CLIENTS: Aspect = aspect("clients", _seams, _sewn)
OPERATIONS: Aspect = aspect("operations", operation_places, _without_operations)
RACES: Aspect = aspect("races", _race_places, _without_race)
