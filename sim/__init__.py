"""The real engine in a chosen world: what a seed decides, anybody can run again.

For now the seeded scheduler, on which everything here stands.
"""

from sim.schedule import (
    TrioInternalsMovedError as TrioInternalsMovedError,
    run_seeded as run_seeded,
)

__all__ = ["TrioInternalsMovedError", "run_seeded"]
