"""The files of this repository, as a newcomer gets them."""

import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_GENERATED = {".venv", ".git", "__pycache__", "dist", "data"}


@cache
def files() -> tuple[Path, ...]:
    """Every file that is tracked or would be; without git (an unpacked archive), every file that is not generated."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            timeout=30,
        ).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        found = (
            path for path in ROOT.rglob("*") if not any(_is_generated(part) for part in path.relative_to(ROOT).parts)
        )
    else:
        found = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in found if path.is_file()))


def _is_generated(part: str) -> bool:
    return part in _GENERATED or (part.startswith(".") and part.endswith(("_cache", "hypothesis")))
