"""What a script is made of, as lists of decisions, any run of which can be taken back.

An `Aspect` is one such list. Taking a decision back leaves a script that does less: a life fewer,
an operation fewer, a fault fewer, an option at its default. All aspects after one another are the
one list that `shrink` works on.

Invariants
- `without` gives a script whose `count` in that aspect is lower.
- Aspects are pure: nothing here runs anything.
"""

from collections.abc import Callable, Collection, Sequence
from typing import TypeVar

import attrs

from sim.script import Life, Script

Place = TypeVar("Place")


@attrs.frozen
class Aspect:
    """One list of decisions: how many a script has, and the script without some of them."""

    name: str
    count: Callable[[Script], int]
    without: Callable[[Script, int, int], Script]


def aspect(
    name: str,
    places: Callable[[Script], Sequence[Place]],
    take_back: Callable[[Script, Collection[Place]], Script],
) -> Aspect:
    """Make an aspect of the places of decisions and of what takes them back."""
    return Aspect(
        name,
        lambda script: len(places(script)),
        lambda script, start, stop: take_back(script, places(script)[start:stop]),
    )


def change_lives(script: Script, change: Callable[[int, Life], Life]) -> Script:
    """Return the script with every life changed, given its number."""
    lives = tuple(change(number, life) for number, life in enumerate(script.lives))
    return attrs.evolve(script, lives=lives)
