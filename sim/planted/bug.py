"""A planted bug: one rule of the engine broken in its code, while a block is open.

    SLIP = Planted.edit("acknowledge-early", "...", Edit("tempest.committer:Committer._commit",
                        "await log.sync()", "log.flushed_sequence"))
    with SLIP.plant():
        ...                         the engine has the bug here, and only here

Most bugs are an edit: some text of one function, replaced, as the mistake would have been typed.
`replaced` swaps a whole attribute, for what cannot be said so.

Invariants
- A place is a string, `module:attribute.attribute`, looked up when the bug is planted.
- What is not there any more, or there twice, is named by `PlantMovedError`; nothing is planted.
- When the block ends everything is as it was.
"""

import __future__

import inspect
import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from importlib import import_module
from types import FunctionType
from typing import Any

import attrs

from sim.draw import draw as draw_anything
from sim.script import Script

Code = Any  # type: ignore[explicit-any]  # what stands in for code can be anything


class PlantMovedError(Exception):
    """A planted bug names code that is not there any more: plant it where the code went."""


@attrs.frozen
class Edit:
    """In the function at `place`, the text `old`, which stands there once, becomes `new`.

    Lines are compared without the function's own indentation: its `def` stands at the margin.
    """

    place: str
    old: str
    new: str


@attrs.frozen(kw_only=True)
class Planted:
    """A bug by name, the rule that it breaks, and the workload that goes for that rule."""

    name: str
    rule: str
    places: tuple[str, ...]
    plant: Callable[[], AbstractContextManager[None]]
    draw: Callable[[int], Script] = draw_anything

    @classmethod
    def edit(
        cls,
        name: str,
        rule: str,
        *edits: Edit,
        draw: Callable[[int], Script] = draw_anything,
    ) -> "Planted":
        """Make a bug of edits."""
        return cls(
            name=name,
            rule=rule,
            places=tuple(dict.fromkeys(edit.place for edit in edits)),
            plant=partial(edited, *edits),
            draw=draw,
        )


def find(place: str) -> Code:
    """Return what is at a place."""
    owner, name = _owner(place)
    return getattr(owner, name)


@contextmanager
def replaced(place: str, make: Callable[[Code], Code]) -> Iterator[None]:
    """Put `make(original)` where the original is; names imported elsewhere are not reached."""
    owner, name = _owner(place)
    original = vars(owner)[name]
    setattr(owner, name, make(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


@contextmanager
def edited(*edits: Edit) -> Iterator[None]:
    """Plant edits, all or none; whoever has imported a function has the edited one."""
    of_place: dict[str, list[Edit]] = {}
    for edit in edits:
        of_place.setdefault(edit.place, []).append(edit)
    with ExitStack() as stack:
        for place, changes in of_place.items():
            stack.enter_context(_edited(place, changes))
        yield


@contextmanager
def _edited(place: str, edits: Sequence[Edit]) -> Iterator[None]:
    function = _function(place)
    original, defaults = function.__code__, function.__defaults__
    new = _compiled(function, place, edits)
    function.__code__, function.__defaults__ = new.__code__, new.__defaults__
    try:
        yield
    finally:
        function.__code__, function.__defaults__ = original, defaults


def _owner(place: str) -> tuple[Code, str]:
    """Return the module or class that holds a place, and the name there."""
    module, _, attribute = place.partition(":")
    try:
        owner: Code = import_module(module)
        *path, name = attribute.split(".")
        for part in path:
            owner = vars(owner)[part]
        vars(owner)[name]
    except (ImportError, KeyError) as error:
        raise PlantMovedError(f"{place} is gone: {error!r}") from error
    return owner, name


def _function(place: str) -> FunctionType:
    """Return the plain function at a place, under whatever decorates it."""
    owner, name = _owner(place)
    found = vars(owner)[name]
    if isinstance(found, property):
        found = found.fget
    elif isinstance(found, classmethod | staticmethod):
        found = found.__func__
    found = inspect.unwrap(found)
    if not isinstance(found, FunctionType):
        raise PlantMovedError(f"{place} is no function any more")
    return found


def _compiled(
    function: FunctionType, place: str, edits: Sequence[Edit]
) -> FunctionType:
    """Compile a function's edited source, without its decorators, in its module."""
    source = _source(function)
    for edit in edits:
        count = source.count(edit.old)
        if count != 1:
            raise PlantMovedError(f"{place} has {edit.old!r} {count} times, not once")
        source = source.replace(edit.old, edit.new)
    made: dict[str, FunctionType] = {}
    flags = __future__.annotations.compiler_flag  # names of types may be mypy's only
    code = compile(source, function.__code__.co_filename, "exec", flags, True)  # noqa: FBT003 theirs
    exec(code, function.__globals__, made)
    new = made[function.__name__]
    if new.__code__.co_freevars != function.__code__.co_freevars:
        raise PlantMovedError(f"{place} uses names of a function around it")
    return new


def _source(function: FunctionType) -> str:
    """Return a function's source from its `def` on, at the margin."""
    lines = textwrap.dedent(inspect.getsource(function)).splitlines(keepends=True)
    first = next(
        n for n, line in enumerate(lines) if line.startswith(("def ", "async "))
    )
    return "".join(lines[first:])
