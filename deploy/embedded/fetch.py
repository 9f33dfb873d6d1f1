"""Brings the jars of Apache Kafka into the cache: each once, and only the very file that this release was tested with.

`python -m deploy.embedded.fetch` does it ahead of the first start.
"""

import os
import sys
import tempfile
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded.artifacts import KAFKA_VERSION, Artifact, pinned, sha256
from deploy.embedded.data_folder import cache_dir
from deploy.embedded.errors import EmbeddedError, refused

_CENTRAL = "Maven Central"
_TIMEOUT_SECONDS = 30
_AT_ONCE = 6

Report = Callable[[str], None]
"""Receives a sentence about progress, from any thread."""


def fetch(
    folder: Path, report: Report, *, artifacts: list[Artifact] | None = None, stop: threading.Event | None = None
) -> str:
    """Makes sure that every jar is in `folder` and has its sum; returns the Java class path.

    Blocking: 45 files and 45 MB the first time, a check of their sums afterwards. A jar that changed on disk is fetched again.
    SEATKEEPER_MAVEN_REPOSITORY names a mirror. `stop`, once set, ends the work between two files. Raises `EmbeddedError`.
    """
    wanted = pinned() if artifacts is None else artifacts
    missing = [artifact for artifact in wanted if sha256(folder / artifact.path) != artifact.sha256]
    if missing:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            # Beside their place, so that a file arrives there whole and checked, or not at all.
            with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as staging:
                _Fetch(folder, Path(staging), report, len(missing), stop or threading.Event()).all(missing)
        except OSError as error:
            raise refused(f"keep the files of Apache Kafka in {folder}", error) from error
    return os.pathsep.join(str(folder / artifact.path) for artifact in wanted)


@dataclass
class _Fetch:
    folder: Path
    staging: Path
    report: Report
    files: int
    stop: threading.Event
    repository: str = field(default_factory=lambda: os.environ.get("SEATKEEPER_MAVEN_REPOSITORY", _CENTRAL))
    done: int = 0
    size: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def all(self, artifacts: list[Artifact]) -> None:
        self.report(f"Downloading Apache Kafka {KAFKA_VERSION} from {self.repository}: {self.files} files")
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for future in [pool.submit(self.one, artifact) for artifact in artifacts]:
                try:
                    future.result()
                except BaseException:
                    self.stop.set()
                    raise

    def one(self, artifact: Artifact) -> None:
        if self.stop.is_set():
            return
        fetched = self.download(artifact)
        if sha256(fetched) != artifact.sha256:
            raise EmbeddedError(
                f"{artifact.path.name} from {self.repository} is not the file that this release was tested with: its SHA-256 "
                "differs. Nothing of it was started. Something on the way changes files; name another mirror in "
                "SEATKEEPER_MAVEN_REPOSITORY."
            )
        target = self.folder / artifact.path
        target.parent.mkdir(parents=True, exist_ok=True)
        fetched.replace(target)
        with self.lock:
            self.done += 1
            self.size += target.stat().st_size
            self.report(
                f"Downloading Apache Kafka {KAFKA_VERSION}: {self.done} of {self.files} files, {self.size / 1e6:.1f} MB"
            )

    def download(self, artifact: Artifact) -> Path:
        # Imported here: jgo brings an HTTP client along, and most starts need neither.
        from jgo.maven import MavenContext  # noqa: PLC0415
        from requests import RequestException  # noqa: PLC0415

        group, name, version = artifact.coordinates
        context = MavenContext(
            repo_cache=self.staging,
            local_repos=[],
            # Without a mirror, jgo's own: Maven Central.
            remote_repos=None if self.repository == _CENTRAL else {"repository": self.repository},
            timeout=_TIMEOUT_SECONDS,
        )
        try:
            # Not `resolve`, which would take what lies in the cache unseen.
            return Path(context.resolver.download(context.project(group, name).at_version(version).artifact()) or "")
        except (RequestException, RuntimeError) as error:
            raise EmbeddedError(
                f"Apache Kafka could not be downloaded: {artifact.path.name} did not come from {self.repository}. Check the "
                "connection (and HTTPS_PROXY, REQUESTS_CA_BUNDLE), name a mirror in SEATKEEPER_MAVEN_REPOSITORY, or name a Kafka "
                "that you have in SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS."
            ) from error


def main() -> int:
    """Fill the cache with progress on standard error; exit status 1 and one sentence when that cannot be done."""
    try:
        fetch(cache_dir() / f"kafka-{KAFKA_VERSION}", lambda sentence: print(sentence, file=sys.stderr))  # noqa: T201 - a program's own output
    except EmbeddedError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
