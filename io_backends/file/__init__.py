"""`FileIo`: the real filesystem, the only place that sees `OSError`, threads, clocks, randomness."""

from io_backends.file.backend import FileIo as FileIo

__all__ = ["FileIo"]
