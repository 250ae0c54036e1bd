"""Import numbered lines and count their words: each line once, whatever crashes.

    async with tempest.open_store("words") as store:
        await WordImport(store).run(source)

The source hands out its lines from any number on, and keeps them until it is told that it may
forget them: a file, a message queue, another machine. The importer writes through a session, with
the number of the line as serial, so the store always holds the words of exactly the lines up to
the session's serial. When it starts again it goes on from `recovered_serial`, and it lets the
source forget what is below `durable_serial`. No write waits for the disk but one in `LINES_BETWEEN`.

`NotingImport` and `ForgetfulImport` have a crash bug each; `examples/test_exactly_once_import.py`
finds them.
"""

from collections import Counter
from collections.abc import Iterator

import attrs

from tempest import Durability, Session, Store

SESSION = "word import"
LINES_BETWEEN = 3  # so few for the sake of the test; a thousand would do
WORD = b"word/"
PROGRESS = b"progress"


@attrs.define
class Source:
    """Where lines come from. Line n is `lines[n - 1]`; those up to `forgotten` are gone."""

    lines: list[str] = attrs.field(factory=list)
    forgotten: int = 0

    def after(self, number: int) -> Iterator[tuple[int, str]]:
        """Yield the lines behind line `number`, and their numbers."""
        if number < self.forgotten:
            raise LookupError(f"line {number + 1} is lost: the source has forgotten it")
        yield from enumerate(self.lines[number:], start=number + 1)

    def forget(self, number: int) -> None:
        """Forget the lines up to this one."""
        self.forgotten = max(self.forgotten, number)


class WordImport:
    """Counts the words of a source's lines in an open store."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def imported(self) -> int:
        """Return the number of the last line that was imported; 0 if none was."""
        return (await self._store.sessions()).get(SESSION, 0)

    async def counts(self) -> dict[str, int]:
        """Return how often each word was met."""
        async with self._store.scan(prefix=WORD) as rows:
            return {
                key.removeprefix(WORD).decode(): int(value) async for key, value in rows
            }

    async def run(self, source: Source) -> None:
        """Import every line that was not imported yet."""
        async with self._store.session(SESSION) as session:
            for number, line in source.after(session.recovered_serial):
                await self._take_in(session, number, line)
                if number % LINES_BETWEEN == 0:
                    await self._commit(session, source)
            await self._commit(session, source)

    async def _take_in(self, session: Session, number: int, line: str) -> None:
        """Count one line: its words and its number enter the store as one."""
        counts = await self._counted(line)
        async with session.batch(serial=number, durability=Durability.MEMORY) as batch:
            for key, count in counts.items():
                batch.put(key, b"%d" % count)

    async def _commit(self, session: Session, source: Source) -> None:
        """Let the source forget what no power cut can take back."""
        await session.wait_durable()
        source.forget(session.durable_serial)

    async def _counted(self, line: str) -> dict[bytes, int]:
        """Return the new counts of a line's words."""
        words = Counter(WORD + word.encode() for word in line.split())
        before = await self._store.get_many(words)
        return {
            key: count + int(old or b"0")
            for (key, count), old in zip(words.items(), before, strict=True)
        }


class NotingImport(WordImport):
    """Wrong: notes its progress in a write of its own, and the power can fail between the two."""

    async def imported(self) -> int:
        return int(await self._store.get(PROGRESS) or b"0")

    async def run(self, source: Source) -> None:
        for number, line in source.after(await self.imported()):
            async with self._store.batch() as batch:
                for key, count in (await self._counted(line)).items():
                    batch.put(key, b"%d" % count)
            await self._store.put(PROGRESS, b"%d" % number)
            source.forget(number)


class ForgetfulImport(WordImport):
    """Wrong: lets the source forget what was taken in, and is not durable yet."""

    async def _commit(self, session: Session, source: Source) -> None:
        source.forget(session.serial)
