"""`WholeFile` keeps all rows in one file and replaces it at each write: the base of many strawmen."""

from sim.corpus.bricks import dump, load_state, read_if_there, replace, sealed, unsealed
from sim.corpus.engine import MiniEngine, UnreadableError
from sim.corpus.ledger import Changes, State, apply_changes


class WholeFile(MiniEngine):
    """A correct engine: the file is the old one or the new one."""

    path = "/rows"

    async def open(self) -> None:
        self.state = await self.load()

    async def load(self) -> State:
        """Return what the file holds; an absent one holds nothing."""
        data = await read_if_there(self.io, self.path)
        if data is None:
            return {}
        for payload, _ in unsealed(data):
            return load_state(payload)
        raise UnreadableError(f"{self.path} is damaged")

    async def write(self, changes: Changes, *, synced: bool) -> None:
        apply_changes(self.state, changes)
        await self.save(self.state)

    async def save(self, state: State) -> None:
        await replace(self.io, self.path, sealed(dump(state)))

    async def rows(self) -> State:
        return dict(self.state)
