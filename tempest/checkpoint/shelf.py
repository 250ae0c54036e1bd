"""The checkpoints of an open store, to be listed, read back, and dropped.

Invariants
- A checkpoint's files stay while it is validated: the version that names it is pinned.
- Nothing older is dropped before the newest recovery point that stays was read back whole.
"""

import attrs
import trio

from io_backends import Io
from tempest.checkpoint.info import CheckpointInfo, describe, describe_all, find
from tempest.checkpoint.retention import choose, drop
from tempest.checkpoint.validation import CheckpointReport, Validation
from tempest.coordinator import Coordinator, Work
from tempest.version import Manifest, Versions


@attrs.define(eq=False)
class Shelf:
    """Lists and validates the checkpoints of a store, open for writing or not."""

    io: Io
    folder: str
    store_id: bytes
    versions: Versions

    def list(self) -> list[CheckpointInfo]:
        """Return what there is, oldest first."""
        return describe_all(self.versions.current)

    def info(self, token: bytes) -> CheckpointInfo:
        """Return one; `CheckpointError` if there is none of that token."""
        version = self.versions.current
        return describe(version, find(version, token))

    async def validate(
        self, token: bytes, known: dict[int, None] | None = None
    ) -> CheckpointReport:
        """Read back all that a checkpoint would restore, but tables that are `known` whole."""
        version = self.versions.pin()
        try:
            meta = find(version, token)
            return await Validation(
                self.io,
                self.folder,
                self.store_id,
                version,
                meta,
                {} if known is None else known,
            ).run()
        finally:
            self.versions.unpin(version)


@attrs.define(eq=False)
class Retention:
    """Drops checkpoints of a store that is open for writing."""

    shelf: Shelf
    manifest: Manifest
    coordinator: Coordinator
    kept: int
    dropped: int = 0
    _known: dict[int, None] = attrs.field(factory=dict)

    @property
    def is_due(self) -> bool:
        """Whether there are more automatic checkpoints than are to be kept."""
        return bool(choose(self.manifest.current, self.kept, automatic_only=True).gone)

    async def drop(self, token: bytes) -> None:
        """Drop a checkpoint; waits while one is being made."""
        find(self.manifest.current, token)  # a wrong token is no failure of the work
        async with self.coordinator.turn(Work.RETENTION):
            find(self.manifest.current, token)
            await self._drop([token])

    async def prune(self, keep: int, *, automatic_only: bool) -> list[bytes]:
        """Drop all but the newest `keep`; return the tokens of those that went, oldest first."""
        choose(self.manifest.current, keep, automatic_only=automatic_only)
        async with self.coordinator.turn(Work.RETENTION):
            return await self.prune_now(keep, automatic_only=automatic_only)

    async def prune_now(self, keep: int, *, automatic_only: bool) -> list[bytes]:
        """Do what `prune` does; whoever calls holds the turn."""
        choice = choose(self.manifest.current, keep, automatic_only=automatic_only)
        if choice.newest is not None:
            # What was read whole once in this life is not read again by retention.
            report = await self.shelf.validate(choice.newest.token, self._known)
            report.check()
        tokens = [meta.token for meta in choice.gone]
        if tokens:
            await self._drop(tokens)
        return tokens

    async def retain(self) -> list[bytes]:
        """Do for automatic checkpoints what `checkpoints_kept` asks for; holds the turn already."""
        return await self.prune_now(self.kept, automatic_only=True)

    async def _drop(self, tokens: list[bytes]) -> None:
        with trio.CancelScope(shield=True):
            await self.manifest.append(drop(self.manifest.current, tokens))
        self.dropped += len(tokens)
        named = self.manifest.current.numbers
        self._known = dict.fromkeys(number for number in named if number in self._known)
