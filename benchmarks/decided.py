"""diff alone: the real process over the real Kafka and PostgreSQL, fed with what the watcher and the writer would say."""

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
from aiokafka import AIOKafkaProducer

from benchmarks.deciding import assignment, default_rules, done, envelope, job_record, preview_request, provisioned
from cli.system import PASSED_ON
from deploy.databases import migrate_services
from deploy.embedded import DataFolder, Process, Servers, Supervisor, embedded_servers
from deploy.embedded.ports import ports
from deploy.topics import create_topics
from shared.contracts.changes import Change, Operation
from shared.contracts.cloudevents import headers_of
from shared.contracts.ids import partition_of
from shared.contracts.message import Message, ObjectType
from shared.contracts.topics import TOPICS
from shared.runtime.settings import Settings

DIFF = "diff"
JOB = "measured"
LOOK_EVERY_SECONDS = 0.05
"""Counting takes a processor too: without a pause it would take one of two away from what is measured."""


@dataclass(kw_only=True)
class Decided:
    """The diff process, which is stopped while messages are put before it, and the database that it writes."""

    servers: Servers
    supervisor: Supervisor
    process: Process
    database: Any
    users: int
    used: float = 0.0

    async def send(self, messages: Iterable[Message], source: str) -> None:
        """Publish messages as their service does."""
        producer = AIOKafkaProducer(bootstrap_servers=self.servers.kafka_bootstrap_servers, linger_ms=20)
        await producer.start()
        try:
            for message in messages:
                headers = [(name, value.encode()) for name, value in headers_of(envelope(message, source)).items()]
                key = message.key.encode()
                partition = partition_of(key, TOPICS[message.topic].partitions)
                await producer.send(message.topic, message.body(), key=key, headers=headers, partition=partition)
            await producer.flush()
        finally:
            await producer.stop()

    async def drained(self, condition: str) -> tuple[float, float]:
        """Start diff, wait until ``condition`` counts everybody, and stop it.

        Returns the seconds from the first to the last, and the CPU seconds of diff in them.
        """
        await self.supervisor.start(self.process)
        base = self._cpu()
        began: float | None = None
        while True:
            count = await self.database.fetchval(f"SELECT count(*) FROM person WHERE {condition}")  # noqa: S608 - our own words
            if count and began is None:
                began, first, base = time.monotonic(), count, self._cpu()
            if count == self.users:
                break
            await asyncio.sleep(LOOK_EVERY_SECONDS)
        seconds = time.monotonic() - (began or 0.0)
        cpu = self._cpu() - base
        await self.supervisor.stop(DIFF)
        share = (self.users - first) / self.users
        return seconds / share if share else seconds, cpu / share if share else cpu

    async def previewed(self, request: Message) -> tuple[float, float]:
        """Start diff, let it come to rest, ask it for a preview, wait for the plan, and stop it.

        Returns the seconds from the request to the plan, and the CPU seconds of diff in them.
        """
        await self.supervisor.start(self.process)
        await self._come_to_rest()
        base, began = self._cpu(), time.monotonic()
        await self.send([request], "/seatkeeper/console")
        while (state := await self.database.fetchval("SELECT state FROM preview")) != "done":
            if state == "failed":
                raise RuntimeError("diff made no plan; the reason is in its log")
            await asyncio.sleep(0.02)
        seconds, cpu = time.monotonic() - began, self._cpu() - base
        await self.supervisor.stop(DIFF)
        return seconds, cpu

    async def _come_to_rest(self) -> None:
        while True:
            if not await self.database.fetchval("SELECT count(*) FROM outbox"):
                return
            await asyncio.sleep(0.1)

    def _cpu(self) -> float:
        return next((usage.cpu_seconds for usage in self.supervisor.usage() if usage.name == DIFF), 0.0)


async def service_figures(scene: Decided) -> dict[str, Any]:
    """Return what the service does each second with people who are new, unchanged and changed, and the CPU of a cycle without changes."""
    people = range(scene.users)
    await scene.send([job_record(JOB)], "/seatkeeper/console")
    await scene.send((assignment(JOB, number, 1) for number in people), "/seatkeeper/assignment-watcher")
    new, _ = await scene.drained("sent_generation = 1")
    await scene.send(outcomes(people), "/seatkeeper/scim-writer")
    await scene.drained("linked")
    await scene.send((assignment(JOB, number, 2) for number in people), "/seatkeeper/assignment-watcher")
    unchanged, cpu = await scene.drained("(assignment ->> 'sequence')::bigint = 2")
    said = await scene.database.fetchval("SELECT count(*) FROM person WHERE sent_generation > 1")
    titles = (assignment(JOB, number, 3, title="Seller") for number in people)
    await scene.send(titles, "/seatkeeper/assignment-watcher")
    changed, _ = await scene.drained("sent_generation = 2")
    previewed, preview_cpu = await scene.previewed(preview_request(JOB))
    return {
        "newPerSecond": round(scene.users / new),
        "unchangedPerSecond": round(scene.users / unchanged),
        "changedPerSecond": round(scene.users / changed),
        "noopCpuSecondsPer100k": round(cpu * 100_000 / scene.users, 1),
        "noopChanges": said,
        "previewSecondsPer100k": round(previewed * 100_000 / scene.users, 1),
        "previewCpuSecondsPer100k": round(preview_cpu * 100_000 / scene.users, 1),
    }


def outcomes(people: Iterable[int]) -> Iterable[Message]:
    """Yield what the writer says of everybody's creation."""
    account = provisioned(default_rules(), 0).account
    assert account is not None
    for number in people:
        person = assignment(JOB, number, 1)
        resource = {**account.resource, "externalId": person.object_id, "userName": person.attributes["mail"]}
        resource['emails[type eq "work"].value'] = person.attributes["mail"]
        resource["name.familyName"] = person.attributes["surname"]
        resource["displayName"] = person.attributes["displayName"]
        yield done(
            Change(
                job_id=JOB,
                object_type=ObjectType.USER,
                object_id=person.object_id,
                sequence=1,
                generation=1,
                operation=Operation.CREATE,
                reason="",
                resource=resource,
                needs_license=True,
                decided_at=person.observed_at,
            )
        )


@asynccontextmanager
async def decided(folder: DataFolder, supervisor: Supervisor, users: int) -> AsyncIterator[Decided]:
    """Bring the servers up, ready for diff, and take them down again."""
    async with embedded_servers(folder, supervisor) as servers:
        secret = folder.secret("secret-key")
        settings = Settings(
            database_url=servers.database_url,
            kafka_bootstrap_servers=servers.kafka_bootstrap_servers,
            secret_key=secret,
        )
        await migrate_services(settings)
        await create_topics(settings)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        process = Process(
            name=DIFF,
            argv=(sys.executable, "-m", "cli.main", "run", DIFF),
            env=environment
            | servers.environment()
            | {
                "SEATKEEPER_SECRET_KEY": secret,
                "SEATKEEPER_HTTP_PORT": str(ports(folder, DIFF)[DIFF]),
                "MALLOC_ARENA_MAX": "2",
            },
            layer=2,
        )
        database = await asyncpg.connect(servers.database_url, server_settings={"search_path": DIFF})
        try:
            yield Decided(servers=servers, supervisor=supervisor, process=process, database=database, users=users)
        finally:
            await database.close()
