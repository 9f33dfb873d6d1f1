"""Kafka and PostgreSQL for tests: our own embedded ones, containers, or those that the environment names.

SEATKEEPER_TEST_SERVERS says which: `embedded` (when nothing is said), `containers`, or `external` with SEATKEEPER_DATABASE_URL and
SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS.
"""

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.embedded import Servers, Supervisor, embedded_servers, open_data_folder

# Speed for servers that live as long as a test run; what they promise while they live stays the same.
_NO_DISK_WAITS = {"fsync": "off", "full_page_writes": "off"}


@dataclass(frozen=True)
class TestSettings:
    """What SEATKEEPER_* said about the servers before the variables were wiped."""

    __test__ = False

    kind: str
    database_url: str | None = field(repr=False)
    kafka_bootstrap_servers: str | None

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "TestSettings":
        return cls(
            kind=environment.get("SEATKEEPER_TEST_SERVERS", "embedded"),
            database_url=environment.get("SEATKEEPER_DATABASE_URL"),
            kafka_bootstrap_servers=environment.get("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS"),
        )


def wipe_environment(environment: dict[str, str] | os._Environ[str]) -> None:
    """Removes SEATKEEPER_* so that no test depends on the shell it was started from; how tests are run stays."""
    for name in list(environment):
        if name.startswith("SEATKEEPER_") and not name.startswith(("SEATKEEPER_TEST_", "SEATKEEPER_CACHE_")):
            del environment[name]


@asynccontextmanager
async def test_servers(settings: TestSettings) -> AsyncIterator[Servers]:
    """The servers of that kind; those we start end with the block."""
    if settings.kind == "external":
        if not settings.database_url or not settings.kafka_bootstrap_servers:
            raise RuntimeError(
                "SEATKEEPER_TEST_SERVERS=external needs SEATKEEPER_DATABASE_URL and SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS"
            )
        yield Servers(database_url=settings.database_url, kafka_bootstrap_servers=settings.kafka_bootstrap_servers)
    elif settings.kind == "containers":
        manager = _containers()
        servers = await asyncio.to_thread(manager.__enter__)
        try:
            yield servers
        finally:
            await asyncio.to_thread(manager.__exit__, None, None, None)
    elif settings.kind == "embedded":
        with short_lived_folder() as path, open_data_folder(path) as folder:
            async with (
                Supervisor(log_folder=folder.logs, record=folder.processes) as supervisor,
                embedded_servers(folder, supervisor, postgres_settings=_NO_DISK_WAITS) as servers,
            ):
                yield servers
    else:
        raise RuntimeError(f"SEATKEEPER_TEST_SERVERS is {settings.kind}: use embedded, containers or external")


@contextmanager
def short_lived_folder() -> Iterator[Path]:
    """A folder of its own below the system's temporary folder, which other accounts may enter: pytest's own they may not."""
    path = Path(tempfile.mkdtemp(prefix="seatkeeper-test-"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@contextmanager
def _containers() -> Iterator[Servers]:
    from testcontainers.community.kafka import KafkaContainer
    from testcontainers.community.postgres import PostgresContainer

    with (
        PostgresContainer("postgres:17-alpine", driver=None) as postgres,
        KafkaContainer().with_kraft() as kafka,
    ):
        yield Servers(database_url=postgres.get_connection_url(), kafka_bootstrap_servers=kafka.get_bootstrap_server())
