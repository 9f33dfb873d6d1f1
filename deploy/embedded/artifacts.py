"""Which jars make up Apache Kafka, and the SHA-256 each must have.

`kafka.sha256` lists every jar of the class path as `SHA-256  path in a Maven repository`, so `sha256sum -c` reads it too. To make it
anew after changing a version below: `python -m deploy.embedded.artifacts > kafka.sha256.new`, read the difference, rename.
"""

import hashlib
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

KAFKA_VERSION = "4.4.0"
_KAFKA = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}"
# Kafka 4 brings log4j and the slf4j 1.7 API, but nothing that joins them; without it Kafka logs nothing.
_LOG_BINDING = "org.apache.logging.log4j:log4j-slf4j-impl:2.25.5"
_SUMS = Path(__file__).with_name("kafka.sha256")
_TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class Artifact:
    """One jar: where it is in a Maven repository, and the SHA-256 it must have."""

    path: PurePosixPath
    sha256: str

    @cached_property
    def coordinates(self) -> tuple[str, str, str]:
        """Group, artifact and version, read from the path."""
        *group, artifact, version, _ = self.path.parts
        return ".".join(group), artifact, version


def pinned(sums: Path = _SUMS) -> list[Artifact]:
    """Every jar of the class path, in its order."""
    rows = (line.split() for line in sums.read_text().splitlines())
    return [Artifact(PurePosixPath(path), sha256) for sha256, path in rows]


def sha256(file: Path) -> str | None:
    """The sum of a file in hex, or None when it is not there."""
    with suppress(FileNotFoundError), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
    return None


def resolve() -> list[Artifact]:
    """Asks Maven Central which jars Kafka of this version needs, and computes their sums. For maintainers; needs the network."""
    from jgo.maven import MavenContext  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as staging:
        context = MavenContext(repo_cache=Path(staging), local_repos=[], timeout=_TIMEOUT_SECONDS)
        # The binding apart from Kafka: its parent manages versions of its own, which would replace Kafka's.
        inputs, needed = context.resolver.resolve([context.create_dependency(_KAFKA)])
        binding = context.create_dependency(_LOG_BINDING)
        found = []
        for dependency in [*inputs, *needed, binding]:
            file = dependency.artifact.resolve()
            found.append(Artifact(PurePosixPath(file.relative_to(staging).as_posix()), sha256(file) or ""))
    return sorted(found, key=lambda artifact: artifact.path)


if __name__ == "__main__":
    sys.stdout.writelines(f"{artifact.sha256}  {artifact.path}\n" for artifact in resolve())
