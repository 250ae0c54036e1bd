"""How each type of field looks on the wire: compiled once for a record type, then C calls.

A form turns a value into the plain tuples, integers and strings that the CBOR encoder takes, and
back. The scalars of a record are checked together, by comparing one tuple of types.

A field made by `later` came to its record after the first format. While it and all that follow it
hold their defaults they are left out, so what an older program wrote is still the one encoding.

Invariants
- `encode` accepts exactly what `decode` gives back; everything else is `RecordError`.
- A type that has no form is a `TypeError` when its form is asked for, not when data arrives.
"""

import types
import typing
from collections.abc import Callable
from enum import Enum
from operator import attrgetter, itemgetter
from typing import Protocol

import attrs

from journal.errors import RecordError

_LATER = "journal.later"
INTEGER_MIN = -(1 << 63)
INTEGER_MAX = (1 << 64) - 1
_SCALARS = (int, bytes, str, bool, types.NoneType)


Default = typing.TypeVar("Default")


def later(default: Default) -> Default:
    """Give a field that the first format of its record did not have its default."""
    return attrs.field(default=default, metadata={_LATER: True})


class Form(Protocol):
    """The two directions of one type."""

    def encode(self, value: object) -> object: ...

    def decode(self, wire: object) -> object: ...


def form_of(record_type: type) -> Form:
    """Return the form of an attrs class, compiled at the first call."""
    form = _RECORDS.get(record_type)
    if form is None:
        form = _RECORDS[record_type] = _record_form(record_type, ())
    return form


@attrs.frozen
class _Scalar:
    """An int, bytes, str, bool or None, which is itself on the wire."""

    kind: type

    def encode(self, value: object) -> object:
        if type(value) is not self.kind:
            raise _mismatch(self.kind, value)
        if type(value) is int:
            _check_integers((value,))
        return value

    decode = encode


@attrs.frozen
class _Member:
    """A member of an enum, by its value."""

    kind: type[Enum]
    members: dict[tuple[type, object], Enum]

    def encode(self, value: object) -> object:
        if type(value) is not self.kind:
            raise _mismatch(self.kind, value)
        return value.value

    def decode(self, wire: object) -> object:
        try:
            return self.members[type(wire), wire]
        except (KeyError, TypeError):
            raise RecordError(f"{wire!r} is no {self.kind.__name__}") from None


@attrs.frozen
class _Optional:
    """A value, or None."""

    form: Form

    def encode(self, value: object) -> object:
        return None if value is None else self.form.encode(value)

    def decode(self, wire: object) -> object:
        return None if wire is None else self.form.decode(wire)


@attrs.frozen
class _ScalarRun:
    """A tuple of any number of scalars of one type."""

    kind: type

    def encode(self, value: object) -> object:
        run = self._checked(value)
        if self.kind is int and run:
            _check_integers(typing.cast("tuple[int, ...]", run))
        return run

    decode = encode

    def _checked(self, value: object) -> tuple[object, ...]:
        if type(value) is not tuple:
            raise _mismatch(tuple, value)
        for found in dict.fromkeys(map(type, value)):
            if found is not self.kind:
                raise RecordError(
                    f"expected {self.kind.__name__}, found {found.__name__}"
                )
        return value


@attrs.frozen
class _Run:
    """A tuple of any number of values of one form."""

    form: Form

    def encode(self, value: object) -> object:
        if type(value) is not tuple:
            raise _mismatch(tuple, value)
        return tuple(map(self.form.encode, value))

    def decode(self, wire: object) -> object:
        if type(wire) is not tuple:
            raise _mismatch(tuple, wire)
        return tuple(map(self.form.decode, wire))


