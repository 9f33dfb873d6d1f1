"""A log file that cannot fill the disk."""

import os
from contextlib import suppress
from pathlib import Path


class BoundedLog:
    """Appends bytes to `path`, readable by its owner only; at `limit_bytes` the file becomes `<path>.1` and a new one begins.

    So at most twice the limit is kept. A full disk loses lines, never the caller.
    """

    def __init__(self, path: Path, *, limit_bytes: int) -> None:
        self.path = path
        self._limit = limit_bytes
        path.parent.mkdir(parents=True, exist_ok=True)
        self._open()

    def _open(self) -> None:
        self._descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._size = os.fstat(self._descriptor).st_size

    def write(self, data: bytes) -> None:
        """Appends; begins a new file first when this one would grow over the limit."""
        with suppress(OSError):
            if self._size and self._size + len(data) > self._limit:
                self.path.replace(self.path.with_name(self.path.name + ".1"))
                os.close(self._descriptor)
                self._open()
            self._size += os.write(self._descriptor, data)

    def close(self) -> None:
        """Closes the file; nothing may be written afterwards."""
        with suppress(OSError):
            os.close(self._descriptor)
