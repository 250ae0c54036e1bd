"""From a seed to a script: what sort of life it will be, and all that happens in it.

Invariants
- A script has at least `LIVES_MIN` lives that crash after `OPERATIONS_MIN` operations or more.
- Every part is drawn from a stream of its own, so a change to one leaves the others as they were.
"""

from random import Random

import attrs

from io_backends import CrashPolicy
from sim.faults import draw_faults
from sim.metamorphic import draw_option_sets
from sim.operations import Operation
from sim.script import (
    Damage,
    DamagedFile,
    DamageKind,
    Ending,
    Latency,
    Life,
    OptionSet,
    Recover,
    RecoverKind,
    Rot,
    RotKind,
    Script,
    When,
)
from sim.seeds import Seeds
from sim.service_draw import draw_more_options, strew
from sim.workload import Drawer, Keys, draw_options, draw_race

LIVES_MIN = 4
OPERATIONS_MIN = 60
SEEDS_PER_SETS = 10
SETS = 4
WHENS: tuple[When, ...] = ("before", "during", "after")
ROTS: tuple[RotKind, ...] = (
    *("orphan", "copy", "garbage", "temporary"),
    *("old manifest", "no lock"),
)
DAMAGES: tuple[DamageKind, ...] = (
    *("rot", "rot", "rot", "stale", "stale", "misdirected", "misdirected"),
    *("shortened", "missing", "swapped", "doubled"),
    *("flipped read", "blank read", "crossed read"),
)
RECOVERS: tuple[RecoverKind, ...] = (
    *("checkpoint", "checkpoint", "newest valid", "backup"),
)
DAMAGED: tuple[DamagedFile, ...] = ("table", "log", "log", "manifest")
POLICIES = (
    CrashPolicy(),
    CrashPolicy(),
    CrashPolicy.drop_all(),
    CrashPolicy.keep_all(),
    CrashPolicy(rename_atomic=False, garbage=4.0, tear=4.0),
)


def draw(seed: int) -> Script:
    """Draw the script of a seed."""
    seeds = Seeds(seed)
    random = seeds.stream("shape")
    clients = random.choice((1, 1, 2, 3, 4))
    keys = Keys.draw(seeds.stream("keys"), clients)
    drawer = Drawer(seeds.stream("swarm"), keys)
    is_sound = random.random() < 0.3  # nothing but cuts and kills
    lives: list[Life] = []
    for number in range(LIVES_MIN):
        part = seeds.child(f"life {number}")
        lives.append(_life(part, drawer, clients, is_sound=is_sound))
        lives += _nested(part, is_sound=is_sound)
    lives.append(_last(seeds.child("last"), drawer, clients, is_sound=is_sound))
    more = seeds.child("services")
    return Script(
        seed=seed,
        keys=keys.of_client,
        lives=tuple(
            _with_services(more.child(str(number)), life, keys)
            for number, life in enumerate(lives)
        ),
        option_sets=_option_sets(seed, seeds.stream("option sets")),
    )


def _life(seeds: Seeds, drawer: Drawer, clients: int, *, is_sound: bool) -> Life:
    """A life of at least 60 operations that ends in a crash."""
    random = seeds.stream("life")
    extra = random.choice((0, 0, 3, 12))
    ending = Ending(
        kind="kill" if random.random() < 0.3 else "cut",
        operations=OPERATIONS_MIN,
        io=random.choice((0, random.randrange(8), random.randrange(60))),
        when=random.choice(WHENS),
        seed=random.getrandbits(32),
        policy=random.choice(POLICIES),
        late=random.choice((0, 0, 1, 3)),
    )
    ending = _at_the_end(seeds.stream("closing"), ending)
    limits = () if is_sound else _limits(seeds.stream("limits"))
    clock = seeds.stream("clock")
    return Life(
        options=draw_options(random),
        clients=_clients(drawer, clients, OPERATIONS_MIN + extra),
        latency=_latency(random),
        uncached=random.choice((0, 0, 50, 100)),
        faults=() if is_sound else draw_faults(seeds.stream("faults"), 300),
        capacity_bytes=_capacity(random, is_sound=is_sound),
        file_bytes_max=dict(limits).get("file"),
        handles_max=dict(limits).get("handles"),
        clock_jump=clock.choice((0.0, 0.0, 0.0, -1e6, 1e9)),
        clock_pace=clock.choice((1.0, 1.0, 1.0, 0.0, -1.0, 1e6)),
        cancel_seconds=_cancel_seconds(seeds.stream("cancel"), 0.1),
        rots=_rots(seeds.stream("rots"), is_sound=is_sound),
        race=_race(seeds.stream("race")),
        damages=_damages(seeds.stream("damages"), 0.2),
        ending=ending,
    )


