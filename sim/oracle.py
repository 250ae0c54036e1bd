"""What a run may violate: one error, and the names of everything that is watched.

Each check is named; a violation carries that name, which is the verdict of the run.
"""

import attrs

ORACLES = {
    "prefix-no-hole": "what comes back is the state after a prefix of the log order",
    "acknowledged-survives": "a write that returned survives what its level promises",
    "batch-atomic": "of a batch, all or nothing is ever seen",
    "outcome-pinned": "what was seen after a recovery stays",
    "no-resurrection": "what was overwritten or deleted never comes back",
    "no-phantom": "nothing is read that nobody wrote",
    "read-your-writes": "a read sees every write that returned before it began",
    "snapshot-isolation": "all reads of a snapshot or scan see one moment",
    "session": "the serial of a session is that of the last of its operations there",
    "checkpoint": "what was acknowledged as kept is listed, and reads as the state at its cut",
    "changes": "a stream gives every durable change once, in the order of the log",
    "backup": "a backup opens by itself and reads as the state at its moment",
    "values": "estimates of what collections free are what the files say",
    "bank": "the sum of all accounts is constant at every moment",
    "ring": "the places of the ring are one ring at every moment",
    "linearizable": "some order of the operations explains every answer",
    "metamorphic": "options change no answer",
    "range": "a scan gives what its bounds, direction and limit say",
    "structure": "every file verifies after recovery and after close",
    "live-files": "when all is quiet, the files on disk are those that are named",
    "leak": "nothing is open or locked after close",
    "liveness": "once faults have stopped, the store works again in bounded time",
    "stuck": "every run comes to an end",
    "undocumented-error": "nothing but documented errors leaves the store",
    "health": "a store on a sound disk is healthy",
    "silent-fault": "an error of the disk is visible to somebody",
    "silent-loss": "what damage took away is missed by name, or could pass for a tear",
    "needless-loss": "what is declared lost or refused is what was really hurt",
    "refused-opening": "a store opens unless its disk was damaged",
    "frozen-disk": "nothing is written after the power went",
}


@attrs.frozen(eq=False, str=False)
class Violation(Exception):  # noqa: N818 - what it is, not that it is an error
    """Something that must hold did not. `name` is one of `ORACLES`."""

    name: str
    detail: str

    def __attrs_post_init__(self) -> None:
        assert self.name in ORACLES, self.name

    def __str__(self) -> str:
        return f"{self.name}: {self.detail}"


def leaves(error: BaseException) -> list[BaseException]:
    """Return the errors in a group of groups."""
    if isinstance(error, BaseExceptionGroup):
        return [leaf for part in error.exceptions for leaf in leaves(part)]
    return [error]
