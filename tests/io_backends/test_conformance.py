"""Every backend and decorator keeps the one contract, and the checks can tell when one does not."""

from collections.abc import Callable
from pathlib import Path

import pytest

from io_backends import (
    CHECKS,
    ConformanceError,
    FaultyIo,
    FileIo,
    Io,
    TracingIo,
    VirtualDisk,
    VirtualIo,
    check_io,
)
from io_backends.bench import Check
from io_backends.conformance import check_name, run_check

MakeIo = Callable[[], Io]


def virtual_io() -> MakeIo:
    disk = VirtualDisk()
    return lambda: VirtualIo(disk)


def slow_virtual_io() -> MakeIo:
    disk = VirtualDisk(capacity_bytes=1 << 22)
    return lambda: VirtualIo(disk, latency=0.001, cached=lambda *_: False)


def faulty_io() -> MakeIo:
    make = virtual_io()
    return lambda: FaultyIo(make())


def tracing_io() -> MakeIo:
    make = virtual_io()
    return lambda: TracingIo(make())


def faulty_over_tracing_io() -> MakeIo:
    make = virtual_io()
    return lambda: FaultyIo(TracingIo(make()))


def tracing_over_faulty_io() -> MakeIo:
    make = virtual_io()
    return lambda: TracingIo(FaultyIo(make()))


BACKENDS = (
    virtual_io,
    slow_virtual_io,
    faulty_io,
    tracing_io,
    faulty_over_tracing_io,
    tracing_over_faulty_io,
)


@pytest.mark.parametrize("check", CHECKS, ids=check_name)
@pytest.mark.parametrize("backend", BACKENDS)
async def test_every_simulated_backend_keeps_the_contract(
    backend: Callable[[], MakeIo], check: Check, autojump_clock: object
) -> None:
    await run_check(check, backend(), "/")


@pytest.mark.parametrize("check", CHECKS, ids=check_name)
async def test_the_real_filesystem_keeps_the_contract(
    check: Check, tmp_path: Path
) -> None:
    await run_check(check, FileIo, str(tmp_path))


@pytest.mark.parametrize("decorate", [FaultyIo, TracingIo])
async def test_decorators_keep_the_contract_over_the_real_filesystem(
    decorate: Callable[[Io], Io], tmp_path: Path
) -> None:
    await check_io(lambda: decorate(FileIo()), str(tmp_path))


class UnsortedIo(TracingIo):
    async def list(self, path: str) -> list[str]:
        return (await super().list(path))[::-1]


class ForgetfulIo(TracingIo):
    async def rename(self, source: str, target: str) -> None:
        return None


@pytest.mark.parametrize(
    ("decorate", "check"),
    [(UnsortedIo, "listings_are_sorted"), (ForgetfulIo, "rename_replaces")],
)
async def test_a_backend_that_breaks_the_contract_is_named(
    decorate: Callable[[Io], Io], check: str
) -> None:
    make = virtual_io()
    with pytest.raises(ConformanceError) as caught:
        await run_check(
            next(c for c in CHECKS if check_name(c) == check),
            lambda: decorate(make()),
            "/",
        )
    assert caught.value.check == check
