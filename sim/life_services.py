"""What a life has to do with states that are kept: checkpoints, backups, consumers of changes.

Invariants
- All of it belongs to the run: a life only hands it on.
"""

from typing import TYPE_CHECKING

from sim.followers import Follower
from sim.keepsakes import Content, Keepsakes, Serials
from tempest import Position

if TYPE_CHECKING:
    from sim.digest import WatchedIo
    from sim.elsewhere import Elsewhere
    from sim.hazards import Hazards
    from sim.marks import Marks
    from sim.script import Life
    from sim.world import World
    from tempest import Options

AUTOMATIC = (
    *("checkpoint_interval_seconds", "checkpoint_log_bytes"),
    "checkpoint_dirty_bytes",
)


class LifeServices:
    """The part of a life that clients of `sim.services` and the next life need."""

    world: "World"
    life: "Life"
    marks: "Marks"
    options: "Options"
    hazards: "Hazards"
    io: "WatchedIo"
    elsewhere: "Elsewhere"

    @property
    def keepsakes(self) -> Keepsakes:
        return self.world.keepsakes

    @property
    def followers(self) -> dict[str, Follower]:
        return self.world.followers

    @property
    def recovered_position(self) -> Position:
        return self.world.recovered_position

    @property
    def is_automatic(self) -> bool:
        """Whether the store makes checkpoints by itself."""
        chosen = dict(self.life.options)
        return any(value for name, value in chosen.items() if name in AUTOMATIC)

    def mark(self, situation: str, *, when: bool = True) -> None:
        self.marks.sometimes(situation, when=when)

    async def read_elsewhere(
        self, folder: str, checkpoint: bytes | None
    ) -> tuple[Content, Serials] | None:
        return await self.elsewhere.read(folder, checkpoint)

    async def recover(self) -> None:
        """Do what is done before the store is opened: it may have to become what was kept."""
        self.keepsakes.died()
        for follower in self.followers.values():
            kept = self.options.stream_retention_bytes
            follower.retention_bytes = min(follower.retention_bytes, kept)
        if self.life.recover is not None:
            await self.elsewhere.recover(self.life.recover)
            self.io = self.hazards.make_io()  # it may be another disk by now
