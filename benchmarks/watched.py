"""A large tenant and the assignment-watcher alone: the real process, steered by the messages that it reads."""

import asyncio
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
from aiokafka import AIOKafkaProducer

from cli.system import PASSED_ON
from deploy.databases import migrate_services
from deploy.embedded import DataFolder, Process, Servers, Supervisor, embedded_servers
from deploy.embedded.ports import ports
from deploy.topics import create_topics
from shared.contracts.cloudevents import Envelope, headers_of
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.job import JobDefinition
from shared.contracts.message import ObjectType
from shared.contracts.topics import WATCHER
from shared.runtime.secrets import SecretBox
from shared.runtime.settings import Settings

JOB = "tenant"
SCHEMA = "assignment_watcher"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The tenant: every group is assigned."""

    users: int
    groups: int
    memberships: int


@dataclass(kw_only=True)
class Watched:
    """The watcher, its database, and the simulated Microsoft Graph that it reads."""

    servers: Servers
    supervisor: Supervisor
    graph_url: str
    http_url: str
    secret_key: bytes
    session: aiohttp.ClientSession
    database: Any
    tenant: dict[str, Any] = field(default_factory=dict)
    versions_of_jobs: dict[str, int] = field(default_factory=dict)

    async def sim(self, method: str, path: str, body: Any = None) -> Any:
        """Ask the control plane of the simulator."""
        async with self.session.request(method, f"{self.graph_url}/_sim{path}", json=body) as response:
            response.raise_for_status()
            return await response.json() if response.status != 204 else None

    async def start(self, interval: str, job: str = JOB, schedule: ScheduleState = ScheduleState.ACTIVE) -> None:
        """Publish the definition of a job, as the console does."""
        version = self.versions_of_jobs[job] = self.versions_of_jobs.get(job, 0) + 1
        definition = JobDefinition.model_validate(
            {
                "displayName": job,
                "template": "linkedin-sales-navigator",
                "source": {
                    **{name: self.tenant[name] for name in ("tenantId", "clientId", "servicePrincipalId")},
                    "graphRoot": self.graph_url,
                    "loginRoot": self.graph_url,
                },
                "target": {"tenantUrl": "https://scim.example/v2"},
                "settings": {"interval": interval, "removalConfirmation": "PT1S"},
            }
        )
        sealed = SecretBox(self.secret_key).encrypt(self.tenant["clientSecret"], job_id=job, field="clientSecret")
        now = datetime.now(UTC)
        record = JobRecord(
            job_id=job,
            object_type=ObjectType.JOB,
            object_id=JOB_OBJECT,
            sequence=version,
            definition=definition,
            schedule=schedule,
            secrets={"clientSecret": sealed},
            changed_at=now,
        )
        envelope = Envelope(
            id=uuid4(),
            source="/seatkeeper/console",
            type=record.type,
            subject=record.key,
            time=now,
            sequence=version,
            correlation_id=str(uuid4()),
            traceparent=None,
        )
        producer = AIOKafkaProducer(bootstrap_servers=self.servers.kafka_bootstrap_servers)
        await producer.start()
        try:
            headers = [(name, value.encode()) for name, value in headers_of(envelope).items()]
            await producer.send_and_wait(record.topic, record.body(), key=record.key.encode(), headers=headers)
        finally:
            await producer.stop()

    async def pause(self, job: str = JOB) -> None:
        """End the cycles of a job."""
        await self.start("PT1M", job, ScheduleState.PAUSED)

    async def until(self, condition: Callable[[], Awaitable[bool]], *, within: float) -> None:
        """Wait for ``condition``, asking ten times a second; raises ``TimeoutError``."""
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110 - what is waited for lies in other processes
                await asyncio.sleep(0.1)

    async def initial_completed(self, job: str = JOB) -> bool:
        """Return whether the first read of a job is committed."""
        return bool(await self.database.fetchval("SELECT initial_completed FROM watch WHERE job_id = $1", job))

    async def published(self) -> bool:
        """Return whether nothing waits to be published."""
        return not await self.database.fetchval("SELECT EXISTS (SELECT 1 FROM outbox)")

    async def people(self) -> int:
        """Return how many users were said to be assigned."""
        return int(
            await self.database.fetchval(
                "SELECT count(*) FROM emitted WHERE job_id = $1 AND object_type = 'user' AND effective",
                JOB,
            )
        )

    async def versions(self) -> int:
        """Return how often users and groups were said."""
        return int(await self.database.fetchval("SELECT coalesce(sum(version), 0) FROM emitted WHERE job_id = $1", JOB))

    async def rounds(self) -> int:
        """Return how many cycles were committed."""
        return int(await self.database.fetchval("SELECT round FROM watch WHERE job_id = $1", JOB))

    async def change(self, count: int) -> None:
        """Change a property of so many assigned users, in one transaction of the directory."""
        rows = await self.database.fetch(
            "SELECT object_id FROM emitted WHERE job_id = $1 AND object_type = 'user' AND effective ORDER BY object_id LIMIT $2",
            JOB,
            count,
        )
        mutations = [
            {"op": "updateUser", "userId": row["object_id"], "properties": {"jobTitle": f"Title {number}"}}
            for number, row in enumerate(rows)
        ]
        await self.sim("POST", "/tx", {"mutations": mutations})

    async def latency(self, milliseconds: float) -> None:
        """Let each answer of the simulator take so long, and let the first job rest."""
        await self.pause()
        await self.sim("POST", "/knobs", {"latencyMs": milliseconds})

    async def requests(self) -> dict[str, int]:
        """Return the requests that the simulator got, by what was asked for."""
        journal = await self.sim("GET", "/journal")
        return {name: entry["count"] for name, entry in journal["requests"].items()}

    async def forget_requests(self) -> None:
        """Count requests anew."""
        await self.sim("DELETE", "/journal")

    async def cycle_seconds(self, result: str) -> tuple[float, int]:
        """Return the seconds of all incremental cycles with this result, and their number, from the watcher's own metrics."""
        async with self.session.get(f"{self.http_url}/metrics") as response:
            text = await response.text()

        def value(name: str) -> float:
            found = re.search(rf'^{name}{{kind="incremental",result="{result}"}} (\S+)$', text, re.MULTILINE)
            return float(found[1]) if found else 0.0

        return value("seatkeeper_cycle_seconds_sum"), int(value("seatkeeper_cycle_seconds_count"))

    def cpu_seconds(self) -> dict[str, float]:
        """Return the CPU seconds that each process has used so far."""
        return {usage.name: usage.cpu_seconds for usage in self.supervisor.usage()}

    def peak_rss_mib(self) -> float:
        """Return the most memory that the watcher had resident at any time (VmHWM), in MiB."""
        pid = next(usage.pid for usage in self.supervisor.usage() if usage.name == WATCHER)
        status = Path(f"/proc/{pid}/status").read_text("ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
        return round(int(line.split()[1]) / 1024, 1)


@asynccontextmanager
async def watched(folder: DataFolder, supervisor: Supervisor, sizes: Sizes) -> AsyncIterator[Watched]:
    """Bring the servers, the simulator with its tenant and the watcher up, and take them down again."""
    async with embedded_servers(folder, supervisor) as servers:
        secret = folder.secret("secret-key")
        settings = Settings(
            database_url=servers.database_url,
            kafka_bootstrap_servers=servers.kafka_bootstrap_servers,
            secret_key=secret,
        )
        await migrate_services(settings)
        await create_topics(settings)
        kept = ports(folder, "graph", WATCHER)
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        simulator = Process(
            name="simulator-graph",
            argv=(sys.executable, "-m", "simulators.graph", "--port", str(kept["graph"])),
            env=environment,
            cwd=folder.path,
            ready_line=True,
        )
        graph_url = ((await supervisor.start(simulator)).announced or {})["url"]
        service = Process(
            name=WATCHER,
            argv=(sys.executable, "-m", "cli.main", "run", WATCHER),
            env=environment
            | servers.environment()
            | {
                "SEATKEEPER_SECRET_KEY": secret,
                "SEATKEEPER_HTTP_PORT": str(kept[WATCHER]),
                "SEATKEEPER_ALLOW_INSECURE_LOOPBACK": "true",
                "MALLOC_ARENA_MAX": "2",
            },
            layer=2,
        )
        async with aiohttp.ClientSession() as session:
            database = await asyncpg.connect(servers.database_url, server_settings={"search_path": SCHEMA})
            try:
                scene = Watched(
                    servers=servers,
                    supervisor=supervisor,
                    graph_url=graph_url,
                    http_url=f"http://127.0.0.1:{kept[WATCHER]}",
                    secret_key=settings.secret_key_bytes(),
                    session=session,
                    database=database,
                )
                plan = {"users": sizes.users, "groups": sizes.groups}
                await scene.sim("POST", "/seed", plan | {"memberships": sizes.memberships, "assignments": sizes.groups})
                scene.tenant = await scene.sim("GET", "/config")
                await supervisor.start(service)
                yield scene
            finally:
                await database.close()
                await supervisor.stop(WATCHER)
