"""Every error is a sentence that ends in what to do next, and is what its family says."""

import copy
import inspect
import pickle
import re

import pytest
import trio

import tempest
from tempest import TempestError, errors

EXAMPLES: dict[type[TempestError], tuple[TempestError, str]] = {
    type(error): (error, next_step)
    for error, next_step in (
        (errors.InvalidError("the key has 70000 bytes"), "call again"),
        (errors.NotOpenError(), "'async with'"),
        (errors.NotAStoreError("data", "it is not a folder"), "Name the folder"),
        (errors.ReadOnlyError("put"), "without read_only=True"),
        (errors.LockedError("data", 42, "host", 0.0), "Close it there"),
        (errors.StorageError("data/log", "write_at", 5, "broken"), "try again"),
        (errors.NoSpaceError("data/log", "write_at", 28), "Free some space"),
        (errors.CorruptionError("data/table", 512, "rot"), "restore the file"),
        (errors.BackgroundError("the disk is gone"), "Mend the cause"),
        (errors.OutcomeUnknownError("it was taken in"), "Read the key"),
        (errors.ConflictError("key b'a'"), "Run it again"),
        (errors.ThrottledError("flush is behind"), "store.wait_writable()"),
        (errors.UnsupportedFormatError("data/table", "format 2"), "Open it with"),
        (errors.CheckpointError("There is none"), "store.checkpoints()"),
        (errors.BackupError("copy", "it holds another store"), "empty folder"),
        (errors.PositionLostError("Address 5 is gone"), "Start again"),
    )
}
ERRORS = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, TempestError) and kind is not TempestError
]
every_error = pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)


@every_error
def test_an_error_is_a_sentence_that_ends_in_what_to_do_next(
    kind: type[TempestError],
) -> None:
    error, next_step = EXAMPLES[kind]
    what, advice = re.split(r"\. ", str(error), maxsplit=1)

    assert what
    assert next_step in advice
    assert advice.endswith(".")


@every_error
def test_an_error_is_exported_and_has_a_family(kind: type[TempestError]) -> None:
    assert getattr(tempest, kind.__name__) is kind
    assert kind.__name__ in tempest.__all__
    assert kind.__doc__


@every_error
def test_an_error_can_be_copied_pickled_and_noted(kind: type[TempestError]) -> None:
    error, _ = EXAMPLES[kind]

    for twin in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert type(twin) is kind
        assert str(twin) == str(error)
    copy.copy(error).add_note("an aside")


@pytest.mark.parametrize(
    ("kind", "parent"),
    [
        (errors.InvalidError, ValueError),
        (errors.NotOpenError, trio.ClosedResourceError),
        (errors.ThrottledError, trio.WouldBlock),
        (errors.NoSpaceError, errors.StorageError),
    ],
)
def test_an_error_is_also_what_its_caller_knows(
    kind: type[TempestError], parent: type[Exception]
) -> None:
    assert issubclass(kind, parent)
    assert issubclass(kind, TempestError)


def test_an_error_names_what_it_is_about() -> None:
    locked = str(errors.LockedError("data", 42, "mill", 0.0))
    assert all(word in locked for word in ("data", "42", "mill", "1970-01-01T00:00:00"))

    corrupt = str(errors.CorruptionError("data/table-7", 512, "a flipped bit"))
    assert all(word in corrupt for word in ("data/table-7", "512", "a flipped bit"))

    storage = str(errors.StorageError("data/log-1", "sync", 5))
    assert all(word in storage for word in ("data/log-1", "sync", "errno 5"))


def test_a_lock_without_a_name_still_makes_a_sentence() -> None:
    assert "an unknown process" in str(errors.LockedError("data"))
