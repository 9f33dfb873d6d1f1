"""The two servers that Seatkeeper needs, private to one data folder, or those that the environment names."""

import asyncio
import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from deploy.embedded.data_folder import DataFolder
from deploy.embedded.errors import EmbeddedError
from deploy.embedded.fetch import Report
from deploy.embedded.kafka import KafkaOptions, start_kafka
from deploy.embedded.postgres import start_postgres
from deploy.embedded.supervisor import Supervisor


@dataclass(frozen=True, slots=True, kw_only=True)
class Servers:
    """Where they are. The URL holds the password: it is for child processes, not for logs."""

    database_url: str = field(repr=False)
    kafka_bootstrap_servers: str

    def environment(self) -> dict[str, str]:
        """The variables that services read."""
        return {
            "SEATKEEPER_DATABASE_URL": self.database_url,
            "SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap_servers,
        }


def _silent(_: str) -> None:
    return


@asynccontextmanager
async def embedded_servers(
    folder: DataFolder,
    supervisor: Supervisor,
    *,
    report: Report = _silent,
    kafka_options: KafkaOptions | None = None,
    postgres_settings: Mapping[str, str] | None = None,
) -> AsyncIterator[Servers]:
    """Starts PostgreSQL and Kafka at the same time and yields once both are ready; leaving stops them.

    SEATKEEPER_DATABASE_URL and SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS, each for itself, name a server to use instead of starting one.
    `report` receives a sentence about long steps. Raises `EmbeddedError`.
    """
    database = os.environ.get("SEATKEEPER_DATABASE_URL")
    kafka = os.environ.get("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS")
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(
                    _known(database) if database else start_postgres(folder, supervisor, settings=postgres_settings)
                ),
                group.create_task(
                    _known(kafka) if kafka else start_kafka(folder, supervisor, report=report, options=kafka_options)
                ),
            ]
    except ExceptionGroup as failures:
        # Both may fail for one reason, and one sentence about it is enough.
        for failure in failures.exceptions:
            if isinstance(failure, EmbeddedError):
                raise failure from None
        raise
    try:
        yield Servers(database_url=tasks[0].result(), kafka_bootstrap_servers=tasks[1].result())
    finally:
        await asyncio.gather(*(supervisor.stop(name) for name in ("kafka", "postgres")))


async def _known(address: str) -> str:
    return address
