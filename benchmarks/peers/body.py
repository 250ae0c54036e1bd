"""The shape of what is measured: a step on an open engine, and its plain twin."""

from collections.abc import Awaitable, Callable

from benchmarks.peers.data import Data
from benchmarks.peers.engine import AsyncFace, Face
from benchmarks.peers.meter import Meter
from benchmarks.peers.tapes import Tape

Body = Callable[[AsyncFace, Data, Meter, Tape], Awaitable[None]]
PlainBody = Callable[[Face, Data, Meter, Tape], None]
