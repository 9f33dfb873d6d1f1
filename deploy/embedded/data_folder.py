"""The folder in which one machine keeps its data: for one run at a time, and never half made."""

import base64
import fcntl
import os
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from deploy.embedded.errors import EmbeddedError, refused
from deploy.embedded.leftovers import end_leftovers

_LAYOUT = "1"
_LEAST_FREE_BYTES = 300 << 20


def default_data_dir() -> Path:
    """Where data goes when nobody says: the user data folder, or /var/lib/seatkeeper for root.

    Root differs because PostgreSQL refuses to run as root, and no other account may enter root's home.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/seatkeeper")
    return platformdirs.user_data_path("seatkeeper", appauthor=False)


def cache_dir() -> Path:
    """Where downloads go, shared by all data folders: SEATKEEPER_CACHE_DIR, or else the user cache folder."""
    chosen = os.environ.get("SEATKEEPER_CACHE_DIR")
    return Path(chosen) if chosen else platformdirs.user_cache_path("seatkeeper", appauthor=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DataFolder:
    """An opened data folder: this process alone uses it. Made by `open_data_folder`."""

    path: Path

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.path / "logs"

    @property
    def processes(self) -> Path:
        """The record of running processes, written by the supervisor."""
        return self.path / "processes.json"

    def secret(self, name: str) -> str:
        """The generated secret of that name, made at first use: 32 random bytes in base64url, readable by the owner only."""
        folder = self.path / "secrets"
        file = folder / name
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
            if not file.exists():
                write_whole(file, base64.urlsafe_b64encode(secrets.token_bytes(32)).decode())
            return file.read_text()
        except OSError as error:
            raise refused(f"keep its secrets in {folder}", error) from error

    def begin(self, part: str) -> Path | None:
        """The folder of that part, emptied, when it has to be made; None when it was made before.

        A part counts as made once `finish` has written its mark, so what a killed run left half made is made again.
        """
        folder = self.path / part
        if self.mark(part) is not None:
            return None
        try:
            if folder.exists():
                shutil.rmtree(folder)
            folder.mkdir(mode=0o700)
        except OSError as error:
            raise refused(f"write {folder}", error) from error
        return folder

    def finish(self, part: str, version: str) -> None:
        """Says that the part is whole, made by that version of its program."""
        write_whole(self.path / f"{part}.made", version)

    def mark(self, part: str) -> str | None:
        """The version that made the part, or None when it is missing or half made."""
        file = self.path / f"{part}.made"
        return file.read_text() if file.exists() and (self.path / part).is_dir() else None


def write_whole(file: Path, text: str) -> None:
    """Writes a small file, mode 0600, that a crash leaves either whole or as it was. Raises `EmbeddedError`."""
    try:
        descriptor, draft = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(descriptor, "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(draft).replace(file)
    except OSError as error:
        raise refused(f"write {file}", error) from error


@contextmanager
def open_data_folder(path: Path | None = None) -> Iterator[DataFolder]:
    """Makes or opens the data folder and holds it until the end of the block; ends what a killed run left running.

    Raises `EmbeddedError` when another process holds it, when it holds something else or another release's data, when the disk is
    nearly full or permission is missing.
    """
    path = (path or default_data_dir()).expanduser().absolute()
    try:
        path.mkdir(parents=True, exist_ok=True)
        # PostgreSQL runs under another account when we are root: it may pass through, not look around.
        path.chmod(0o711 if os.geteuid() == 0 else 0o700)
        strangers = [entry.name for entry in path.iterdir() if entry.name != "lock"]
        lock = os.open(path / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except FileExistsError as error:
        raise EmbeddedError(f"{path} is a file. Choose a folder with --data-dir.") from error
    except OSError as error:
        raise refused(f"use the folder {path}", error) from error
    try:
        _take(lock, path)
        _check_layout(path, empty=not strangers)
        free = shutil.disk_usage(path).free
        if free < _LEAST_FREE_BYTES:
            raise EmbeddedError(
                f"Only {free >> 20} MiB are free where {path} is, and {_LEAST_FREE_BYTES >> 20} are needed: "
                "the disk is nearly full. Free some space, or choose another folder with --data-dir."
            )
        folder = DataFolder(path=path)
        end_leftovers(folder.processes)
        yield folder
    finally:
        os.close(lock)


def _take(lock: int, path: Path) -> None:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        raise EmbeddedError(
            f"{path} is in use by process {holder}. Stop that process, or choose another folder with --data-dir."
        ) from error
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)


def _check_layout(path: Path, *, empty: bool) -> None:
    stamp = path / "layout"
    if stamp.exists():
        layout = stamp.read_text()
        if layout != _LAYOUT:
            raise EmbeddedError(
                f"{path} was made by another release (layout {layout}, here {_LAYOUT}). "
                "Use that release, or choose another folder with --data-dir."
            )
    elif empty or all(entry.name.startswith(".layout.") or entry.name == "lock" for entry in path.iterdir()):
        write_whole(stamp, _LAYOUT)
    else:
        raise EmbeddedError(
            f"{path} holds files that are not Seatkeeper's. Choose an empty or new folder with --data-dir."
        )
