"""The files of a snapshot on disk: finding them inside the one folder that may be read, and reading them through with a digest."""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import IO, Final, NamedTuple

from services.assignment_watcher.sources.snapshot_rows import LONGEST_ROW, SUFFIXES
from services.assignment_watcher.sources.source import SourceError, SourceMisconfiguredError, SourceUnavailableError

FOLDER_VARIABLE: Final = "SEATKEEPER_ASSIGNMENT_WATCHER_SNAPSHOT_FOLDER"
LIMIT_VARIABLE: Final = "SEATKEEPER_ASSIGNMENT_WATCHER_SNAPSHOT_BYTES"
_CHUNK_BYTES: Final = 1_000_000
# The last component of a resolved path is no link, and opening a named pipe must not wait for somebody to write into it.
_FLAGS: Final = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """One file: its name as the job and its folder give it, and where it really is."""

    name: str
    path: Path


class _Mark(NamedTuple):
    """What changes when a file is written or replaced."""

    device: int
    inode: int
    size: int
    modified: int


def find_files(folder: Path | None, path: str) -> list[SnapshotFile]:
    """Return the files that ``path`` names inside ``folder``: itself, or every .csv and .jsonl file of a folder in order of names.

    Files whose name starts with a dot are passed over, as those are what programs write before they rename them. Raises
    ``SourceMisconfiguredError`` when there are none, or when one lies outside ``folder``.
    """
    if folder is None:
        raise SourceMisconfiguredError(
            f"the watcher has no folder for snapshots; set {FOLDER_VARIABLE} to the folder that it may read"
        )
    try:
        root = folder.resolve(strict=True)
    except (OSError, RuntimeError):
        raise SourceMisconfiguredError(f"the folder that {FOLDER_VARIABLE} names is not there") from None
    name = _shown(PurePosixPath(path))
    start = _resolve(root, root / path, name)
    try:
        if not start.is_dir():
            _known_format(name)
            return [SnapshotFile(name, start)]
        entries = sorted(
            entry.name for entry in start.iterdir() if entry.name[:1] != "." and entry.suffix.lower() in SUFFIXES
        )
    except OSError as error:
        raise _failed(name, error) from None
    if not entries:
        raise SourceMisconfiguredError(f"the folder {name} has no file that ends in .csv or .jsonl")
    names = [(_shown(PurePosixPath(path) / entry), start / entry) for entry in entries]
    return [SnapshotFile(inner, _resolve(root, there, inner)) for inner, there in names]


def _shown(path: PurePosixPath) -> str:
    """Return a name that every encoding of a message takes: names on disk are bytes."""
    return "".join(character if character.isprintable() else "?" for character in str(path))


def _resolve(root: Path, path: Path, name: str) -> Path:
    try:
        resolved = path.resolve(strict=True)
    except RuntimeError:
        raise SourceMisconfiguredError(f"{name} is a symbolic link that leads back to itself") from None
    except OSError as error:
        raise _failed(name, error) from None
    if not resolved.is_relative_to(root):
        raise SourceMisconfiguredError(f"{name} leads out of the snapshot folder; put the file itself there")
    return resolved


def _known_format(name: str) -> None:
    if PurePosixPath(name).suffix.lower() not in SUFFIXES:
        raise SourceMisconfiguredError(f"{name} is neither a folder nor a file that ends in .csv or .jsonl")


class Pass:
    """One pass through all files of a snapshot. Only what went through to ``finish`` was read whole and did not change meanwhile."""

    def __init__(self, folder: Path | None, path: str, limit_bytes: int) -> None:
        self.files = find_files(folder, path)
        self._again = partial(find_files, folder, path)
        self._limit = limit_bytes
        self._left = limit_bytes
        self._digest = hashlib.blake2b(digest_size=16)
        self._marks: dict[Path, _Mark] = {}

    def lines(self, file: SnapshotFile) -> Iterator[bytes]:
        """Yield the lines of a file with their line ends."""
        with self._open(file) as stream:
            read = partial(stream.readline, LONGEST_ROW + 1)
            for number, line in enumerate(self._blocks(file, stream, read), 1):
                if len(line) > LONGEST_ROW:
                    raise SourceMisconfiguredError(f"{file.name}, line {number}: is longer than {LONGEST_ROW} bytes")
                yield line

    def skim(self) -> str:
        """Read everything without looking at it and return the digest."""
        for file in self.files:
            with self._open(file) as stream:
                for _ in self._blocks(file, stream, partial(stream.read, _CHUNK_BYTES)):
                    pass
        return self.finish()

    def finish(self) -> str:
        """Return the digest of names and contents, after everything was read; raises as ``check_unchanged``."""
        self.check_unchanged()
        return self._digest.hexdigest()

    def check_unchanged(self) -> None:
        """Raise ``SourceUnavailableError`` when a file came or went, or one that was read was written or replaced meanwhile."""
        if self._again() != self.files:
            raise _changed("the snapshot")
        for file in self.files:
            mark = self._marks.get(file.path)
            try:
                if mark is not None and mark != _mark(file.path.stat(follow_symlinks=False)):
                    raise _changed(file.name)
            except OSError as error:
                raise _failed(file.name, error) from None

    def _open(self, file: SnapshotFile) -> IO[bytes]:
        try:
            stream = os.fdopen(os.open(file.path, _FLAGS), "rb")
        except OSError as error:
            raise _failed(file.name, error) from None
        try:
            found = os.fstat(stream.fileno())
            if not stat.S_ISREG(found.st_mode):
                raise _no_file(file.name)
            if found.st_size > self._left:
                raise SourceMisconfiguredError(
                    f"the snapshot is larger than {self._limit} bytes; raise {LIMIT_VARIABLE} if that is meant"
                )
        except SourceError:
            stream.close()
            raise
        self._left -= found.st_size
        self._marks[file.path] = _mark(found)
        # With its length before it, a file cannot be taken for a part of the one before.
        self._digest.update(f"{file.name}\0{found.st_size}\0".encode())
        return stream

    def _blocks(self, file: SnapshotFile, stream: IO[bytes], read: "partial[bytes]") -> Iterator[bytes]:
        left = self._marks[file.path].size
        try:
            while block := read():
                left -= len(block)
                if left < 0:
                    raise _changed(file.name)
                self._digest.update(block)
                yield block
            if _mark(os.fstat(stream.fileno())) != self._marks[file.path]:
                raise _changed(file.name)
        except OSError as error:
            raise _failed(file.name, error) from None


def _mark(found: os.stat_result) -> _Mark:
    return _Mark(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


def _changed(name: str) -> SourceUnavailableError:
    return SourceUnavailableError(
        f"{name} changed while it was read; the next cycle reads it again (write a new file and rename it to avoid this)"
    )


def _no_file(name: str) -> SourceMisconfiguredError:
    return SourceMisconfiguredError(f"{name} is not a file")


def _failed(name: str, error: OSError) -> SourceError:
    if isinstance(error, FileNotFoundError | NotADirectoryError):
        return SourceMisconfiguredError(f"there is no {name} in the snapshot folder")
    if isinstance(error, PermissionError):
        return SourceMisconfiguredError(f"{name} may not be read; give the user of the watcher the right to")
    if error.errno in {errno.EISDIR, errno.ENXIO}:
        return _no_file(name)
    if error.errno in {errno.ELOOP, errno.ENAMETOOLONG}:
        return SourceMisconfiguredError(f"{name} cannot be a file; check the path and its symbolic links")
    return SourceUnavailableError(f"{name} could not be read ({errno.errorcode.get(error.errno or 0, 'no reason')})")
