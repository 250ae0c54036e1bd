"""The phases of a checkpoint: a table of moves, after concurrent prefix recovery.

    REST          nothing is being made
    PREPARE       waits for its turn, and takes a number that is never used again
    IN_PROGRESS   asks the log to be sealed: where that ends is the cut
    WAIT_PENDING  everything before the cut becomes visible, and can no more be moved on disk
    WAIT_FLUSH    everything before the cut becomes tables (not for a LOG)
    PERSIST       one edit of the manifest: the commit point

Nobody is stopped in any of them: reads and writes go on. Whatever fails or is cancelled leads
back to REST, and so does success.

Invariants
- `MOVES` holds every legal move, and every phase can go to REST.
"""

from enum import Enum


class CheckpointPhase(Enum):
    """How far a checkpoint has come; the module docstring says what each is for."""

    REST = "rest"
    PREPARE = "prepare"
    IN_PROGRESS = "in progress"
    WAIT_PENDING = "wait pending"
    WAIT_FLUSH = "wait flush"
    PERSIST = "persist"


MOVES = {
    CheckpointPhase.REST: (CheckpointPhase.PREPARE,),
    CheckpointPhase.PREPARE: (CheckpointPhase.IN_PROGRESS, CheckpointPhase.REST),
    CheckpointPhase.IN_PROGRESS: (CheckpointPhase.WAIT_PENDING, CheckpointPhase.REST),
    CheckpointPhase.WAIT_PENDING: (
        CheckpointPhase.WAIT_FLUSH,
        CheckpointPhase.PERSIST,
        CheckpointPhase.REST,
    ),
    CheckpointPhase.WAIT_FLUSH: (CheckpointPhase.PERSIST, CheckpointPhase.REST),
    CheckpointPhase.PERSIST: (CheckpointPhase.REST,),
}
