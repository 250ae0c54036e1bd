"""A script or plan as Python that a person reads: only what is not as usual, one thing a line.

Invariants
- `parse(literal(script))` is the script.
- What fits on a line stays on it.
"""

from enum import Enum

import attrs

from io_backends import CrashPolicy

WIDTH = 88
INDENT = 4
RUN_MIN = 16
POLICIES = {
    CrashPolicy.drop_all(): "CrashPolicy.drop_all()",
    CrashPolicy.keep_all(): "CrashPolicy.keep_all()",
}


@attrs.frozen
class _Shape:
    """A value taken apart: what opens it, its named parts, what closes it."""

    opening: str
    parts: tuple[tuple[str, object], ...] = ()
    closing: str = ""
    module: str = ""

    @property
    def comma(self) -> str:
        is_alone = len(self.parts) == 1 and self.opening == "("
        return "," if is_alone else ""


def literal(value: object, column: int = 0, room: int = WIDTH) -> str:
    """Return Python for a value; lines after the first are indented, the last by `column`."""
    shape, flat = _shape(value), _flat(value)
    if len(flat) <= room or not shape.parts:
        return flat
    inner = column + INDENT
    lines = [
        f"{' ' * inner}{name}{literal(part, inner, WIDTH - inner - len(name) - 1)},"
        for name, part in shape.parts
    ]
    return "\n".join((shape.opening, *lines, " " * column + shape.closing))


def names_in(value: object) -> dict[str, str]:
    """Return the names that the literal of a value needs, and the module of each."""
    shape = _shape(value)
    found = {}
    if shape.module:
        found[type(value).__name__] = shape.module
    for _, part in shape.parts:
        found |= names_in(part)
    return found


def _flat(value: object) -> str:
    shape = _shape(value)
    inside = ", ".join(name + _flat(part) for name, part in shape.parts)
    return shape.opening + inside + shape.comma + shape.closing


def _shape(value: object) -> _Shape:
    kind = type(value)
    if isinstance(value, CrashPolicy) and value in POLICIES:
        return _Shape(POLICIES[value], module=kind.__module__)
    if isinstance(value, tuple):
        return _Shape("(", tuple(("", part) for part in value), ")")
    if attrs.has(kind):
        parts = tuple(_unusual_fields(value))
        return _Shape(f"{kind.__name__}(", parts, ")", kind.__module__)
    return _Shape(
        _atom(value), module=kind.__module__ if isinstance(value, Enum) else ""
    )


def _unusual_fields(value: object) -> list[tuple[str, object]]:
    kind = type(value)
    assert attrs.has(kind)
    found: list[tuple[str, object]] = []
    for field in attrs.fields(kind):
        given, usual = getattr(value, field.name), field.default
        make = getattr(usual, "factory", None)
        if given != (usual if make is None else make()):
            found.append((f"{field.name}=", given))
    return found


def _atom(value: object) -> str:
    if isinstance(value, bytes) and (run := _run_at_end(value)) >= RUN_MIN:
        head = f"{_atom(value[:-run])} + " if value[:-run] else ""
        return f"{head}{_atom(value[-1:])} * {run}"
    text = repr(value)
    if isinstance(value, str | bytes) and '"' not in text:
        return text.replace("'", '"')
    return text


def _run_at_end(value: bytes) -> int:
    """Return how often the last byte stands at the end."""
    return len(value) - len(value.rstrip(value[-1:]))
