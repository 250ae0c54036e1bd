"""Everything around the operations: faults, options, latency, endings, the schedule.

Invariants
- What is taken back becomes what a script has that says nothing of it.
- A policy is calm if it leaves nothing to chance.
"""

from collections.abc import Collection
from itertools import count

import attrs

from io_backends import CrashPolicy
from sim.script import Ending, Life, Script
from sim.shrink.aspect import Aspect, aspect, change_lives
from sim.shrink.lives import operations_of

STORY = {"options", "clients", "race", "faults", "rots", "ending"}
CALM_POLICIES = (CrashPolicy.drop_all(), CrashPolicy.keep_all())

Place = tuple[int, str]
Numbered = tuple[int, int]


def _rot_places(script: Script) -> list[Numbered]:
    return [
        (n, place)
        for n, life in enumerate(script.lives)
        for place, _ in enumerate(life.rots)
    ]


def _without_rots(script: Script, places: Collection[Numbered]) -> Script:
    def change(number: int, life: Life) -> Life:
        kept = (
            rot for place, rot in enumerate(life.rots) if (number, place) not in places
        )
        return attrs.evolve(life, rots=tuple(kept))

    return change_lives(script, change)


def _fault_places(script: Script) -> list[Numbered]:
    return [
        (n, place)
        for n, life in enumerate(script.lives)
        for place, _ in enumerate(life.faults)
    ]


def _without_faults(script: Script, places: Collection[Numbered]) -> Script:
    def change(number: int, life: Life) -> Life:
        kept = (
            fault
            for place, fault in enumerate(life.faults)
            if (number, place) not in places
        )
        return attrs.evolve(life, faults=tuple(kept))

    return change_lives(script, change)


def _option_places(script: Script) -> list[Place]:
    """Return options, those of one name next to each other."""
    return sorted(
        (
            (number, name)
            for number, life in enumerate(script.lives)
            for name, _ in life.options
        ),
        key=lambda place: (place[1], place[0]),
    )


def _without_options(script: Script, places: Collection[Place]) -> Script:
    gone = set(places)
    return change_lives(
        script,
        lambda number, life: attrs.evolve(
            life,
            options=tuple(
                pair for pair in life.options if (number, pair[0]) not in gone
            ),
        ),
    )


DEFAULT_LIFE = Life()
FIELDS = tuple(field.name for field in attrs.fields(Life) if field.name not in STORY)


def _field_places(script: Script) -> list[Place]:
    """Return what of latency, capacity, clock and the like is not as usual."""
    return [
        (number, name)
        for name in FIELDS
        for number, life in enumerate(script.lives)
        if getattr(life, name) != getattr(DEFAULT_LIFE, name)
    ]


def _without_fields(script: Script, places: Collection[Place]) -> Script:
    gone = set(places)

    def change(number: int, life: Life) -> Life:
        usual = {
            name: getattr(DEFAULT_LIFE, name)
            for name in FIELDS
            if (number, name) in gone
        }
        return attrs.evolve(life, **usual)

    return change_lives(script, change)


CLOSE = Ending(kind="close")
ENDING_FIELDS = tuple(
    field.name for field in attrs.fields(Ending) if field.name != "kind"
)


def _calm_ending(life: Life) -> Ending:
    """Return the plainest ending of this kind: after the last operation, nothing to chance."""
    kind = life.ending.kind
    if kind == "close":
        return CLOSE
    policy = CrashPolicy() if kind == "kill" else life.ending.policy
    if kind == "cut" and policy not in CALM_POLICIES:
        policy = CrashPolicy.drop_all()
    return Ending(kind=kind, operations=operations_of(life) + 1, policy=policy)


def _ending_places(script: Script) -> list[Place]:
    return [
        (number, name)
        for name in ENDING_FIELDS
        for number, life in enumerate(script.lives)
        if getattr(life.ending, name) != getattr(_calm_ending(life), name)
    ]


def _without_endings(script: Script, places: Collection[Place]) -> Script:
    gone = set(places)

    def change(number: int, life: Life) -> Life:
        calm = _calm_ending(life)
        usual = {
            name: getattr(calm, name)
            for name in ENDING_FIELDS
            if (number, name) in gone
        }
        return attrs.evolve(life, ending=attrs.evolve(life.ending, **usual))

    return change_lives(script, change)


def _disorder(script: Script) -> list[int]:
    """Return where the schedule leaves the order of creation; -1: it is drawn."""
    places = [place for place, decision in enumerate(script.schedule) if decision]
    return [*places, *((-1,) if script.is_schedule_drawn else ())]


def _in_order(script: Script, places: Collection[int]) -> Script:
    gone = set(places)
    kept = [
        0 if place in gone else d
        for place, d in zip(count(), script.schedule, strict=False)
    ]
    drawn = script.is_schedule_drawn and -1 not in gone
    while kept and not kept[-1] and not drawn:
        kept.pop()
    return attrs.evolve(script, schedule=tuple(kept), is_schedule_drawn=drawn)


def _option_sets(script: Script) -> range:
    return range(len(script.option_sets))


def _without_option_sets(script: Script, places: Collection[int]) -> Script:
    kept = [s for place, s in enumerate(script.option_sets) if place not in places]
    return attrs.evolve(script, option_sets=tuple(kept))


ROTS: Aspect = aspect("rots", _rot_places, _without_rots)
FAULTS: Aspect = aspect("faults", _fault_places, _without_faults)
OPTIONS: Aspect = aspect("options", _option_places, _without_options)
FIELDS_OF_LIVES: Aspect = aspect("latency and space", _field_places, _without_fields)
ENDINGS: Aspect = aspect("endings", _ending_places, _without_endings)
SCHEDULE: Aspect = aspect("schedule", _disorder, _in_order)
OPTION_SETS: Aspect = aspect("option sets", _option_sets, _without_option_sets)
