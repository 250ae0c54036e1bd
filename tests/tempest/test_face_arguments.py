"""Keys, values and durabilities: what a store takes, and what it refuses before it does anything."""

import pytest

import tempest
from io_backends import VirtualDisk
from tempest import Durability, Options
from tempest.options import KEY_BYTES_MAX, VALUE_BYTES_MAX
from tests.tempest.shelf import content_of, content_on, open_on


@pytest.mark.parametrize("key", ["text", bytearray(b"k"), memoryview(b"k"), None, 5])
async def test_a_key_of_the_wrong_type_is_a_type_error(key: bytes) -> None:
    async with open_on(VirtualDisk()) as store:
        for action in (
            store.put(key, b"v"),
            store.delete(key),
            store.get(key),
            store.get_many([b"fine", key]),
            store.update(key, lambda old: old),
        ):
            with pytest.raises(TypeError, match="a key must be bytes"):
                await action
        with pytest.raises(TypeError, match="a key must be bytes"):
            store.get_nowait(key)
        with pytest.raises(TypeError, match="a key must be bytes"):
            store.put_nowait(key, b"v")
        with pytest.raises(TypeError, match="a key must be bytes"):
            async with store.batch() as batch:
                batch.delete(key)
        assert await content_of(store) == {}


@pytest.mark.parametrize("value", ["text", bytearray(b"v"), None, 5])
async def test_a_value_of_the_wrong_type_is_a_type_error(value: bytes) -> None:
    async with open_on(VirtualDisk()) as store:
        with pytest.raises(TypeError, match="a value must be bytes"):
            await store.put(b"k", value)
        with pytest.raises(TypeError, match="a value must be bytes"):
            store.put_nowait(b"k", value)
        with pytest.raises(TypeError, match="a value must be bytes"):
            async with store.batch() as batch:
                batch.put(b"k", value)
        if value is not None:
            with pytest.raises(TypeError, match="a value must be bytes"):
                await store.update(b"k", lambda _: value)
        assert await content_of(store) == {}


async def test_a_durability_of_the_wrong_type_is_a_type_error() -> None:
    level: Durability = "disk"  # type: ignore[assignment]
    async with open_on(VirtualDisk()) as store:
        for write in (
            store.put(b"k", b"v", durability=level),
            store.delete(b"k", durability=level),
            store.update(b"k", lambda _: b"v", durability=level),
        ):
            with pytest.raises(TypeError, match="durability"):
                await write
        with pytest.raises(TypeError, match="durability"):
            store.put_nowait(b"k", b"v", durability=level)
        with pytest.raises(TypeError, match="durability"):
            async with store.batch(durability=level) as batch:
                batch.put(b"k", b"v")
        assert await content_of(store) == {}


async def test_keys_are_taken_up_to_their_bound_and_refused_above() -> None:
    longest = b"k" * KEY_BYTES_MAX
    disk = VirtualDisk()
    assert KEY_BYTES_MAX == 64 * 1024
    async with open_on(disk) as store:
        await store.put(longest, b"v")
        await store.flush()
        for action in (
            store.put(longest + b"k", b"v"),
            store.delete(longest + b"k"),
            store.get(longest + b"k"),
        ):
            with pytest.raises(tempest.InvalidError, match="65537") as caught:
                await action
            assert isinstance(caught.value, ValueError)

    assert await content_on(disk) == {longest: b"v"}


async def test_values_are_taken_up_to_their_bound_and_refused_above() -> None:
    largest = bytes(VALUE_BYTES_MAX)
    disk = VirtualDisk()
    assert VALUE_BYTES_MAX == 64 * 1024 * 1024
    async with open_on(disk, Options()) as store:
        await store.put(b"k", largest, durability=Durability.OS)
        with pytest.raises(tempest.InvalidError, match=str(VALUE_BYTES_MAX + 1)):
            await store.put(b"k", largest + b"x")
        with pytest.raises(tempest.InvalidError, match=str(VALUE_BYTES_MAX + 1)):
            await store.update(b"k", lambda _: largest + b"x")
        assert await store.get(b"k") == largest


async def test_the_empty_key_and_the_empty_value_are_legal() -> None:
    disk = VirtualDisk()
    async with open_on(disk) as store:
        assert await store.get(b"") is None
        await store.put(b"", b"")
        await store.put(b"a", b"")
        assert await store.get(b"") == b""
        assert await store.get_many([b"", b"b", b"a"]) == [b"", None, b""]
        await store.flush()
        assert await store.get(b"") == b""
        await store.delete(b"a")

    assert await content_on(disk) == {b"": b""}
