"""Ways to do something, by turns, so that all of them meet the same machine.

    costs = await medians([Way("kept", work), Way("read anew", other)])
    tell("a get", costs)

Every answer is checked between the timed sections.
"""

from collections.abc import Awaitable, Callable, Sequence
from statistics import median
from time import perf_counter

import attrs

ROUNDS = 7


async def nothing() -> None:
    """Prepare for nothing."""


@attrs.frozen
class Way:
    """`work` does something and returns the answers, one an operation: they must be `wanted`.

    `prepare` comes before each time and is not timed.
    """

    name: str
    work: Callable[[], Awaitable[Sequence[object]]]
    wanted: Sequence[object] | None = None
    prepare: Callable[[], Awaitable[None]] = nothing


@attrs.frozen
class Cost:
    """What one operation took that way, in microseconds."""

    name: str
    us: float


async def medians(ways: Sequence[Way]) -> list[Cost]:
    """Do everything `ROUNDS` times, by turns; return the medians in the order of the ways."""
    times: dict[str, list[float]] = {way.name: [] for way in ways}
    for turn in range(ROUNDS):
        for way in ways if turn % 2 else reversed(ways):
            await way.prepare()
            started = perf_counter()
            answers = await way.work()
            seconds = perf_counter() - started
            times[way.name].append(1e6 * seconds / len(answers))
            if way.wanted is not None:
                assert answers == way.wanted, f"{way.name}: a wrong answer"
    return [Cost(name, median(each)) for name, each in times.items()]


def tell(title: str, costs: Sequence[Cost], unit: str = "us") -> None:
    """Print them in us or ms, each with how many times the first one it takes."""
    scale = {"us": 1, "ms": 1000}[unit]
    print(f"\n{title:<46}{unit:>10}{'times':>9}")
    for cost in costs:
        times = cost.us / costs[0].us
        print(f"  {cost.name:<44}{cost.us / scale:>10.2f}{times:>9.2f}")
