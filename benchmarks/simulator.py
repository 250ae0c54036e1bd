"""How fast the simulator is, on one core, against what it is meant to reach.

    python benchmarks/simulator.py [SEEDS]

Seeds are drawn and run as `python -m sim run` does. For the time they simulate, every Io operation
takes between 0 and 1 ms, 0.5 ms in the mean; idle time, in which the store only waits, is counted
and also left out. The completion heap is measured by itself: tasks that do nothing but wait for
completions. Seconds are those of the processor, so that a busy machine disturbs less; nothing is
asserted.
"""

import platform
import sys
from statistics import mean
from time import process_time

import attrs
import trio

import sim
from sim import Latency, RunResult, Script

SEEDS = 200
TASKS = 64
OPERATIONS = 2000
MEAN_SECONDS = 0.0005


def with_mean_latency(script: Script) -> Script:
    """Return the script with an Io that takes 0.5 ms in the mean."""
    lives = tuple(
        attrs.evolve(life, latency=Latency(0.0, 2 * MEAN_SECONDS, number))
        for number, life in enumerate(script.lives)
    )
    return attrs.evolve(script, lives=lives)


def run_all(scripts: list[Script]) -> tuple[list[RunResult], float]:
    """Run scripts; return the results and the seconds that they took."""
    started = process_time()
    results = [sim.run(script) for script in scripts]
    return results, process_time() - started


def heap_rate() -> float:
    """Return how many completions a second the clock's heap gives, one task each waiting."""
    clock = sim.JumpClock()

    async def wait(number: int) -> None:
        for turn in range(OPERATIONS):
            await clock.delay(MEAN_SECONDS * (1 + (number + turn) % 3))

    async def main() -> None:
        async with trio.open_nursery() as nursery:
            for number in range(TASKS):
                nursery.start_soon(wait, number)

    started = process_time()
    sim.run_schedule(main, sim.Schedule(), clock)
    return TASKS * OPERATIONS / (process_time() - started)


def main(arguments: list[str]) -> None:
    """Measure and print."""
    count = int(arguments[0]) if arguments else SEEDS
    started = process_time()
    scripts = [sim.draw(seed) for seed in range(count)]
    draw_seconds = process_time() - started
    run_all(scripts[:3])
    results, run_seconds = run_all(scripts)
    seconds = draw_seconds + run_seconds
    slow, slow_seconds = run_all([with_mean_latency(script) for script in scripts])
    virtual = sum(result.virtual_seconds for result in slow)
    in_io = sum(result.io_calls for result in slow) * MEAN_SECONDS
    crashes = sum(result.crashes for result in results)
    print(
        f"{platform.python_implementation()} {platform.python_version()}, {count} seeds"
    )
    print(
        f"a seed: {mean(r.operations for r in results):.0f} operations, "
        f"{mean(r.crashes for r in results):.1f} crashes, "
        f"{mean(r.io_calls for r in results):.0f} Io operations, "
        f"{sum(r.verdict != 'ok' for r in results)} failed"
    )
    rows = (
        ("seeds a second", count / seconds, 20.0),
        ("completions a second, heap alone", max(heap_rate() for _ in range(3)), 1e5),
        ("virtual seconds a second, 0.5 ms an Io", virtual / slow_seconds, 30.0),
        ("  the same without idle time", in_io / slow_seconds, None),
        ("crashes and recoveries a second", crashes / seconds, 80.0),
    )
    for name, rate, goal in rows:
        wanted = "" if goal is None else f"  of {goal:9,.0f}"
        print(f"{name:42}{rate:12,.1f}{wanted}")


main(sys.argv[1:])
