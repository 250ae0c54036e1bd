"""The loader as its killer sees it: start it, watch its notes, kill it, wait for its end."""

import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import attrs
import trio

from tempest.cli.demo.acks import Acks
from tempest.cli.output import UsageError

WATCH_SECONDS = 0.002
MODULE = "tempest.cli.demo.child"


@attrs.frozen
class Loader:
    """A running loader process and the files it shares with its parent."""

    process: trio.Process
    acks: Acks
    complaints: Path

    async def watch(
        self, until: Callable[[Acks], bool], tell: Callable[[int], None]
    ) -> bool:
        """Follow the notes; True once `until` holds, False if the loader ended before."""
        while True:
            ended = self.process.poll() is not None
            self.acks.read_more()
            tell(len(self.acks.acknowledged))
            if not ended and until(self.acks):
                return True
            if ended:
                self._refuse_failure()
                return False
            await trio.sleep(WATCH_SECONDS)

    async def kill(self) -> bool:
        """Send SIGKILL, wait for the end, read the last notes; False if it was over before."""
        self.process.kill()
        with trio.CancelScope(shield=True):
            status = await self.process.wait()
        self.acks.read_more()
        return status == -signal.SIGKILL

    def _refuse_failure(self) -> None:
        if self.process.returncode:
            words = self.complaints.read_text(errors="replace").strip()
            raise UsageError(
                f"The loader ended with status {self.process.returncode}: {words}"
            )


@asynccontextmanager
async def start_loader(folder: Path, acks: Acks) -> AsyncIterator[Loader]:
    """Start a loader on the store, plan and notes in `folder`; it never outlives the block."""
    complaints = folder / "loader-stderr"
    with complaints.open("wb") as errors:
        process = await trio.lowlevel.open_process(
            [
                sys.executable,
                "-m",
                MODULE,
                str(folder / "store"),
                str(folder / "plan"),
                str(acks.path),
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=errors,
        )
    loader = Loader(process, acks, complaints)
    try:
        yield loader
    finally:
        await loader.kill()
        if process.stdin is not None:
            await process.stdin.aclose()
