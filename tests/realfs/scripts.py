"""Drawn sequences of file operations, to be cut anywhere."""

from contextlib import suppress
from random import Random

import trio

from io_backends import ExistsError, File, Io, NotFoundError

NAMES = ("a", "b", "c", "d/a", "d/b")
STEPS = (
    *("write", "write", "append", "append", "cut", "sync", "sync", "sync names"),
    *("rename", "remove", "create", "create"),
)


async def perform(io: Io, random: Random, steps: int) -> None:
    """Do so many drawn things with a few files in two folders."""
    await io.make_dir("d")
    open_files: dict[str, File] = {}
    try:
        for _ in range(steps):
            with suppress(ExistsError, NotFoundError):
                await _step(io, random, open_files)
    finally:
        with trio.CancelScope(shield=True):
            for file in open_files.values():
                await file.aclose()


async def _step(io: Io, random: Random, files: dict[str, File]) -> None:
    name, kind = random.choice(NAMES), random.choice(STEPS)
    if kind == "sync names":
        await io.sync_dir(random.choice((".", "d")))
    elif kind == "create" or name not in files:
        if name in files:
            return
        files[name] = await io.create_exclusive(name)
    elif kind == "rename":
        target = random.choice(NAMES)
        if target != name:
            await io.rename(name, target)
            moved, replaced = files.pop(name), files.pop(target, None)
            files[target] = moved
            if replaced is not None:
                await replaced.aclose()
    elif kind == "remove":
        await io.remove(name)
        await files.pop(name).aclose()
    else:
        await _change(files[name], kind, random)


async def _change(file: File, kind: str, random: Random) -> None:
    data = random.randbytes(random.choice((3, 100, 512, 700, 5000)))
    match kind:
        case "write":
            await file.write_at(random.randrange(6000), data)
        case "append":
            await file.write_at(await file.size(), data)
        case "cut":
            await file.truncate(random.randrange(3000))
        case _:
            await file.sync()
