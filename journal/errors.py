"""What can go wrong with a journal, as few classes named for what the caller does next.

A journal raises these, the `IoError` of its backend (on reading, where nothing was written and
the outcome is plain), and nothing else.

Invariants
- An error says whether the edit may reappear after a restart: only `JournalOutcomeUnknownError`
  means "perhaps"; every other one means "no".
- Damage names the file, the offset, what was expected there and what was found.
"""

import attrs


class JournalError(Exception):
    """The root of everything that a journal raises by itself."""


@attrs.frozen(eq=False, str=False)
class CorruptJournalError(JournalError):
    """Bytes that had been durable do not read back; nothing was rewritten."""

    path: str
    offset: int
    expected: str
    found: str

    def __str__(self) -> str:
        return (
            f"journal {self.path!r} is damaged at offset {self.offset}: expected"
            f" {self.expected}, found {self.found}; nothing was changed, restore the file"
            " or repair from the previous generation"
        )


@attrs.frozen(eq=False, str=False)
class UnsupportedJournalError(JournalError):
    """The journal is whole, but it needs something that this version does not have."""

    path: str
    detail: str

    def __str__(self) -> str:
        return f"journal {self.path!r} is not supported: {self.detail}"


@attrs.frozen(eq=False, str=False)
class InvalidEditError(JournalError):
    """The edit does not fit the state; it was not written."""

    reason: str

    def __str__(self) -> str:
        return f"the edit was refused and not written: {self.reason}"


@attrs.frozen(eq=False, str=False)
class RecordError(JournalError, ValueError):
    """A value cannot be written as a record, or bytes are not exactly what a record writes."""

    detail: str

    def __str__(self) -> str:
        return f"not a record: {self.detail}"


@attrs.frozen(eq=False, str=False)
class JournalOutcomeUnknownError(JournalError):
    """The edit was handed to the disk and the disk failed: it may or may not come back.

    Keep what either outcome names until `Journal.is_settled`; the next append, or `settle`, decides
    against it.
    """

    path: str

    def __str__(self) -> str:
        return (
            f"writing an edit to {self.path!r} failed, so its outcome is unknown until the"
            " journal has moved to a new generation: append again, or settle"
        )


@attrs.frozen(eq=False, str=False)
class JournalUnsettledError(JournalError):
    """Nothing of this edit was written: the journal has yet to move to a new generation."""

    path: str

    def __str__(self) -> str:
        return (
            f"nothing was written: an earlier failure left {self.path!r} behind and no new"
            " generation could be started yet; try again"
        )


@attrs.frozen(eq=False, str=False)
class JournalClosedError(JournalError):
    """The journal was closed, or its leader stopped, before this edit was written."""

    path: str

    def __str__(self) -> str:
        return f"nothing was written: the journal {self.path!r} was closed"


@attrs.frozen(eq=False, str=False)
class JournalMovedError(JournalError):
    """Another opener started a generation since this one loaded; nothing was written."""

    folder: str
    expected: int | None
    found: int | None

    def __str__(self) -> str:
        return (
            f"the newest journal in {self.folder!r} should be generation {self.expected} and"
            f" is {self.found}: another opener was here; load it again under the lock"
        )
