"""What is done to a store's disk: every kind of fault, drawn, named, counted, with its contract.

    draw_faults         faults of one life, as values of `io_backends`
    plant               files that come or go between two lives
    hurt, lacking       a twin of a disk with damage done to it
    name_of, place_of   what fired, and what it hit
    sum_places          both, over many runs, as a matrix

The rows of the fault taxonomy and where each is met: `docs/faults.md`.

Invariants
- A plan injects only what the store claims to survive; everything else is done to a twin.
"""

from sim.faults.contracts import (
    CONTRACTS as CONTRACTS,
    MANIFESTS as MANIFESTS,
    STORE as STORE,
    file_kind as file_kind,
    is_damage as is_damage,
    name_now as name_now,
    name_of as name_of,
    place_of as place_of,
)
from sim.faults.drawn import draw_faults as draw_faults, has_lies as has_lies
from sim.faults.fault_table import FaultTable as FaultTable, sum_places as sum_places
from sim.faults.history import History as History, Written as Written
from sim.faults.planting import plant as plant, write_file as write_file
from sim.faults.twins import (
    Twin as Twin,
    cut_file as cut_file,
    hurt as hurt,
    hurt_runs as hurt_runs,
    lacking as lacking,
)

__all__ = [
    "CONTRACTS",
    "STORE",
    "FaultTable",
    "History",
    "Twin",
    "Written",
    "cut_file",
    "draw_faults",
    "file_kind",
    "has_lies",
    "hurt",
    "hurt_runs",
    "is_damage",
    "lacking",
    "name_now",
    "name_of",
    "place_of",
    "plant",
    "sum_places",
    "write_file",
]
