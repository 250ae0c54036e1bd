"""A victim as its killer sees it: start it, follow its notes, kill it, see that nothing is left."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tempest.cli.demo.acks import Acks, AckWriter

ROOT = Path(__file__).parents[3]
WATCH_SECONDS = 0.001
PATIENCE_SECONDS = 60.0


@attrs.frozen
class Victim:
    """A running victim. Its notes are numbered: 0 is the opening, then write by write."""

    process: trio.Process
    acks: Acks
    complaints: Path

    async def go(self) -> None:
        """Let it open the store."""
        assert self.process.stdin is not None
        await self.process.stdin.send_all(b"!")

    async def watch(self, until: Callable[[Acks], bool]) -> None:
        """Follow the notes until `until` holds; the victim must still live then."""
        with trio.fail_after(PATIENCE_SECONDS):
            while not until(self.acks):
                assert self.process.poll() is None, self.complaints.read_text()
                await trio.sleep(WATCH_SECONDS)
                self.acks.read_more()

    async def kill(self) -> None:
        """Send SIGKILL, wait until the victim and all it has started are gone, read its notes."""
        self.process.kill()
        assert await self.process.wait() == -signal.SIGKILL, self.complaints.read_text()
        await session_ends(self.process.pid)
        self.acks.read_more()


@asynccontextmanager
async def start_victim(folder: Path, seed: int, life: int) -> AsyncIterator[Victim]:
    """Start a victim on the store in `folder`, in a session of its own."""
    acks = folder / f"acks-{life}"
    AckWriter(acks).close()
    complaints = folder / "complaints"
    with complaints.open("wb") as errors:
        process = await trio.lowlevel.open_process(
            [
                *(sys.executable, "-m", "tests.tempest.process.victim"),
                *(str(folder / "store"), str(acks), str(seed), str(life)),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=errors,
            start_new_session=True,
        )
    assert process.stdin is not None
    try:
        yield Victim(process, Acks(acks), complaints)
    finally:
        with trio.CancelScope(shield=True):
            process.kill()
            await process.stdin.aclose()
            await process.wait()


def session_members(session: int) -> list[int]:
    """List the processes of a session that still run; the kernel must say so in /proc."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                # pid (name, which may hold anything) state parent group session ...
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if int(fields[3]) == session and fields[0] not in "ZX":
                found.append(int(entry.name))
    return found


async def session_ends(session: int) -> None:
    """Wait until no process of a session runs any more. Linux only; elsewhere at once."""
    if sys.platform != "linux":
        return
    with trio.fail_after(PATIENCE_SECONDS):
        while members := session_members(session):
            for pid in members:
                await process_ends(pid)


async def process_ends(pid: int) -> None:
    """Wait for the end of a process that need not be a child."""
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        await trio.lowlevel.wait_readable(descriptor)
    finally:
        os.close(descriptor)
