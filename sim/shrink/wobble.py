"""The same script with its chances drawn again.

Taking a decision back moves everything that is drawn behind it: the schedule, latencies, what a
power cut keeps, and which operation a fault meets. A failure that needs luck is then gone although
nothing that it needs is. So `shrink` tries a few wobbled scripts before it gives a step up.

Invariants
- A wobble changes numbers only: as many lives, operations and faults as before.
"""

from random import Random

import attrs

from io_backends import CrashPolicy
from sim.script import Ending, Life, Script, When
from sim.shrink.aspect import change_lives
from sim.shrink.surroundings import CALM_POLICIES

SMALL_BITS = 10
WHENS: tuple[When, ...] = ("before", "during", "after")
HARSH = (
    CrashPolicy(),
    CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0),
    CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0, tear=8.0),
    CrashPolicy(all_kept=0.0, none_kept=0.0, prefix=0.0, garbage=8.0),
)


def has_chances(script: Script) -> bool:
    """Whether there is anything to draw again."""
    return script.is_schedule_drawn or any(
        life.faults or life.ending.io or life.latency.spread or _is_drawn(life.ending)
        for life in script.lives
    )


def wobble(script: Script, number: int) -> Script:
    """Return the script with its chances drawn again; each number draws others."""
    random = Random(number)
    seed = random.getrandbits(SMALL_BITS) if script.is_schedule_drawn else script.seed

    def change(_: int, life: Life) -> Life:
        latency = life.latency
        if latency.spread:
            latency = attrs.evolve(latency, seed=random.getrandbits(SMALL_BITS))
        faults = tuple(
            attrs.evolve(fault, at=_near(random, fault.at)) for fault in life.faults
        )
        ending = _wobbled(random, life.ending)
        return attrs.evolve(life, latency=latency, faults=faults, ending=ending)

    return attrs.evolve(change_lives(script, change), seed=seed)


def _wobbled(random: Random, ending: Ending) -> Ending:
    if _is_drawn(ending) and random.random() < 0.7:
        ending = attrs.evolve(ending, seed=random.getrandbits(SMALL_BITS))
    if ending.kind != "close" and random.random() < 0.5:
        ending = attrs.evolve(ending, io=_near(random, ending.io))
    if ending.kind != "close" and random.random() < 0.2:
        ending = attrs.evolve(ending, when=random.choice(WHENS))
    if _is_drawn(ending) and random.random() < 0.2:
        ending = attrs.evolve(ending, policy=random.choice(HARSH))
    return ending


def _near(random: Random, place: int) -> int:
    """Draw a place near this one, or, as an operation taken away moves it, before it."""
    if random.random() < 0.4:
        return place
    if random.random() < 0.5:
        return max(0, place + random.randrange(-4, 5))
    return random.randrange(place + 1)


def _is_drawn(ending: Ending) -> bool:
    return ending.kind == "cut" and ending.policy not in CALM_POLICIES
