"""Checkpoints: named recovery points, made while the store is used, read back and restored."""

from tempest.checkpoint.attempt import (
    CheckpointOutcome as CheckpointOutcome,
    CheckpointTicket as CheckpointTicket,
)
from tempest.checkpoint.automatic import adopt_checkpoints as adopt_checkpoints
from tempest.checkpoint.face import CheckpointFace as CheckpointFace
from tempest.checkpoint.info import (
    CheckpointInfo as CheckpointInfo,
    describe_all as describe_all,
    find_recovery_point as find_recovery_point,
)
from tempest.checkpoint.maker import (
    CheckpointCounters as CheckpointCounters,
    Checkpointer as Checkpointer,
)
from tempest.checkpoint.phases import (
    MOVES as MOVES,
    CheckpointPhase as CheckpointPhase,
)
from tempest.checkpoint.restoring import (
    list_checkpoints as list_checkpoints,
    restore_checkpoint as restore_checkpoint,
    restore_newest_valid as restore_newest_valid,
    validate_checkpoint as validate_checkpoint,
)
from tempest.checkpoint.shelf import Retention as Retention, Shelf as Shelf
from tempest.checkpoint.validation import (
    CheckpointProblem as CheckpointProblem,
    CheckpointReport as CheckpointReport,
)

__all__ = [
    "MOVES",
    "CheckpointCounters",
    "CheckpointFace",
    "CheckpointInfo",
    "CheckpointOutcome",
    "CheckpointPhase",
    "CheckpointProblem",
    "CheckpointReport",
    "CheckpointTicket",
    "Checkpointer",
    "Retention",
    "Shelf",
    "adopt_checkpoints",
    "describe_all",
    "find_recovery_point",
    "list_checkpoints",
    "restore_checkpoint",
    "restore_newest_valid",
    "validate_checkpoint",
]
