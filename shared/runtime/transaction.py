"""One PostgreSQL transaction for one batch: inbox, state and outbox rows together, or nothing."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Generic, TypeVar
from uuid import UUID

import orjson

from shared.contracts.cloudevents import Envelope, headers_of
from shared.contracts.message import Message
from shared.runtime.database import Connection, Database
from shared.runtime.jobs import QUERIES, Job, Jobs
from shared.runtime.telemetry import current_traceparent

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Received(Generic[M]):
    """A message with its envelope and its place in Kafka."""

    message: M
    envelope: Envelope
    topic: str
    partition: int
    position: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboxRow:
    """One record that is to be published: exactly what Kafka gets."""

    topic: str
    key: bytes | None
    partition: int | None
    headers: str
    payload: bytes | None


class Transaction:
    """What a handler works with: a connection inside a transaction, and ``emit``.

    Lock the row of a key (by reading it FOR UPDATE or by writing it) before the transaction ends: outbox rows are numbered at the end,
    and that is what keeps the messages of one key in order.
    """

    def __init__(self, service: str, connection: Connection, jobs: Jobs) -> None:
        self._service = service
        self._jobs = jobs
        self.connection = connection
        self.now = datetime.now(UTC)
        self._traceparent = current_traceparent()
        self.rows: list[OutboxRow] = []

    async def jobs(self, job_ids: Iterable[str]) -> dict[str, Job]:
        """Return the jobs by id; raises ``JobUnknownError``, which keeps the batch until the definition has arrived."""
        return await self._jobs.load(self.connection, job_ids)

    def emit(
        self, message: Message, *, event_id: UUID, cause: Envelope | None = None, partition: int | None = None
    ) -> None:
        """Put a message into the outbox; it is published after the commit, in order for each key.

        ``event_id`` is derived from what caused the message, so that a repeat has the same id. The correlation id and the trace go on from
        ``cause``.
        """
        envelope = Envelope(
            id=event_id,
            source=f"/seatkeeper/{self._service}",
            type=message.type,
            subject=message.key,
            time=self.now,
            sequence=message.sequence,
            correlation_id=cause.correlation_id if cause else str(event_id),
            traceparent=cause.traceparent if cause and cause.traceparent else self._traceparent,
        )
        self.rows.append(
            OutboxRow(
                topic=message.topic,
                key=message.key.encode(),
                partition=partition,
                headers=orjson.dumps(headers_of(envelope)).decode(),
                payload=message.body(),
            )
        )

    async def flush(self) -> None:
        """Write the outbox rows and wake the relay; called once, right before the commit."""
        if not self.rows:
            return
        await self.connection.execute(
            QUERIES.append_outbox,
            [row.topic for row in self.rows],
            [row.key for row in self.rows],
            [row.partition for row in self.rows],
            [row.headers for row in self.rows],
            [row.payload for row in self.rows],
        )
        await self.connection.execute("SELECT pg_notify($1, '')", f"{self._service}-outbox")
        self.rows = []


@asynccontextmanager
async def transaction(database: Database, jobs: Jobs) -> AsyncIterator[Transaction]:
    """Open a transaction; at its end the outbox rows are written and everything commits, or nothing does."""
    async with database.connection() as connection, connection.transaction():
        tx = Transaction(database.service, connection, jobs)
        yield tx
        await tx.flush()
