"""How late a task wakes that sleeps a millisecond, while the store beside it is loaded.

A control does the same in an idle process at the same time, so that what the machine itself does
to a sleeper is known: `python -m benchmarks.peers.lateness` sleeps until its input ends.
"""

import subprocess
import sys
from time import perf_counter_ns

import trio

from benchmarks.peers.data import Data
from benchmarks.peers.engine import AsyncFace
from benchmarks.peers.meter import Meter
from benchmarks.peers.tapes import Tape

SLEEP_SECONDS = 0.001
ALLOWED_ABOVE_US = 5000.0
LOADS = 5
SECTION = 1000  # puts between two looks at the clock


async def probe(late: list[int]) -> None:
    """Record each sleep's lateness in nanoseconds until cancelled."""
    wanted = int(SLEEP_SECONDS * 1e9)
    while True:
        before = perf_counter_ns()
        await trio.sleep(SLEEP_SECONDS)
        late.append(max(0, perf_counter_ns() - before - wanted))


async def beside_a_load(db: AsyncFace, data: Data, meter: Meter, tape: Tape) -> None:
    """Overwrite everything several times; a probe and the control run all the while."""
    late: list[int] = []
    command = [sys.executable, "-m", "benchmarks.peers.lateness"]
    with subprocess.Popen(  # noqa: ASYNC220, before anything is timed
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as control:
        if control.stdout:
            control.stdout.readline()  # it sleeps
        async with trio.open_nursery() as nursery:
            nursery.start_soon(probe, late)
            await load(db, meter, tape)
            await trio.sleep(2 * SLEEP_SECONDS)  # a nap begun during the load ends
            nursery.cancel_scope.cancel()
        idle, _ = control.communicate()
    meter.percentiles("loop", late)
    meter.percentiles("idle", [int(line) for line in idle.split()])
    meter.figures["allowed_us"] = meter.figures["idle_p99.99_us"] + ALLOWED_ABOVE_US
    meter.figures["naps"] = float(len(late))


async def load(db: AsyncFace, meter: Meter, tape: Tape) -> None:
    """Put, again and again, until the time is up.

    No list of all these rows is made: the collector would go through that when it is young, for
    30 ms, which would be the worst lateness and nothing of the store.
    """
    put = db.put
    rows = tape.rows
    done, wanted = 0, LOADS * len(rows)
    started = meter.start()
    while done < wanted and not (done and meter.is_over(started)):
        place = done % len(rows)
        part = rows[place : place + SECTION]
        for key, value in part:
            await put(key, value)
        done += len(part)
    meter.stop(started, done)


async def control() -> None:
    """Sleep until the input ends, then print every lateness."""
    late: list[int] = []
    async with trio.open_nursery() as nursery:
        nursery.start_soon(probe, late)
        print("asleep", flush=True)
        await trio.lowlevel.wait_readable(sys.stdin)
        nursery.cancel_scope.cancel()
    print("\n".join(map(str, late)))


if __name__ == "__main__":
    trio.run(control)
