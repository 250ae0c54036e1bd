"""A checkpoint has the serials of its cut: exactly the writes that are in it, whoever writes on."""

from contextlib import suppress

import pytest
import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest import CheckpointKind, CheckpointPhase, CheckpointStyle, Durability, Store
from tests.tempest.shelf import SMALL, STORE, content_of, open_on

MEMORY = Durability.MEMORY
KINDS = [
    (CheckpointKind.FULL, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.FULL, CheckpointStyle.SNAPSHOT),
    (CheckpointKind.LOG, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INCREMENTAL, CheckpointStyle.FOLD_OVER),
    (CheckpointKind.INCREMENTAL, CheckpointStyle.SNAPSHOT),
]
every_kind = pytest.mark.parametrize(("kind", "style"), KINDS)


def key(name: str, serial: int) -> bytes:
    return b"%s-%03d" % (name.encode(), serial)


async def check_exact(store: Store) -> dict[str, int]:
    """Every session's serial says exactly which of its writes are there."""
    serials = await store.sessions()
    expected = {
        key(name, number): b"v" * 50
        for name, serial in serials.items()
        for number in range(1, serial + 1)
    }
    assert await content_of(store) == expected
    return serials


@every_kind
async def test_a_checkpoint_holds_the_writes_up_to_its_serials_and_no_other(
    kind: CheckpointKind, style: CheckpointStyle, autojump_clock: object
) -> None:
    """Two sessions write through all phases, and at every step between them (O2, O7)."""
    disk = VirtualDisk()
    async with open_on(disk) as store:
        async with store.session("one") as one, store.session("two") as two:

            def write() -> None:
                for session in (one, two, one):
                    name = key(session.name, session.serial + 1)
                    session.put_nowait(name, b"v" * 50, durability=MEMORY)

            def on_phase(_: CheckpointPhase) -> None:
                with suppress(trio.WouldBlock):
                    write()

            for _ in range(10):
                write()
            await store.checkpoint()
            write()
            token = await store.checkpoint(kind, style, on_phase=on_phase)
            write()
            info = await store.checkpoint_info(token)
            assert 22 <= info.sessions["one"] < one.serial
            assert 11 <= info.sessions["two"] < two.serial
        await check_exact(store)
    reading = tempest.open_store(
        STORE,
        io=VirtualIo(disk),
        options=SMALL,
        read_only=True,
        checkpoint=token,
    )
    async with reading as store:
        assert await check_exact(store) == info.sessions


@every_kind
async def test_after_a_restore_a_session_goes_on_from_the_checkpoint(
    kind: CheckpointKind, style: CheckpointStyle
) -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        async with store.session("one") as session:
            await session.put(key("one", 1), b"v" * 50)
            await store.checkpoint()
            await session.put(key("one", 2), b"v" * 50, durability=MEMORY)
            token = await store.checkpoint(kind, style)
            for serial in (3, 4):
                await session.put(key("one", serial), b"v" * 50)
        async with store.session("later") as other:
            await other.put(key("later", 1), b"v" * 50)
        await store.flush()
        await store.forget_session("one")

    await tempest.restore_checkpoint(STORE, token, io=VirtualIo(disk), options=SMALL)

    for _ in range(2):
        async with open_on(disk) as store:
            serials = await check_exact(store)
            assert list(serials) == ["one"]
            async with store.session("one") as session:
                assert session.recovered_serial == session.durable_serial
                name = key("one", session.serial + 1)
                await session.put(name, b"v" * 50)
    assert session.serial == 4
