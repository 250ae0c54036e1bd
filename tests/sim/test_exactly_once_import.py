"""The worked example of sessions: the sound importer passes, and both bugs are found."""

import pytest

import tempest
from examples import test_exactly_once_import as example
from examples.exactly_once_import import (
    ForgetfulImport,
    NotingImport,
    Source,
    WordImport,
)
from io_backends import VirtualDisk, VirtualIo
from sim import CrashFailure


def test_the_importer_counts_every_line_once() -> None:
    example.test_every_line_is_counted_once()


@pytest.mark.parametrize(
    ("kind", "found"),
    [
        (NotingImport, r"seed \d+: .* not the words of \d+ lines"),
        (ForgetfulImport, r"seed \d+: .* line \d+ is lost"),
    ],
)
def test_an_importer_with_a_crash_bug_is_found(
    kind: type[WordImport], found: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(example, "WordImport", kind)

    with pytest.raises(CrashFailure, match=found):
        example.test_every_line_is_counted_once()


async def test_the_importer_goes_on_where_it_was() -> None:
    disk = VirtualDisk()
    source = Source(["a b a"])
    for count in (1, 2):
        async with tempest.open_store("words", io=VirtualIo(disk)) as store:
            task = WordImport(store)
            await task.run(source)
            assert source.forgotten == await task.imported() == count
        source.lines.append("b")

    async with tempest.open_store("words", io=VirtualIo(disk)) as store:
        assert await WordImport(store).counts() == {"a": 2, "b": 2}
    with pytest.raises(LookupError, match="line 2 is lost"):
        list(source.after(1))
