"""Where bytes live: one `Io` protocol, a real filesystem, and a disk that loses power on command.

FileIo                     the real filesystem
VirtualIo(VirtualDisk())   the same contract in memory, with `crash()`
FaultyIo, TracingIo        decorators for any `Io`: obey a `FaultPlan`, record every `Op`
check_io                   the contract as executable checks

Disks, faults and checks are imported when something of them is asked for: a program that only
opens a store pays for none of them (25 of 35 ms).
"""

from importlib import import_module
from typing import TYPE_CHECKING

from io_backends.errors import (
    AccessError as AccessError,
    ClosedFileError as ClosedFileError,
    DeviceError as DeviceError,
    EndOfFileError as EndOfFileError,
    ExistsError as ExistsError,
    ForkedError as ForkedError,
    IoError as IoError,
    JobError as JobError,
    LockedError as LockedError,
    NoSpaceError as NoSpaceError,
    NotAFolderError as NotAFolderError,
    NotFoundError as NotFoundError,
    PowerLostError as PowerLostError,
    ReadOnlyDeviceError as ReadOnlyDeviceError,
    TooManyFilesError as TooManyFilesError,
    UnsupportedPlatformError as UnsupportedPlatformError,
)
from io_backends.file import FileIo as FileIo
from io_backends.jobs import worker_job as worker_job
from io_backends.protocol import File as File, Io as Io, Lock as Lock, Stat as Stat

if TYPE_CHECKING:
    from io_backends.bench import ConformanceError as ConformanceError
    from io_backends.conformance import CHECKS as CHECKS, check_io as check_io
    from io_backends.crash import (
        SECTOR_BYTES as SECTOR_BYTES,
        CrashPolicy as CrashPolicy,
        Unit as Unit,
        UnitKind as UnitKind,
    )
    from io_backends.disk import (
        Page as Page,
        Survivor as Survivor,
        VirtualDisk as VirtualDisk,
    )
    from io_backends.faults import (
        MUTATING as MUTATING,
        READS as READS,
        WRITES as WRITES,
        BitFlip as BitFlip,
        FailOp as FailOp,
        Fault as Fault,
        FaultLog as FaultLog,
        FaultPlan as FaultPlan,
        Hit as Hit,
        LateError as LateError,
        MisdirectedRead as MisdirectedRead,
        MisdirectedWrite as MisdirectedWrite,
        Op as Op,
        OpKind as OpKind,
        PowerCut as PowerCut,
        Slow as Slow,
        StaleRead as StaleRead,
        Stuck as Stuck,
    )
    from io_backends.faulty import FaultyIo as FaultyIo
    from io_backends.tracing import TracedOp as TracedOp, TracingIo as TracingIo
    from io_backends.virtual import VirtualIo as VirtualIo

__all__ = [
    "CHECKS",
    "MUTATING",
    "READS",
    "SECTOR_BYTES",
    "WRITES",
    "AccessError",
    "BitFlip",
    "ClosedFileError",
    "ConformanceError",
    "CrashPolicy",
    "DeviceError",
    "EndOfFileError",
    "ExistsError",
    "FailOp",
    "Fault",
    "FaultLog",
    "FaultPlan",
    "FaultyIo",
    "File",
    "FileIo",
    "ForkedError",
    "Hit",
    "Io",
    "IoError",
    "JobError",
    "LateError",
    "Lock",
    "LockedError",
    "MisdirectedRead",
    "MisdirectedWrite",
    "NoSpaceError",
    "NotAFolderError",
    "NotFoundError",
    "Op",
    "OpKind",
    "Page",
    "PowerCut",
    "PowerLostError",
    "ReadOnlyDeviceError",
    "Slow",
    "StaleRead",
    "Stat",
    "Stuck",
    "Survivor",
    "TooManyFilesError",
    "TracedOp",
    "TracingIo",
    "Unit",
    "UnitKind",
    "UnsupportedPlatformError",
    "VirtualDisk",
    "VirtualIo",
    "check_io",
    "worker_job",
]

_LATER = {
    "bench": ("ConformanceError",),
    "conformance": ("CHECKS", "check_io"),
    "crash": ("SECTOR_BYTES", "CrashPolicy", "Unit", "UnitKind"),
    "disk": ("Page", "Survivor", "VirtualDisk"),
    "faults": (
        "MUTATING",
        "READS",
        "WRITES",
        "BitFlip",
        "FailOp",
        "Fault",
        "FaultLog",
        "FaultPlan",
        "Hit",
        "LateError",
        "MisdirectedRead",
        "MisdirectedWrite",
        "Op",
        "OpKind",
        "PowerCut",
        "Slow",
        "StaleRead",
        "Stuck",
    ),
    "faulty": ("FaultyIo",),
    "tracing": ("TracedOp", "TracingIo"),
    "virtual": ("VirtualIo",),
}
_PLACES = {name: module for module, names in _LATER.items() for name in names}


def __getattr__(name: str) -> object:
    """Import what was left for later; from then on it is here like the rest."""
    module = _PLACES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value
