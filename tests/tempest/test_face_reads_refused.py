"""Reads that are refused: outside their block, by two tasks at once, with arguments that are wrong."""

import pytest
import trio

import tempest
from io_backends import VirtualDisk, VirtualIo
from tempest.view import View
from tests.tempest.shelf import fill, key_of, layered, open_on, value_of


async def test_a_scan_read_by_two_tasks_is_busy() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        await fill(store, 50)
        await store.flush()
    async with open_on(VirtualIo(disk, cached=lambda *_: False)) as store:
        async with store.scan() as rows, trio.open_nursery() as nursery:
            refused: list[Exception] = []
            found: list[object] = []

            async def read() -> None:
                try:
                    found.append(await anext(rows))
                except trio.BusyResourceError as error:
                    refused.append(error)

            nursery.start_soon(read)
            nursery.start_soon(read)
        assert (len(found), len(refused)) == (1, 1)


async def test_a_scan_outside_its_block_is_not_open() -> None:
    async with layered() as store:
        scan = store.scan()
        with pytest.raises(tempest.NotOpenError, match="scan"):
            await anext(scan)
        async with scan as rows:
            await anext(rows)
        with pytest.raises(tempest.NotOpenError, match="scan"):
            await anext(rows)
        with pytest.raises(tempest.NotOpenError, match="scan"):
            await anext(rows.chunks(10))
        with pytest.raises(tempest.InvalidError, match="scan"):
            async with scan:
                pass
        await scan.aclose()


async def test_a_snapshot_outside_its_block_is_not_open() -> None:
    async with layered() as store:
        view = store.snapshot()
        await check_not_open(view)
        async with view:
            assert await view.get(key_of(1)) == value_of(1)
            with pytest.raises(tempest.InvalidError, match="snapshot"):
                await view.__aenter__()
        await check_not_open(view)
        await view.aclose()


async def check_not_open(view: View) -> None:
    with pytest.raises(tempest.NotOpenError, match="snapshot"):
        await view.get(b"k")
    with pytest.raises(tempest.NotOpenError, match="snapshot"):
        view.get_nowait(b"k")
    with pytest.raises(tempest.NotOpenError, match="snapshot"):
        await view.get_many([b"k"])
    with pytest.raises(tempest.NotOpenError, match="snapshot"):
        view.scan()


async def test_scan_and_snapshot_end_with_the_store() -> None:
    async with layered() as store:
        snapshot = store.snapshot()
        view = await snapshot.__aenter__()
        scan = await view.scan().__aenter__()
        await anext(scan)
    with pytest.raises(tempest.NotOpenError, match="store"):
        await view.get(b"k")
    with pytest.raises(tempest.NotOpenError, match="store"):
        async for _ in scan:
            pass
    await scan.aclose()
    await snapshot.aclose()


async def test_a_scan_of_fewer_rows_than_none_is_invalid() -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(tempest.InvalidError, match="scan"):
            store.scan(limit=-1)
        async with store.scan() as rows:
            with pytest.raises(tempest.InvalidError, match="chunk"):
                rows.chunks(0)


@pytest.mark.parametrize("name", ["prefix", "start", "stop"])
async def test_a_bound_of_the_wrong_type_is_a_type_error(name: str) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(TypeError, match="a key must be bytes"):
            store.scan(**{name: "text"})  # type: ignore[call-overload]


@pytest.mark.parametrize("limit", ["5", 2.5])
async def test_a_limit_of_the_wrong_type_is_a_type_error(limit: int) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(TypeError):
            store.scan(limit=limit)


@pytest.mark.parametrize("count", ["5", 2.5, None])
async def test_a_chunk_size_of_the_wrong_type_is_a_type_error(count: int) -> None:
    async with open_on(VirtualDisk()) as store, store.scan() as rows:
        with pytest.raises(TypeError):
            rows.chunks(count)


@pytest.mark.parametrize("keys", [5, b"key", "text", [b"fine", "not"]])
async def test_get_many_of_the_wrong_type_is_a_type_error(keys: list[bytes]) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(TypeError):
            await store.get_many(keys)