def _with_services(seeds: Seeds, life: Life, keys: Keys) -> Life:
    """Add what came later, each part of its own stream: the rest stays as it was drawn."""
    clients, count = strew(seeds.stream("clients"), life.clients, keys.of_client)
    ending = life.ending
    if ending.operations:
        ending = attrs.evolve(ending, operations=ending.operations + count)
    return attrs.evolve(
        life,
        options=(*life.options, *draw_more_options(seeds.stream("options"))),
        clients=clients,
        recover=_recover(seeds.stream("recover")),
        ending=ending,
    )


def _recover(random: Random) -> Recover | None:
    if random.random() < 0.85:
        return None
    return Recover(
        what=random.choice(RECOVERS),
        which=random.choice((0, 0, 1, 2)),
        io=random.choice((None, random.randrange(10), random.randrange(60))),
        seed=random.getrandbits(32),
    )


def _race(random: Random) -> tuple[tuple[Operation, ...], ...]:
    return draw_race(random) if random.random() < 0.5 else ()


def _option_sets(seed: int, random: Random) -> tuple[OptionSet, ...]:
    """Let every tenth seed compare some: a sweep of a hundred comes to forty of them."""
    return draw_option_sets(random, SETS) if seed % SEEDS_PER_SETS == 0 else ()


def _at_the_end(random: Random, ending: Ending) -> Ending:
    """Let some crashes come while the store is closed, and let some writes surface much later."""
    if ending.late:
        ending = attrs.evolve(ending, late_openings=random.choice((1, 1, 2, 3)))
    if random.random() < 0.85:
        return ending
    return attrs.evolve(
        ending,
        closing=True,
        io=random.randrange(random.choice((4, 20, 60))),
        cancel_seconds=_cancel_seconds(random, 0.3),
    )


def _cancel_seconds(random: Random, chance: float) -> float | None:
    if random.random() >= chance:
        return None
    return random.choice((0.0, 0.0, 1e-4, 1e-3, 0.01, 0.1))


def _limits(random: Random) -> tuple[tuple[str, int], ...]:
    """Draw what a process or a file may have too little of, for some time."""
    if random.random() < 0.94:
        return ()
    if random.random() < 0.5:
        return (("file", random.choice((600, 1500, 3000, 10_000))),)
    return (("handles", random.choice((2, 3, 4, 5, 8))),)


def _damages(random: Random, chance: float) -> tuple[Damage, ...]:
    if random.random() >= chance:
        return ()
    damage = Damage(
        kind=random.choice(DAMAGES),
        file=random.choice(DAMAGED),
        seed=random.getrandbits(32),
        read_only=random.random() < 0.4,
    )
    return (damage,)


def _last(seeds: Seeds, drawer: Drawer, clients: int, *, is_sound: bool) -> Life:
    """A life that is closed, after which every file has to verify."""
    random = seeds.stream("life")
    return Life(
        options=draw_options(random),
        clients=_clients(drawer, clients, random.choice((0, 10, 30))),
        latency=_latency(random),
        faults=() if is_sound else draw_faults(seeds.stream("faults"), 100),
        race=draw_race(seeds.stream("race")),
        damages=_damages(seeds.stream("damages"), 0.5),
        ending=Ending(
            kind="close", cancel_seconds=_cancel_seconds(seeds.stream("closing"), 0.1)
        ),
    )


def _nested(seeds: Seeds, *, is_sound: bool) -> list[Life]:
    """Crashes during the recovery after a crash, up to five in a row, some in a sick disk."""
    random, sick = seeds.stream("nested"), seeds.stream("faults")
    count = random.choice((0, 0, 0, 1, 1, 2, 5))
    return [
        Life(
            options=draw_options(random),
            latency=_latency(random),
            faults=() if is_sound or sick.random() < 0.6 else draw_faults(sick, 20),
            ending=Ending(
                kind="kill" if random.random() < 0.3 else "cut",
                io=random.randrange(random.choice((8, 40))),
                when=random.choice(WHENS),
                seed=random.getrandbits(32),
                policy=random.choice(POLICIES),
            ),
        )
        for _ in range(count)
    ]


def _clients(
    drawer: Drawer, clients: int, operations: int
) -> tuple[tuple[Operation, ...], ...]:
    counts = [operations // clients] * clients
    counts[0] += operations - sum(counts)
    return tuple(drawer.client(number, count) for number, count in enumerate(counts))


def _latency(random: Random) -> Latency:
    base, spread = random.choice(
        ((0.0, 0.0), (0.0005, 0.0), (0.0, 0.001), (0.0001, 0.002), (0.0, 0.02))
    )
    return Latency(base, spread, random.getrandbits(32))


def _capacity(random: Random, *, is_sound: bool) -> int | None:
    if is_sound or random.random() < 0.9:
        return None
    return random.choice((3000, 8000, 20_000, 60_000))


def _rots(random: Random, *, is_sound: bool) -> tuple[Rot, ...]:
    if is_sound or random.random() < 0.7:
        return ()
    kind = random.choice(ROTS)
    return (Rot(kind=kind, seed=random.getrandbits(32)),)
