"""Which prefixes of a run of writes explain what was found in a store."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from tests.tempest.process.plan import MEMORY, Write

Content = Mapping[bytes, bytes]
SHOWN_MAX = 10


def contents(before: Content, run: Iterable[Write]) -> Iterator[Content]:
    """Yield the content before the run, then after each of its writes; the same dict, moving on."""
    content = dict(before)
    yield content
    for write in run:
        for key, value in write.entries.items():
            if value is None:
                content.pop(key, None)
            else:
                content[key] = value
        yield content


def prefixes(before: Content, run: Iterable[Write], found: Content) -> list[int]:
    """Return the lengths of the prefixes after which the content is what was found."""
    return [
        length
        for length, content in enumerate(contents(before, run))
        if content == found
    ]


def promised(acknowledged: Sequence[Write]) -> int:
    """Return how many of these writes a killed process may not take: up to the last promise."""
    lengths = (
        n for n, write in enumerate(acknowledged, 1) if write.level is not MEMORY
    )
    return max(lengths, default=0)


def fits(before: Content, run: Sequence[Write], least: int, found: Content) -> int:
    """Return the longest prefix that explains what was found; fail if none of `least` does."""
    length = max(prefixes(before, run, found), default=-1)
    assert length >= least, explain(before, run, least, found)
    return length


def explain(before: Content, run: Sequence[Write], least: int, found: Content) -> str:
    """Say how what was found differs from the shortest prefix that was promised."""
    wanted = dict(next(islice(contents(before, run), least, None)))
    title = f"no prefix of {least} to {len(run)} writes explains what was found:"
    wrong = [
        f"{key!r}: {_show(wanted, key)} -> {_show(found, key)}"
        for key in sorted(wanted.keys() | found.keys())
        if wanted.get(key) != found.get(key)
    ]
    touched = [
        f"{number}: {write.manner.value} {sorted(write.entries)[:SHOWN_MAX]}"
        for number, write in enumerate(run, 1)
    ]
    last = ["the last writes:", *touched[-SHOWN_MAX:]]
    return "\n".join([title, *wrong[:SHOWN_MAX], *last])


def _show(content: Content, key: bytes) -> str:
    value = content.get(key)
    return "nothing" if value is None else f"{value[:12]!r}, {len(value)} bytes"
