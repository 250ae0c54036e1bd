"""Everything that can happen to a small program, once each, and exactly how much that was.

explore(program)        an `Exploration`: exact counts, and a plan for every failure
exploration.table()     the same as text
WORKLOADS               small uses of the store, each with its promises
"""

from sim.explore.exploration import Exploration as Exploration, Found as Found
from sim.explore.explorer import explore as explore
from sim.explore.workloads import WORKLOADS as WORKLOADS, Ledgers as Ledgers

__all__ = [
    "WORKLOADS",
    "Exploration",
    "Found",
    "Ledgers",
    "explore",
]
