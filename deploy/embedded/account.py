"""The account that PostgreSQL runs under when we are root, which it refuses to be, and what that account can reach."""

import os
import pwd
import shutil
from pathlib import Path

from deploy.embedded.data_folder import DataFolder
from deploy.embedded.errors import EmbeddedError, refused

_CANDIDATES = ("seatkeeper", "nobody")
_OTHERS_MAY_ENTER = 0o001


def server_account() -> tuple[int, int] | None:
    """(uid, gid) to become, or None when this process is not root. No account is ever created. Raises `EmbeddedError`."""
    if os.geteuid() != 0:
        return None
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return entry.pw_uid, entry.pw_gid
    raise EmbeddedError(
        "PostgreSQL refuses to run as root, and there is no account named seatkeeper or nobody. "
        "Create one (useradd --system seatkeeper), or run as an ordinary user."
    )


def everybody_may_enter(path: Path) -> bool:
    """Whether an account without rights of its own gets through every folder down to `path`."""
    return all(parent.stat().st_mode & _OTHERS_MAY_ENTER for parent in [path, *path.resolve().parents])


def reachable_programs(folder: DataFolder, programs: Path, version: str) -> Path:
    """The PostgreSQL installation (its folder with `bin`), copied into the data folder when other accounts cannot reach it.

    A virtual environment in root's home is such a place. Permissions of folders that are not ours stay as they are.
    Raises `EmbeddedError` when the data folder cannot be reached either.
    """
    if not everybody_may_enter(folder.path):
        raise EmbeddedError(
            f"PostgreSQL runs under another account when started by root, and that account may not enter {folder.path}. "
            "Choose a folder such as /var/lib/seatkeeper with --data-dir, or run as an ordinary user."
        )
    if everybody_may_enter(programs):
        return programs
    copy = folder.begin("programs")
    if copy is not None:
        try:
            copy.chmod(0o755)
            package = programs.parent
            shutil.copytree(programs, copy / package.name / programs.name, symlinks=True)
            # The wheel keeps the shared libraries of its programs beside its package.
            libraries = package.with_name(f"{package.name}.libs")
            if libraries.exists():
                shutil.copytree(libraries, copy / libraries.name, symlinks=True)
        except OSError as error:
            raise refused(f"copy PostgreSQL into {copy}", error) from error
        folder.finish("programs", version)
    return folder.path / "programs" / programs.parent.name / programs.name
