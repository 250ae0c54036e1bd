"""What a store does by itself, one kind of work in each module; `tempest.maintenance` runs it.

Each class adds one kind of work to what all of them share, `Publishing`: how any work changes
the version. `Maintenance` is all of them in one object.
"""

from tempest.upkeep.automatic import CheckpointTriggers
from tempest.upkeep.collecting import Collecting
from tempest.upkeep.compacting import Compacting
from tempest.upkeep.flushing import Flushing
from tempest.upkeep.publishing import Counters, Publishing
from tempest.upkeep.removing import Removing

__all__ = [
    "CheckpointTriggers",
    "Collecting",
    "Compacting",
    "Counters",
    "Flushing",
    "Publishing",
    "Removing",
]
