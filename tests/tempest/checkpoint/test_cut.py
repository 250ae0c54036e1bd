"""The cut is one moment in log order, whoever writes while it is taken."""

from random import Random

import pytest
import trio

from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointPhase, CheckpointStyle, Durability, Store
from tests.tempest.checkpoint.shelves import (
    INLINE,
    PHASES,
    POINTS,
    Content,
    content_at,
    with_base,
)
from tests.tempest.shelf import content_of, open_on

every_point = pytest.mark.parametrize(("kind", "style"), POINTS)


async def write_on(store: Store, writer: int, history: list[Content]) -> None:
    """Count up one key, again and again, at every level; each step goes into the history."""
    levels = tuple(Durability)
    number = 0
    while True:
        number += 1
        value = b"%d" % number

        def count(_: bytes | None, value: bytes = value) -> bytes:
            # Runs in log order, in the step in which the write enters.
            history.append({**history[-1], b"w%d" % writer: value})
            return value

        await store.update(
            b"w%d" % writer, count, durability=levels[number % len(levels)]
        )
        await trio.lowlevel.checkpoint()


@every_point
@pytest.mark.parametrize("seed", range(3))
async def test_r9_o2_writers_in_every_phase_leave_one_state_of_the_log_order(
    kind: CheckpointKind,
    style: CheckpointStyle,
    seed: int,
) -> None:
    """MISTAKES R9, O2: rskv's index was fuzzy, with entries beyond the flushed log and others
    missing; oxifaster did not replay the log upon its fuzzy index."""
    random = Random(seed)
    disk = VirtualDisk()
    async with with_base(disk) as store, trio.open_nursery() as nursery:
        history = [await content_of(store)]
        for writer in range(4):
            nursery.start_soon(write_on, store, writer, history)
        marks: list[int] = []
        tokens: list[bytes] = []
        for _ in range(3):
            for _ in range(random.randrange(100)):
                await trio.lowlevel.checkpoint()
            marks.append(len(history) - 1)
            tokens.append(await store.checkpoint(kind, style))
            marks.append(len(history) - 1)
        nursery.cancel_scope.cancel()
    for place, token in enumerate(tokens):
        found = await content_at(disk, token)
        first, last = marks[2 * place], marks[2 * place + 1]
        assert found in history[first : last + 1], (kind, style, first, last)


@every_point
@pytest.mark.parametrize("phase", PHASES)
async def test_o2_a_write_in_any_phase_is_in_the_store_and_not_half_in_the_checkpoint(
    kind: CheckpointKind, style: CheckpointStyle, phase: CheckpointPhase
) -> None:
    """MISTAKES O2: what was written in a phase was counted to the wrong version and not undone."""
    disk = VirtualDisk()
    async with with_base(disk) as store:
        before = await content_of(store)

        def write(now: CheckpointPhase) -> None:
            if now is phase:
                for level in (Durability.MEMORY, Durability.OS):
                    try:
                        store.put_nowait(
                            b"%s" % level.name.encode(), b"v", durability=level
                        )
                    except trio.WouldBlock:
                        store.put_nowait(b"MEMORY", b"w", durability=Durability.MEMORY)

        token = await store.checkpoint(kind, style, on_phase=write)
        after = await content_of(store)
        killed = disk.clone()
    found = await content_at(disk, token)
    written = {key: found[key] for key in found if key not in before}
    if phase in {CheckpointPhase.PREPARE, CheckpointPhase.IN_PROGRESS}:
        assert found == after  # the cut comes after these phases
    elif phase in {CheckpointPhase.WAIT_FLUSH, CheckpointPhase.PERSIST}:
        assert not written
        assert found == before
    else:
        assert found in (before, after)
    assert await content_at(killed, token) == found
    async with open_on(VirtualIo(disk), INLINE) as store:
        assert await content_of(store) == after
