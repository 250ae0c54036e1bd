"""Bugs of closing: what is made durable, and what is let go."""

from random import Random

from io_backends import Fault, LateError
from sim.planted.bug import Edit, Planted
from sim.planted.directed import Directed

LOG = "store/log-*"


def fail_late(random: Random) -> tuple[Fault, ...]:
    """Let a sync of the log lose its pages, which the next one reports."""
    return (LateError(at=random.randrange(20, 40), path=LOG),)


SHORT = Directed(mix={"put": 3, "flush": 1}, operations=4, lives=1, endings=("close",))

CLOSING_BUGS = (
    Planted.edit(
        "close-without-a-second-sync",
        "closing waits until a later sync has confirmed the log: errors come late",
        Edit(
            "tempest.engine:Engine._drain",
            "while not committer.is_confirmed:",
            "while not committer.is_drained:",
        ),
        draw=Directed(
            mix={"put": 3, "batch": 1},
            operations=8,
            endings=("close", "cut"),
            faults=fail_late,
            faulty=1,
        ),
    ),
    Planted.edit(
        "close-without-syncing",
        "closing makes everything durable that was acknowledged, whatever its level (T30)",
        Edit(
            "tempest.engine:Engine.aclose",
            "    await self._until(deadline, errors, self._drain)\n",
            "",
        ),
        draw=Directed(
            mix={"put": 3, "delete": 1},
            levels=(1, 1, 0),
            operations=6,
            is_closing=True,
            io=(99,),
        ),
    ),
    Planted.edit(
        "close-keeps-the-lock",
        "the lock is let go last, and in any case",
        Edit("tempest.engine:Place.aclose", "self.lock.release()", "pass"),
        draw=SHORT,
    ),
    Planted.edit(
        "close-leaves-tables-open",
        "nothing is open after close",
        Edit(
            "tempest.engine:Engine.aclose",
            "(journal.aclose, reader.aclose, log.aclose)",
            "(journal.aclose, log.aclose)",
        ),
        draw=Directed(
            mix={"put": 3, "flush": 1, "get": 2, "compact": 1},
            operations=16,
            lives=1,
            endings=("close",),
        ),
    ),
    Planted.edit(
        "close-leaves-the-log-open",
        "nothing is open after close",
        Edit(
            "tempest.engine:Engine.aclose",
            "(journal.aclose, reader.aclose, log.aclose)",
            "(journal.aclose, reader.aclose)",
        ),
        draw=SHORT,
    ),
    Planted.edit(
        "close-ends-the-log-too-early",
        "the log is closed where its last acknowledged frame ends",
        Edit(
            "tempest.engine:Engine._log_end",
            "end = self.committer.log.durable",
            "end = self.manifest.current.replay_from",
        ),
        draw=SHORT,
    ),
)