@attrs.frozen
class _Row:
    """A tuple of a fixed number of values, each of its own form."""

    forms: tuple[Form, ...]

    def encode(self, value: object) -> object:
        return tuple(
            form.encode(item)
            for form, item in zip(self.forms, self._sized(value), strict=True)
        )

    def decode(self, wire: object) -> object:
        return tuple(
            form.decode(item)
            for form, item in zip(self.forms, self._sized(wire), strict=True)
        )

    def _sized(self, value: object) -> tuple[object, ...]:
        if type(value) is not tuple:
            raise _mismatch(tuple, value)
        if len(value) != len(self.forms):
            raise RecordError(f"expected {len(self.forms)} values, found {len(value)}")
        return value


@attrs.frozen
class _Record:
    """An attrs class: the tuple of its fields.

    `scalar_types` are those of the fields at `scalars`; `others` are the remaining ones.
    """

    kind: type
    names: tuple[str, ...]
    fields: Callable[[object], tuple[object, ...]]
    scalars: Callable[[tuple[object, ...]], tuple[object, ...]]
    scalar_types: tuple[type, ...]
    integers: Callable[[tuple[object, ...]], tuple[object, ...]]
    others: tuple[tuple[int, Form], ...]
    build: Callable[[tuple[object, ...]], object]
    defaults: tuple[
        object, ...
    ]  # of the `later` fields, which come last, as on the wire

    def encode(self, value: object) -> object:
        if type(value) is not self.kind:
            raise _mismatch(self.kind, value)
        fields = self.fields(value)
        self._check_scalars(fields)
        _check_integers(typing.cast("tuple[int, ...]", self.integers(fields)))
        if not self.others:
            return self._shortened(fields)
        wire = list(fields)
        for index, form in self.others:
            wire[index] = form.encode(wire[index])
        return self._shortened(tuple(wire))

    def decode(self, wire: object) -> object:
        if type(wire) is not tuple:
            raise _mismatch(self.kind, wire)
        wire = self._completed(wire)
        self._check_scalars(wire)
        _check_integers(typing.cast("tuple[int, ...]", self.integers(wire)))
        fields = list(wire)
        for index, form in self.others:
            fields[index] = form.decode(fields[index])
        try:
            return self.build(tuple(fields))
        except (ValueError, TypeError) as error:
            raise RecordError(f"{self.kind.__name__} refused: {error}") from error

    def _shortened(self, wire: tuple[object, ...]) -> tuple[object, ...]:
        """Leave out the last fields as far as they are `later` ones with their defaults."""
        count = len(wire)
        for default in reversed(self.defaults):
            if wire[count - 1] != default:
                break
            count -= 1
        return wire[:count]

    def _completed(self, wire: tuple[object, ...]) -> tuple[object, ...]:
        """Put back what `_shortened` leaves out; refuse what it does not write."""
        missing = len(self.names) - len(wire)
        if not 0 <= missing <= len(self.defaults):
            raise RecordError(
                f"{self.kind.__name__} has {len(self.names)} fields, found {len(wire)}"
            )
        whole = wire + self.defaults[len(self.defaults) - missing :]
        if len(self._shortened(whole)) != len(wire):
            raise RecordError(f"{self.kind.__name__} ends in fields that say nothing")
        return whole

    def _check_scalars(self, fields: tuple[object, ...]) -> None:
        found = tuple(map(type, self.scalars(fields)))
        if found != self.scalar_types:
            raise RecordError(
                f"the scalars of {self.kind.__name__} should be"
                f" {_names(self.scalar_types)}, found {_names(found)}"
            )


_RECORDS: dict[type, Form] = {}


