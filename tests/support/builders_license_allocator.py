"""Builders and a reference model for tests of license-allocator."""

from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import orjson

from services.license_allocator.handlers import Handlers
from services.license_allocator.settings import AllocatorSettings
from shared.contracts.changes import Change, Operation
from shared.contracts.cloudevents import Envelope
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.ids import JOB_OBJECT, derived_id
from shared.contracts.job import JobDefinition
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.database import Database
from shared.runtime.health import Health
from shared.runtime.jobs import Jobs, store_jobs
from shared.runtime.migrations import migrate
from shared.runtime.transaction import Received, transaction

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
JOB = "job-1"


def change(
    user: str = "u1",
    generation: int = 1,
    *,
    active: bool = True,
    operation: Operation | None = None,
    target_id: str | None = None,
    assigned: int | None = None,
    job_id: str = JOB,
    object_type: ObjectType = ObjectType.USER,
) -> Change:
    """A change that asks for a license (`active`) or for a disable; `assigned` is minutes after noon."""
    return Change(
        job_id=job_id,
        object_type=object_type,
        object_id=user,
        sequence=generation,
        generation=generation,
        operation=operation or (Operation.CREATE if active else Operation.DISABLE),
        reason="assigned",
        resource={"externalId": user, "userName": f"{user}@example.com", "active": active},
        target_id=target_id,
        needs_license=active,
        assigned_at=None if assigned is None else NOON + timedelta(minutes=assigned),
        decided_at=NOON,
    )


def outcome(
    user: str = "u1",
    generation: int = 1,
    result: Result = Result.DONE,
    operation: Operation = Operation.CREATE,
    *,
    job_id: str = JOB,
    active: bool | None = None,
) -> ProvisioningOutcome:
    """What the writer says of a command; `active` is what the target holds afterwards."""
    if active is None:
        active = operation in {Operation.CREATE, Operation.UPDATE}
    return ProvisioningOutcome(
        job_id=job_id,
        object_type=ObjectType.USER,
        object_id=user,
        sequence=generation,
        generation=generation,
        operation=operation,
        result=result,
        resource={"active": active},
        target_id="t-" + user,
        at=NOON,
    )


def job_record(
    capacity: int = 2,
    version: int = 1,
    *,
    job_id: str = JOB,
    when_exhausted: str = "wait",
    auto_assign: bool = True,
    deleted: bool = False,
) -> JobRecord:
    """The definition of a job with a pool of `capacity` licenses."""
    definition = JobDefinition.model_validate(
        {
            "displayName": "Sales Navigator",
            "template": "linkedin-sales-navigator",
            "source": {"tenantId": "tenant", "clientId": "client", "servicePrincipalId": "principal"},
            "target": {"tenantUrl": "https://target.example"},
            "licenses": {
                "autoAssign": auto_assign,
                "applicationInstance": "EMEA",
                "licenseType": "Advanced",
                "capacity": capacity,
                "whenExhausted": when_exhausted,
            },
        }
    )
    return JobRecord(
        job_id=job_id,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=version,
        definition=definition,
        schedule=ScheduleState.ACTIVE,
        deleted=deleted,
        changed_at=NOON,
    )


def received(*messages: Message, event_id: UUID | None = None) -> list[Received[Any]]:
    """The messages as a handler gets them."""
    return [
        Received(
            message=message,
            envelope=Envelope(
                id=event_id or derived_id(message.type, message.key, message.sequence, uuid4().hex),
                source="/test",
                type=message.type,
                subject=message.key,
                time=NOON,
                sequence=message.sequence,
                correlation_id=f"why-{message.object_id}-{message.sequence}",
            ),
            topic=message.topic,
            partition=0,
            position=position,
        )
        for position, message in enumerate(messages)
    ]


@asynccontextmanager
async def allocator_database(url: str, *, connections: int = 6) -> AsyncIterator[Database]:
    """A migrated database of license-allocator, with its pool open."""
    connection = await asyncpg.connect(url)
    try:
        await migrate(connection, "license-allocator")
    finally:
        await connection.close()
    settings = AllocatorSettings(
        database_url=url, kafka_bootstrap_servers="unused:1", database_pool_connections=connections
    )
    database = Database("license-allocator", settings, Health())
    await database.open()
    try:
        yield database
    finally:
        await database.close()


async def define(tx: Any, handlers: Any, *records: JobRecord) -> None:
    """Stores definitions as the frame does, then calls the handler of the service."""
    await store_jobs(tx, received(*records))
    await handlers.on_jobs(tx, received(*records))


