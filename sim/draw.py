"""From a seed to a script: what sort of life it will be, and all that happens in it.

Invariants
- A script has at least `LIVES_MIN` lives that crash after `OPERATIONS_MIN` operations or more.
- Every part is drawn from a stream of its own, so a change to one leaves the others as they were.
"""

from random import Random

from io_backends import CrashPolicy
from sim.faults import draw_faults
from sim.operations import Operation
from sim.script import Ending, Latency, Life, Rot, RotKind, Script, When
from sim.seeds import Seeds
from sim.workload import Drawer, Keys, draw_options, draw_race

LIVES_MIN = 4
OPERATIONS_MIN = 60
WHENS: tuple[When, ...] = ("before", "during", "after")
ROTS: tuple[RotKind, ...] = ("orphan", "copy", "garbage", "temporary")
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
        lives += _nested(part)
    lives.append(_last(seeds.child("last"), drawer, clients, is_sound=is_sound))
    return Script(seed=seed, keys=keys.of_client, lives=tuple(lives))


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
    return Life(
        options=draw_options(random),
        clients=_clients(drawer, clients, OPERATIONS_MIN + extra),
        latency=_latency(random),
        uncached=random.choice((0, 0, 50, 100)),
        faults=() if is_sound else draw_faults(seeds.stream("faults"), 300),
        capacity_bytes=_capacity(random, is_sound=is_sound),
        clock_jump=random.choice((0.0, 0.0, 0.0, -1e6, 1e9)),
        rots=_rots(seeds.stream("rots"), is_sound=is_sound),
        ending=ending,
    )


def _last(seeds: Seeds, drawer: Drawer, clients: int, *, is_sound: bool) -> Life:
    """A life that is closed, after which every file has to verify."""
    random = seeds.stream("life")
    return Life(
        options=draw_options(random),
        clients=_clients(drawer, clients, random.choice((0, 10, 30))),
        latency=_latency(random),
        faults=() if is_sound else draw_faults(seeds.stream("faults"), 100),
        race=draw_race(seeds.stream("race")),
        ending=Ending(kind="close"),
    )


def _nested(seeds: Seeds) -> list[Life]:
    """Crashes during the recovery after a crash, up to five in a row."""
    random = seeds.stream("nested")
    count = random.choice((0, 0, 0, 1, 1, 2, 5))
    return [
        Life(
            options=draw_options(random),
            latency=_latency(random),
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
