"""What a store offers for checkpoints: to take, list, check and drop them.

Invariants
- What is asked for is checked before anything begins.
"""

import trio

from tempest.checkpoint.attempt import CheckpointTicket, OnPersisted, OnPhase, Request
from tempest.checkpoint.info import CheckpointInfo
from tempest.checkpoint.maker import Checkpointer
from tempest.checkpoint.phases import CheckpointPhase
from tempest.checkpoint.shelf import Retention, Shelf
from tempest.checkpoint.validation import CheckpointReport
from tempest.errors import InvalidError, ReadOnlyError
from tempest.translate import translated
from tempest.version import CheckpointKind, CheckpointStyle

COOKIE_BYTES_MAX = 64 << 10
HAVE_ONE_STYLE = (CheckpointKind.LOG, CheckpointKind.INDEX)


class CheckpointFace:
    """What a store offers to take, list, check and drop its checkpoints."""

    async def checkpoint(
        self,
        kind: CheckpointKind = CheckpointKind.FULL,
        style: CheckpointStyle = CheckpointStyle.FOLD_OVER,
        cookie: bytes = b"",
        *,
        base: bytes | None = None,
        on_phase: OnPhase | None = None,
        on_persisted: OnPersisted | None = None,
    ) -> bytes:
        """Make a recovery point of the store as it is now; return its token once it is durable.

        Args:
            kind: FULL: the tables and the log, and what is in memory becomes tables, so that
                opening is short. LOG: the log up to now, no table is made. INDEX: only makes
                tables, no recovery point. INCREMENTAL: a FULL, stored as a difference.
            style: FOLD_OVER keeps the log up to the cut; SNAPSHOT keeps tables only (FULL and
                INCREMENTAL).
            cookie: up to 64 KiB of the caller's own, kept with it.
            base: for INCREMENTAL: the token of the FULL or INCREMENTAL one to build upon.
                Default: the newest that is not abandoned.
            on_phase: called with each `CheckpointPhase` as it begins.
            on_persisted: called with a `CheckpointOutcome` at the commit point, or when it
                failed. What a callback raises does not hurt the checkpoint.

        Every write that had entered the store before the cut is in it, whatever its level, and
        none after; the cut lies between this call and its return. Reads and writes go on. The
        same request made meanwhile shares the checkpoint, another raises `CheckpointError`. That
        also says, with its cause, why one could not be made. Cancelled, it is given up (unless
        somebody else waits for it): then there is none, or, if it was being persisted, a whole
        one.
        """
        request = _request(kind, style, cookie, base)
        checkpointer = self._checkpointer("checkpoint")
        await trio.lowlevel.checkpoint_if_cancelled()
        return await checkpointer.make(request, on_phase, on_persisted)

    def start_checkpoint(
        self,
        kind: CheckpointKind = CheckpointKind.FULL,
        style: CheckpointStyle = CheckpointStyle.FOLD_OVER,
        cookie: bytes = b"",
        *,
        base: bytes | None = None,
        on_phase: OnPhase | None = None,
        on_persisted: OnPersisted | None = None,
    ) -> CheckpointTicket:
        """Begin what `checkpoint` does and return at once: `await ticket.wait()` for the token.

        It goes on when nobody waits, until it has ended or the store is closed. The cut is not
        taken yet when this returns.
        """
        request = _request(kind, style, cookie, base)
        checkpointer = self._checkpointer("start_checkpoint")
        return checkpointer.start(request, on_phase=on_phase, on_persisted=on_persisted)

    @property
    def checkpoint_phase(self) -> CheckpointPhase:
        """How far the checkpoint that is being made has come; `REST` if none is."""
        try:
            return self._checkpointer("checkpoint_phase").phase
        except ReadOnlyError:
            return CheckpointPhase.REST

    async def checkpoints(self) -> list[CheckpointInfo]:
        """Return what is known of every checkpoint, oldest first. Reads no file."""
        shelf = self._shelf()
        await trio.lowlevel.checkpoint_if_cancelled()
        return shelf.list()

    async def checkpoint_info(self, token: bytes) -> CheckpointInfo:
        """Return what is known of one; `CheckpointError` if there is none of that token."""
        shelf = self._shelf()
        await trio.lowlevel.checkpoint_if_cancelled()
        return shelf.info(token)

    async def validate_checkpoint(self, token: bytes) -> CheckpointReport:
        """Read back every table block, log frame and value that restoring it would need.

        Damage is in the report; `CheckpointError` says that there is no such checkpoint.
        """
        shelf = self._shelf()
        await trio.lowlevel.checkpoint_if_cancelled()
        with translated():
            return await shelf.validate(token)

    async def drop_checkpoint(self, token: bytes) -> None:
        """Drop one, and the files that only it needs. Others that were built upon it stay whole.

        Waits while a checkpoint is being made. Durable when it returns; cancelled, it has been
        dropped or not. `CheckpointError` if there is none of that token.
        """
        retention = self._retention("drop_checkpoint")
        await trio.lowlevel.checkpoint_if_cancelled()
        with translated():
            await retention.drop(token)

    async def prune_checkpoints(
        self, keep: int, *, automatic_only: bool = False
    ) -> list[bytes]:
        """Drop all but the newest `keep` (1 or more); return the tokens of those that went.

        Recovery points and INDEX checkpoints are counted apart; abandoned ones go first. The
        newest recovery point is read back first: unless it is whole, `CheckpointError` is
        raised and nothing goes. `automatic_only` lets those alone that somebody asked for.
        """
        retention = self._retention("prune_checkpoints")
        await trio.lowlevel.checkpoint_if_cancelled()
        with translated():
            return await retention.prune(keep, automatic_only=automatic_only)

    def _shelf(self) -> Shelf:
        """Return the checkpoints of the store, or raise `NotOpenError`."""
        raise NotImplementedError  # `Store` has it

    def _checkpointer(self, operation: str) -> Checkpointer:
        """Return who makes them, or raise `NotOpenError` or `ReadOnlyError`."""
        raise NotImplementedError  # `Store` has it

    def _retention(self, operation: str) -> Retention:
        """Return who drops them, or raise `NotOpenError` or `ReadOnlyError`."""
        raise NotImplementedError  # `Store` has it


def _request(
    kind: CheckpointKind, style: CheckpointStyle, cookie: bytes, base: bytes | None
) -> Request:
    """Check what somebody asks for; `TypeError` or `InvalidError`."""
    if not isinstance(kind, CheckpointKind):
        raise TypeError(f"kind must be a CheckpointKind, not {kind!r}")
    if not isinstance(style, CheckpointStyle):
        raise TypeError(f"style must be a CheckpointStyle, not {style!r}")
    if not isinstance(cookie, bytes):
        raise TypeError(f"cookie must be bytes, not {cookie!r}")
    if base is not None and not isinstance(base, bytes):
        raise TypeError(f"base must be the token of a checkpoint, not {base!r}")
    if len(cookie) > COOKIE_BYTES_MAX:
        raise InvalidError(
            f"a cookie of {len(cookie)} bytes is above {COOKIE_BYTES_MAX}"
        )
    if base is not None and kind is not CheckpointKind.INCREMENTAL:
        raise InvalidError(f"a {kind.name} checkpoint has no base")
    if style is CheckpointStyle.SNAPSHOT and kind in HAVE_ONE_STYLE:
        raise InvalidError(f"a {kind.name} checkpoint has no SNAPSHOT style")
    return Request(kind, style, cookie, base)
