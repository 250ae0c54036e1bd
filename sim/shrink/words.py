"""Plainer words for the same story: smaller operations, shorter keys, rounder numbers.

Invariants
- Each step is plainer than what it starts from, so steps come to an end.
"""

from collections.abc import Iterable, Iterator
from typing import TypeVar, cast

import attrs

from io_backends import Fault
from sim import operations as ops, services
from sim.operations import Operation
from sim.script import Life, Script
from sim.services import Service, SessionPut
from sim.shrink.aspect import change_lives
from sim.values import RACE

PLAIN_BYTES = 8
LEVELLED = (
    *(ops.Put, ops.Delete, ops.Batch, ops.Update, ops.Transfer, ops.Swap),
    *(services.SessionPut, services.SessionDelete, services.SessionBatch),
)
Value = TypeVar("Value")


def plainer_operations(script: Script) -> Iterator[tuple[int, int, int, Operation]]:
    """Yield (life, client, place, plainer operation) for every way to make one plainer."""
    for number, life in enumerate(script.lives):
        for client, operations in enumerate(life.clients):
            for place, operation in enumerate(operations):
                for plain in plainer(operation):
                    yield number, client, place, plain


def put_in(
    script: Script, number: int, client: int, place: int, operation: Operation
) -> Script:
    """Return the script with this operation in that place."""

    def change(here: int, life: Life) -> Life:
        if here != number:
            return life
        clients = [list(operations) for operations in life.clients]
        clients[client][place] = operation
        return attrs.evolve(life, clients=tuple(map(tuple, clients)))

    return change_lives(script, change)


def plainer(operation: Operation) -> Iterator[Operation]:  # noqa: C901, PLR0912 a table
    """Yield plainer operations, the plainest first."""
    match operation:
        case ops.Cancelled(inner, _):
            yield inner
            for plain in plainer(inner):
                yield attrs.evolve(operation, operation=plain)  # type: ignore[arg-type]
        case ops.Batch(writes, level):
            yield from _plainer_batch(writes, level)
        case ops.GetMany(keys):
            yield from (ops.GetMany((key,)) for key in keys if len(keys) > 1)
        case ops.SnapshotRead(slot, read):
            yield from (ops.SnapshotRead(slot, plain) for plain in plainer(read))  # type: ignore[arg-type]
        case ops.ScanOpen(slot, scan):
            yield from (ops.ScanOpen(slot, plain) for plain in plainer(scan))  # type: ignore[arg-type]
        case ops.Compact() if operation != ops.Compact():
            yield ops.Compact()
        case ops.Scan() if operation != ops.Scan():
            yield ops.Scan()
        case ops.Sleep(seconds) if seconds:
            yield ops.Sleep(0.0)
        case _ if isinstance(operation, Service):
            yield from _plainer_service(operation)
        case _:
            pass
    yield from _plainer_fields(operation)


def _plainer_batch(
    writes: tuple[tuple[bytes, int | None], ...], level: ops.Level
) -> Iterator[Operation]:
    if len(writes) == 1:
        key, size = writes[0]
        yield ops.Delete(key, level) if size is None else ops.Put(key, size, level)
        if size not in (None, PLAIN_BYTES):
            yield ops.Batch(((key, PLAIN_BYTES),), level)
        return
    for place, _ in enumerate(writes):
        yield ops.Batch(writes[:place] + writes[place + 1 :], level)
    if any(size not in (None, PLAIN_BYTES) for _, size in writes):
        small = tuple((key, size and PLAIN_BYTES) for key, size in writes)
        yield ops.Batch(small, level)


def _plainer_service(service: Service) -> Iterator[Operation]:
    """Yield a service with one field as nobody would say it, the kinds of checkpoints last."""
    if isinstance(service, services.SessionBatch):
        for place, _ in enumerate(service.writes if len(service.writes) > 1 else ()):
            rest = service.writes[:place] + service.writes[place + 1 :]
            yield attrs.evolve(service, writes=rest)
    for name in (
        "cookie",
        "gap",
        "which",
        "seconds",
        "live_share_max",
        "style",
        "kind",
    ):
        fields = attrs.fields_dict(type(service))
        if name in fields and getattr(service, name) != fields[name].default:
            usual = {name: fields[name].default}
            yield attrs.evolve(service, **usual)  # type: ignore[arg-type]


