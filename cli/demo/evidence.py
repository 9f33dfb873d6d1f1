"""What really is: the directory and the target as the simulators hold them, and the rows and records as PostgreSQL and Kafka hold them.

Nothing here asks a service whether it thinks it is right.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson
from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from cli.demo.simulated import Simulated
from deploy.embedded import Servers
from shared.contracts.topics import CONSOLE, EVENTS, SERVICES, USERS, consumed_by
from shared.runtime.database import schema_of

EVERYBODY = 1_000_000
COORDINATOR_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """Everything that the invariants are computed from, taken when the system was at rest."""

    truth: dict[str, dict[str, Any]]
    truth_groups: dict[str, dict[str, Any]]
    directory: list[dict[str, Any]]
    directory_users: int
    accounts: dict[str, dict[str, Any]]
    target: dict[str, Any]
    target_groups: list[dict[str, Any]]
    people: dict[str, dict[str, Any]]
    pool: dict[str, Any]
    licenses: dict[str, dict[str, Any]]
    license_history: list[dict[str, Any]]
    outbox_rows: int
    lag: int
    dead_letters: int
    events: list[dict[str, Any]]
    users: dict[str, dict[str, Any]]
    mails: list[dict[str, Any]]


@asynccontextmanager
async def database(servers: Servers) -> AsyncIterator[Any]:
    """A connection that sees every schema."""
    connection = await asyncpg.connect(servers.database_url, timeout=30, command_timeout=120)
    try:
        yield connection
    finally:
        await connection.close()


async def gather_evidence(simulated: Simulated, servers: Servers, job_id: str) -> Evidence:
    """Read everything; takes some seconds with tens of thousands of users."""
    truth = await simulated.graph("GET", "/truth?role=User")
    async with database(servers) as connection:
        people = await connection.fetch(
            "SELECT object_id, status, reason_code, target_id, event_sequence, attempts FROM diff.person WHERE job_id = $1",
            job_id,
        )
        pool = await connection.fetchrow("SELECT * FROM license_allocator.pool WHERE job_id = $1", job_id)
        licenses = await connection.fetch(
            "SELECT object_id, state, ticket FROM license_allocator.license WHERE job_id = $1", job_id
        )
        history = await connection.fetch(
            "SELECT object_id, ticket, from_state, to_state FROM license_allocator.license_history WHERE job_id = $1 ORDER BY seq",
            job_id,
        )
        outbox = await outbox_rows(connection)
        dead = await rows_of_all(connection, "dead_letter")
    return Evidence(
        truth=truth["users"],
        truth_groups=truth["groups"],
        directory=await simulated.people(EVERYBODY),
        directory_users=truth["directoryUsers"],
        accounts=await simulated.accounts(),
        target=await simulated.state(),
        target_groups=await simulated.groups(),
        people={row["object_id"]: dict(row) for row in people},
        pool=dict(pool) if pool else {},
        licenses={row["object_id"]: dict(row) for row in licenses},
        license_history=[dict(row) for row in history],
        outbox_rows=outbox,
        lag=await consumer_lag(servers),
        dead_letters=dead,
        events=await _records(servers, EVENTS.name, job_id),
        users={record["objectId"]: record for record in await _records(servers, USERS.name, job_id)},
        mails=await simulated.mail("GET", "/messages"),
    )


async def outbox_rows(connection: Any) -> int:
    """Return how many records of all services wait to be published."""
    return await rows_of_all(connection, "outbox")


async def rows_of_all(connection: Any, table: str) -> int:
    """Return how many rows the table of this name has in the schemas of all services."""
    counts = [
        await connection.fetchval(f'SELECT count(*) FROM "{schema_of(name)}"."{table}"')  # noqa: S608 - names of ours
        for name in SERVICES
    ]
    return sum(counts)


async def consumer_lag(servers: Servers) -> int:
    """Return how many records the services' consumer groups have not committed yet, over all their topics."""
    admin = AIOKafkaAdminClient(bootstrap_servers=servers.kafka_bootstrap_servers)
    consumer = AIOKafkaConsumer(bootstrap_servers=servers.kafka_bootstrap_servers)
    await admin.start()
    await consumer.start()
    lag = 0
    try:
        for service in SERVICES:
            for topic in consumed_by(service):
                control = topic.name.startswith("control.")
                group = f"{service}.control" if control else service
                if service == CONSOLE and control:
                    continue
                partitions = [TopicPartition(topic.name, number) for number in range(topic.partitions)]
                committed = await committed_offsets(admin, group, partitions)
                ends = await consumer.end_offsets(partitions)
                for partition in partitions:
                    known = committed.get(partition)
                    lag += ends[partition] - (max(known.offset, 0) if known else 0)
    finally:
        await asyncio.gather(consumer.stop(), admin.close())
    return lag


async def committed_offsets(
    admin: AIOKafkaAdminClient, group: str, partitions: list[TopicPartition]
) -> Mapping[Any, Any]:
    """Return what the group has committed for each partition.

    A broker that was short of processor time knows no coordinator for a moment. Kafka's own clients ask again then; this one does not.
    """
    deadline = time.monotonic() + COORDINATOR_SECONDS
    while True:
        try:
            found: Mapping[Any, Any] = await admin.list_consumer_group_offsets(group, partitions=partitions)
        except KafkaError as error:
            if not error.retriable or time.monotonic() > deadline:
                raise
            await asyncio.sleep(0.2)
        else:
            return found


async def _records(servers: Servers, topic: str, job_id: str) -> list[dict[str, Any]]:
    """Return the records of one job on a topic, each with its ``ce_id``, in order within each partition."""
    consumer = AIOKafkaConsumer(
        bootstrap_servers=servers.kafka_bootstrap_servers, auto_offset_reset="earliest", enable_auto_commit=False
    )
    await consumer.start()
    try:
        partitions = [TopicPartition(topic, number) for number in sorted(await _partitions(consumer, topic))]
        consumer.assign(partitions)
        ends = await consumer.end_offsets(partitions)
        await consumer.seek_to_beginning(*partitions)
        found = []
        while any([await consumer.position(partition) < ends[partition] for partition in partitions]):
            for batch in (await consumer.getmany(timeout_ms=500, max_records=5000)).values():
                for record in batch:
                    if record.value and record.key.startswith(job_id.encode()):
                        headers = dict(record.headers)
                        found.append({**orjson.loads(record.value), "ceId": headers["ce_id"].decode()})
        return found
    finally:
        await consumer.stop()


async def _partitions(consumer: AIOKafkaConsumer, topic: str) -> set[int]:
    await consumer._client.set_topics([topic])
    return set(consumer.partitions_for_topic(topic) or ())