async def outbox(connection: Any) -> list[tuple[str, dict[str, Any]]]:
    """What was emitted, in order: the last part of the type, and the body."""
    rows = await connection.fetch("SELECT headers, payload FROM outbox ORDER BY id")
    return [(orjson.loads(row["headers"])["ce_type"], orjson.loads(row["payload"])) for row in rows]


def users(messages: Sequence[tuple[str, dict[str, Any]]], kind: str) -> list[str]:
    """The users of the emitted messages whose type contains `kind`, in order."""
    return [body["objectId"] for type_, body in messages if kind in type_]


@dataclass
class Model:
    """First come, first served, told as simply as it can be: a set of holders and a queue."""

    capacity: int
    without_license: bool = False
    held: dict[str, bool] = field(default_factory=dict)
    """User -> whether the account is known to be active."""
    line: deque[str] = field(default_factory=deque)
    out: set[str] = field(default_factory=set)
    """Users for whom a command ever went out."""

    def ask(self, user: str) -> list[str]:
        """The user is to be active; returns the users whose command goes out."""
        if user in self.held:
            return [user]
        if user in self.line:
            return []
        if len(self.held) < self.capacity and not self.line:
            self.held[user] = False
        elif len(self.held) < self.capacity or not self.without_license:
            self.line.append(user)
            return []
        self.out.add(user)
        return [user]

    def leave(self, user: str) -> list[str]:
        """The user is to be inactive; returns the users whose command goes out."""
        if user in self.line:
            self.line.remove(user)
            if user not in self.out:
                return []
        self.out.add(user)
        return [user]

    def succeeded(self, user: str, *, active: bool) -> list[str]:
        """The newest command of the user was done."""
        if user in self.held:
            if active:
                self.held[user] = True
            else:
                del self.held[user]
        return self.fill()

    def refused(self, user: str, *, active: bool) -> list[str]:
        """The newest command of the user was refused by the target."""
        if active and self.held.get(user) is False:
            del self.held[user]
        return self.fill()

    def fill(self) -> list[str]:
        """Those who may leave the line, in order."""
        gone = []
        while self.line and (len(self.held) < self.capacity or self.without_license):
            user = self.line.popleft()
            if len(self.held) < self.capacity:
                self.held[user] = False
            self.out.add(user)
            gone.append(user)
        return gone


HANDLERS = Handlers(most_from_line=500)


async def give(database: Database, *messages: Message, handlers: Handlers = HANDLERS) -> list[tuple[str, Any]]:
    """Handles one batch in one transaction and returns what it emitted."""
    async with transaction(database, Jobs()) as tx:
        await tx.connection.execute("DELETE FROM outbox")
        records = [item for item in messages if item.topic.startswith("control")]
        if records:
            await define(tx, handlers, *records)  # type: ignore[arg-type] # only job records have that topic
        outcomes = [item for item in messages if isinstance(item, ProvisioningOutcome)]
        if outcomes:
            await handlers.on_outcomes(tx, received(*outcomes))
        changes = [item for item in messages if isinstance(item, Change)]
        if changes:
            await handlers.on_changes(tx, received(*changes))
    async with database.connection() as connection:
        return await outbox(connection)


async def check(database: Database, *, at_least: int = 0) -> dict[str, Any]:
    """Verifies I2 and I3 as an outsider would, from the tables, and returns the pool."""
    async with database.connection() as connection, connection.transaction(isolation="repeatable_read"):
        counted = await connection.fetch(
            "SELECT pool.*, (SELECT count(*) FROM license WHERE license.job_id = pool.job_id AND state IN ('reserved', 'granted')) AS held,"
            " (SELECT count(*) FROM license WHERE license.job_id = pool.job_id AND state = 'waiting') AS line FROM pool"
        )
        for pool in counted:
            assert pool["in_use"] == pool["held"] >= at_least
            assert pool["waiting"] == pool["line"]
            assert pool["in_use"] <= pool["capacity"] or pool["overcommitted"]
            reserved = await connection.fetch(
                "SELECT ticket FROM license_history WHERE job_id = $1 AND to_state = 'reserved' AND from_state <> 'granted' ORDER BY seq",
                pool["job_id"],
            )
            tickets = [row["ticket"] for row in reserved]
            assert tickets == sorted(set(tickets)), "I3"
        return {row["job_id"]: dict(row) for row in counted}.get(JOB, {})