def _plainer_fields(operation: Operation) -> Iterator[Operation]:
    if isinstance(operation, ops.Put | ops.PutNowait | ops.Update | SessionPut):
        size = operation.size
        if size is not None and size != PLAIN_BYTES:
            yield attrs.evolve(operation, size=PLAIN_BYTES)
            if size > 4 * PLAIN_BYTES:
                yield attrs.evolve(operation, size=size // 2)
    if not isinstance(operation, LEVELLED) or operation.level == "disk":
        return
    yield attrs.evolve(operation, level="disk")


def lower_numbers(script: Script) -> Iterator[Script]:
    """Yield the script with one number of a fault or an ending lower, the lowest first."""
    for number, life in enumerate(script.lives):
        for place, fault in enumerate(life.faults):
            for lower in _lower_fault(fault):
                faults = (*life.faults[:place], lower, *life.faults[place + 1 :])
                yield _with_life(script, number, attrs.evolve(life, faults=faults))
        ending = life.ending
        for io in _lower(ending.io):
            changed = attrs.evolve(life, ending=attrs.evolve(ending, io=io))
            yield _with_life(script, number, changed)
        for seed in (0, 1, 2, 3):
            if seed < ending.seed:
                changed = attrs.evolve(life, ending=attrs.evolve(ending, seed=seed))
                yield _with_life(script, number, changed)
        if life.latency.spread:
            steady = attrs.evolve(
                life.latency, base=life.latency.spread, spread=0.0, seed=0
            )
            yield _with_life(script, number, attrs.evolve(life, latency=steady))


def _lower_fault(fault: Fault) -> Iterator[Fault]:
    for at in _lower(fault.at):
        yield attrs.evolve(fault, at=at)
    if fault.times is not None:
        for times in _lower(fault.times, lowest=1):
            yield attrs.evolve(fault, times=times)


def _lower(number: int, lowest: int = 0) -> Iterator[int]:
    yield from sorted(
        {low for low in (lowest, number // 2, number - 1) if lowest <= low < number}
    )


def _with_life(script: Script, number: int, life: Life) -> Script:
    return change_lives(script, lambda here, old: life if here == number else old)


def without_idlers(script: Script) -> Script:
    """Return the script without keys that nobody names and clients that do nothing."""
    named = set(_bytes_in([life.clients for life in script.lives]))
    keys = _trimmed(tuple(key for key in own if key in named) for own in script.keys)
    lives = tuple(
        attrs.evolve(life, clients=_trimmed(life.clients), race=_trimmed(life.race))
        for life in script.lives
    )
    return attrs.evolve(script, keys=keys, lives=lives)


def _trimmed(parts: Iterable[tuple[Value, ...]]) -> tuple[tuple[Value, ...], ...]:
    kept = list(parts)
    while kept and not kept[-1]:
        kept.pop()
    return tuple(kept)


def short_keys(script: Script, *, keep_sizes: bool = False) -> Script:
    """Return the script with one letter for each key, in the order of the keys.

    To `keep_sizes`, a letter stands as often as its key had bytes.
    """
    keys = sorted(key for own in script.keys for key in own)
    letters = b"abcdefghijklmnopqrstuvwxyz"
    if len(keys) > len(letters):
        return script
    short = {
        key: letters[place : place + 1] * (len(key) if keep_sizes else 1)
        for place, key in enumerate(keys)
    }
    short = {key: letter for key, letter in short.items() if not key.startswith(RACE)}
    return attrs.evolve(
        script,
        keys=_renamed(script.keys, short),
        lives=tuple(
            attrs.evolve(life, clients=_renamed(life.clients, short))
            for life in script.lives
        ),
    )


def _renamed(value: Value, names: dict[bytes, bytes]) -> Value:
    """Return a value of operations with every key that stands in it renamed."""
    return cast("Value", _with_names(value, names))


def _with_names(value: object, names: dict[bytes, bytes]) -> object:
    if isinstance(value, bytes):
        return names.get(value, value)
    if isinstance(value, tuple):
        return tuple(_with_names(part, names) for part in value)
    kind = type(value)
    if not attrs.has(kind):
        return value
    fields = [field.name for field in attrs.fields(kind)]
    return kind(*(_with_names(getattr(value, name), names) for name in fields))


def _bytes_in(value: object) -> Iterable[bytes]:
    if isinstance(value, bytes):
        yield value
    elif isinstance(value, tuple | list):
        for part in value:
            yield from _bytes_in(part)
    elif attrs.has(kind := type(value)):
        for field in attrs.fields(kind):
            yield from _bytes_in(getattr(value, field.name))