def _record_form(record_type: type, outer: tuple[type, ...]) -> Form:
    if not attrs.has(record_type):
        raise TypeError(f"{record_type.__name__} is not an attrs class")
    if record_type in outer:
        raise TypeError(f"{record_type.__name__} contains itself")
    hints = typing.get_type_hints(record_type)
    fields = attrs.fields(record_type)
    forms = [_form(hints[field.name], (*outer, record_type)) for field in fields]
    scalars = [index for index, form in enumerate(forms) if isinstance(form, _Scalar)]
    kinds = [form.kind for form in forms if isinstance(form, _Scalar)]
    integers = [index for index in scalars if forms[index] == _Scalar(int)]
    return _Record(
        kind=record_type,
        names=tuple(field.name for field in fields),
        fields=_attributes([field.name for field in fields]),
        scalars=_items(scalars),
        scalar_types=tuple(kinds),
        integers=_items(integers),
        others=tuple(
            (index, form) for index, form in enumerate(forms) if index not in scalars
        ),
        build=_builder(record_type, fields),
        defaults=_later_defaults(fields, forms),
    )


def _later_defaults(
    fields: tuple["attrs.Attribute[object]", ...], forms: list[Form]
) -> tuple[object, ...]:
    """Return the defaults of the `later` fields as they would stand on the wire."""
    places = [place for place, field in enumerate(fields) if _LATER in field.metadata]
    if places != list(range(len(fields) - len(places), len(fields))):
        raise TypeError("later fields come last")
    return tuple(forms[place].encode(fields[place].default) for place in places)


def _form(hint: object, outer: tuple[type, ...]) -> Form:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is tuple:
        return _tuple_form(arguments, outer)
    if origin in (types.UnionType, typing.Union):
        return _optional_form(arguments, outer)
    if hint is None or hint in _SCALARS:
        return _Scalar(types.NoneType if hint is None else typing.cast("type", hint))
    if isinstance(hint, typing.NewType):
        return _form(hint.__supertype__, outer)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return _member_form(hint)
    if isinstance(hint, type):
        return _record_form(hint, outer)
    raise TypeError(f"{hint!r} has no form")


def _tuple_form(arguments: tuple[object, ...], outer: tuple[type, ...]) -> Form:
    if len(arguments) != 2 or arguments[1] is not Ellipsis:
        return _Row(tuple(_form(argument, outer) for argument in arguments))
    form = _form(arguments[0], outer)
    return _ScalarRun(form.kind) if isinstance(form, _Scalar) else _Run(form)


def _optional_form(arguments: tuple[object, ...], outer: tuple[type, ...]) -> Form:
    rest = [argument for argument in arguments if argument is not types.NoneType]
    if len(rest) != 1 or len(arguments) != 2:
        raise TypeError(f"{arguments!r}: only a type or None has a form")
    return _Optional(_form(rest[0], outer))


def _member_form(kind: type[Enum]) -> Form:
    members = {(type(member.value), member.value): member for member in kind}
    if any(wire_type not in (int, str) for wire_type, _ in members):
        raise TypeError(f"{kind.__name__} has values that are neither int nor str")
    return _Member(kind, members)


def _attributes(names: list[str]) -> Callable[[object], tuple[object, ...]]:
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple(getattr(value, name) for name in names)


def _items(indices: list[int]) -> Callable[[tuple[object, ...]], tuple[object, ...]]:
    if len(indices) > 1:
        return itemgetter(*indices)
    return lambda values: tuple(values[index] for index in indices)


def _builder(
    record_type: type, fields: tuple["attrs.Attribute[object]", ...]
) -> Callable[[tuple[object, ...]], object]:
    if not all(field.init for field in fields):
        raise TypeError(f"{record_type.__name__} has a field that it does not take")
    if not any(field.kw_only for field in fields):
        return lambda values: record_type(*values)
    names = [field.alias or field.name for field in fields]
    return lambda values: record_type(**dict(zip(names, values, strict=True)))


def _check_integers(values: tuple[int, ...]) -> None:
    if values and (max(values) > INTEGER_MAX or min(values) < INTEGER_MIN):
        raise RecordError(f"{max(values, key=abs)} does not fit 64 bits")


def _mismatch(kind: type, value: object) -> RecordError:
    return RecordError(f"expected {kind.__name__}, found {type(value).__name__}")


def _names(kinds: tuple[type, ...]) -> str:
    return ", ".join(kind.__name__ for kind in kinds)
