"""Resolves ``requirements/*.txt``: one hash-pinned list for each service, one for development, one for
Microsoft's client. They name no package index.

``python -m deploy.requirements`` writes them all; the development list is resolved first and the others keep to its versions.
"""

import subprocess
import sys
from pathlib import Path

FOLDER = Path("requirements")
IMAGES = {
    "assignment-watcher": ("assignment-watcher", "cli"),
    "diff": ("diff", "cli"),
    "license-allocator": ("license-allocator", "cli"),
    "scim-writer": ("scim-writer", "cli"),
    "notifier": ("notifier", "cli"),
    "console": ("console", "cli"),
    "simulators": ("simulators",),
}
COMPILE = (
    *(sys.executable, "-m", "uv", "pip", "compile", "--quiet", "--universal", "--python-version", "3.11"),
    *("--generate-hashes", "--no-emit-index-url", "--no-header", "pyproject.toml"),
)


def resolve(name: str, *options: str) -> None:
    """Write one list. Raises ``CalledProcessError`` when the versions of pyproject.toml cannot be had together."""
    subprocess.run([*COMPILE, *options, "--output-file", str(FOLDER / f"{name}.txt")], check=True)  # noqa: S603 - fixed words


def main() -> int:
    """Resolve every list."""
    sys.stdout.write("dev\n")
    resolve("dev", "--all-extras", "--group", "dev")
    sys.stdout.write("conformance\n")
    resolve("conformance", "--group", "conformance", "--constraint", str(FOLDER / "dev.txt"))
    for name, extras in IMAGES.items():
        sys.stdout.write(f"{name}\n")
        options = [option for extra in extras for option in ("--extra", extra)]
        resolve(name, *options, "--constraint", str(FOLDER / "dev.txt"))
    return 0


if __name__ == "__main__":
    sys.exit(main())
