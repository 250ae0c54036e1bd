"""Syncs that the kernel makes by itself, without a thread of ours: Linux's asynchronous IO.

A thread of ours costs a sync two wake-ups of another processor and two waits for the interpreter:
90 us beside the sync itself, and 80 of processor time. The kernel's own worker wakes where the
caller ran, and rings an eventfd: 45 and 20 (two cores, Linux 6.18). Where more processes compute
than there are processors it is the faster way, too. (`sched_yield` behind the call lets the worker
begin 15 us earlier; on a busy machine it keeps the loop from running for milliseconds.) `ctypes`
reaches the calls; the standard library has no wrapper of them.

Invariants
- A call that has started runs to its end, whether or not somebody still waits for it.
- A slot is idle or at one call, and there are `slots_max` at most: stuck calls never pile up.
- The kernel holds the file while it syncs: its number may be closed meanwhile.
- Whatever the kernel does not take is left to a thread, which then says what is wrong.
- No context is ever destroyed: that takes the kernel 30 ms, and did so wherever the collector came
  by. What a backend leaves, the next one of this process uses.
"""

import ctypes
import os
import platform
import struct
import sys

import trio

from io_backends.file import fork

_FDSYNC = 3
_WITH_BELL = 1
_REQUEST = struct.Struct("<QIIHhIQQqQII")  # Linux: struct iocb
_EVENT = struct.Struct("<QQqq")  # struct io_event
# io_setup, io_getevents, io_submit
_NUMBERS = {
    "x86_64": (206, 208, 209),
    "aarch64": (0, 4, 2),
    "riscv64": (0, 4, 2),
}


class Kept:
    """Slots that backends of this process have left. A forked child begins without any."""

    def __init__(self) -> None:
        self._origin = fork.origin()
        self._slots: list[Begun] = []

    def put(self, slots: "list[Begun]") -> None:
        """Take slots that are idle; the list is empty then."""
        self._look()
        self._slots += slots
        slots.clear()

    def take(self) -> "Begun | None":
        self._look()
        return self._slots.pop() if self._slots else None

    def _look(self) -> None:
        if self._origin.forked:
            self._origin, self._slots = fork.origin(), []


_kept = Kept()


class KernelSyncs:
    """The syncs that the kernel has under way for one backend."""

    def __init__(self, slots_max: int) -> None:
        self._idle: list[Begun] = []
        self._origin = fork.origin()
        self._kept = _kept
        self._slots_left = slots_max if _MACHINE in _NUMBERS else 0

    def let_go(self) -> None:
        """Leave what is idle to other backends. It may be used on."""
        if not self._origin.forked:
            self._slots_left += len(self._idle)
            self._kept.put(self._idle)

    def __del__(self) -> None:
        self.let_go()

    async def sync(self, number: int, patience_seconds: float) -> bool:
        """Sync the file with this descriptor; `OSError` if that failed.

        False: nothing was begun, and a thread should do it. A caller that is cancelled meanwhile
        gets the result if it comes within `patience_seconds`.
        """
        begun = self.begin(number)
        if begun is None:
            return False
        await self.end(begun, patience_seconds)
        return True

    def begin(self, number: int) -> "Begun | None":
        """Begin to sync the file with this descriptor; `end` or `leave` it. None: nothing began."""
        slot = self._idle.pop() if self._idle else self._make()
        if slot is None:
            return None
        if not slot.submit(number):
            self._idle.append(slot)
            return None
        return slot

    async def end(self, begun: "Begun", patience_seconds: float) -> None:
        """Wait for a sync that was begun, as `sync` does."""
        try:
            await begun.wait(patience_seconds)
        finally:
            if begun.is_busy:
                self.leave(begun)
            else:
                self._idle.append(begun)

    def leave(self, begun: "Begun") -> None:
        """Leave a sync that was begun to itself."""
        trio.lowlevel.spawn_system_task(self._outlive, begun)

    async def _outlive(self, slot: "Begun") -> None:
        """Wait for the end of a call that its caller has left."""
        await slot.end()
        self._idle.append(slot)

    def _make(self) -> "Begun | None":
        if not self._slots_left:
            return None
        slot = self._kept.take()
        if slot is None:
            try:
                slot = Begun()
            except OSError:
                self._slots_left = 0  # there are no more for this process, or none
                return None
        self._slots_left -= 1
        return slot


class Begun:
    """A sync that was begun, or room for one: a context of the kernel's, and the bell it rings."""

    def __init__(self) -> None:
        """`OSError` if the kernel has none."""
        self.is_busy = False
        self._number = -1  # what `_request` asks for
        self._bell = bell = _make_bell()
        self._request = ctypes.create_string_buffer(_REQUEST.size)
        self._event = ctypes.create_string_buffer(_EVENT.size)
        self._now = ctypes.create_string_buffer(16)  # a timeout of nothing
        setup, getevents, submit = map(ctypes.c_long, _NUMBERS[_MACHINE])
        context, one = ctypes.c_ulong(0), ctypes.c_long(1)
        if _system_call(setup, one, ctypes.byref(context)) < 0:
            os.close(bell)
            raise OSError(ctypes.get_errno(), "no context for calls of the kernel's")
        requests = (ctypes.c_void_p * 1)(ctypes.addressof(self._request))
        self._submit = (submit, context, one, requests)
        none = ctypes.c_long(0)
        self._getevents = (getevents, context, none, one, self._event, self._now)

    def submit(self, number: int) -> bool:
        """Hand a sync of this descriptor to the kernel, if it takes that."""
        if number != self._number:
            self._number = number
            request = (0, 0, 0, _FDSYNC, 0, number, 0, 0, 0, 0, _WITH_BELL, self._bell)
            _REQUEST.pack_into(self._request, 0, *request)
        self.is_busy = _system_call(*self._submit) == 1
        return self.is_busy

    async def wait(self, patience_seconds: float) -> None:
        """Wait for the end of the call; `OSError` if it failed.

        A caller that is cancelled meanwhile gets the result if it comes within `patience_seconds`.
        """
        result: int | None = None
        try:
            result = await self.end()
        except (trio.Cancelled, KeyboardInterrupt) as interruption:
            with trio.move_on_after(patience_seconds, shield=True):
                result = await self.end()
            if result is None or isinstance(interruption, KeyboardInterrupt):
                raise
        if result:
            raise OSError(-result, os.strerror(-result))

    async def end(self) -> int | None:
        """Wait for the end of the call that is under way, and return what the kernel says."""
        while self.is_busy:
            await trio.lowlevel.wait_readable(self._bell)
            _quieten(self._bell)
            if _system_call(*self._getevents) == 1:
                self.is_busy = False
                result: int = _EVENT.unpack_from(self._event)[2]
                return result
        return None


if sys.platform == "linux":
    _MACHINE = platform.machine() if sys.maxsize > 1 << 32 else ""
    _system_call = ctypes.CDLL(None, use_errno=True).syscall
    _system_call.restype = ctypes.c_long

    def _make_bell() -> int:
        return os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)

    def _quieten(bell: int) -> None:
        try:  # noqa: SIM105 - `contextlib.suppress` would take 1 us more
            os.eventfd_read(bell)
        except BlockingIOError:
            pass

else:
    _MACHINE = ""
