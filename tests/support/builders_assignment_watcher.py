"""A watcher on a real PostgreSQL and a simulated Microsoft Graph, without Kafka: what it says is read from its outbox."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from services.assignment_watcher.cycle import Cycle
from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.policy import Policy
from services.assignment_watcher.settings import WatcherSettings
from services.assignment_watcher.sources.opening import CLIENT_SECRET, JobSources
from shared.contracts.assignments import CycleKind, CycleMark, DirectoryAssignment
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import CycleFact, JobCondition
from shared.contracts.source import HoldFact, SourceState
from shared.contracts.topics import WATCHER
from shared.runtime.frame import Frame
from shared.runtime.http import HttpClient
from shared.runtime.jobs import store_jobs
from shared.runtime.transaction import transaction
from simulators.graph.server import start
from tests.support import graph_tenants
from tests.support.frames import opened_frame, outbox, settings_for
from tests.support.messages import a_job, received

ROLE = "User"


@dataclass
class Tenant(graph_tenants.Tenant):
    """A simulated tenant, and who is assigned in it by its own reckoning."""

    async def assign(self, principal: str, *, kind: str = "User", role: str = ROLE, at: str | None = None) -> str:
        mutation = {"op": "assign", "principalType": kind, "principalId": principal, "role": role}
        [result] = await self.tx(mutation | ({"createdDateTime": at} if at else {}))
        return result["assignmentId"]

    async def groups(self) -> list[dict[str, Any]]:
        return (await self.ask("GET", "/_sim/groups"))["groups"]

    async def effective(self) -> dict[str, set[str]]:
        """Users that are live and hold a role, by the simulator's own reckoning: object id to role values."""
        truth = await self.ask("GET", "/_sim/truth")
        return {
            user_id: {"" if role == "Default Access" else role for role in user["roles"]}
            for user_id, user in truth["users"].items()
            if user["state"] == "live" and user["roles"]
        }

    async def effective_groups(self) -> dict[str, set[str]]:
        """Groups that are live, security-enabled and hold a role, by the simulator's own reckoning: object id to role values."""
        truth = await self.ask("GET", "/_sim/truth")
        return {
            group_id: {"" if role == "Default Access" else role for role in group["roles"]}
            for group_id, group in truth["groups"].items()
            if group["assignable"] and group["roles"]
        }

    async def properties(self, user_id: str) -> dict[str, Any]:
        return (await self.ask("GET", "/_sim/truth"))["users"][user_id]["properties"]


@asynccontextmanager
async def a_tenant(*, users: int = 0, groups: int = 0, seed: int = 1) -> AsyncIterator[Tenant]:
    simulator = await start(users=users, groups=groups, seed=seed)
    async with aiohttp.ClientSession() as session:
        tenant = Tenant(simulator.url, session)
        tenant.config = await tenant.ask("GET", "/_sim/config")
        try:
            yield tenant
        finally:
            await simulator.close()


def a_watched_job(
    frame: Frame, tenant: Tenant, *, version: int = 1, secret: str | None = None, **settings: Any
) -> JobRecord:
    """The job of this tenant. Removals are believed in the second cycle that misses them unless the settings say otherwise."""
    job = a_job(
        "job-1",
        version=version,
        source={
            "tenantId": tenant.config["tenantId"],
            "clientId": tenant.config["clientId"],
            "servicePrincipalId": tenant.config["servicePrincipalId"],
            "graphRoot": tenant.url,
            "loginRoot": tenant.url,
        },
        settings={"interval": "PT1S", "removalConfirmation": "PT1S"} | settings,
    )
    value = secret or tenant.config["clientSecret"]
    return job.model_copy(
        update={"secrets": {CLIENT_SECRET: frame.secrets.encrypt(value, job_id=job.job_id, field=CLIENT_SECRET)}}
    )


async def a_group(tenant: Tenant, *members: str, **properties: Any) -> str:
    """Make a group with these members and return its id."""
    [made] = await tenant.tx({"op": "createGroup", "members": list(members), **properties})
    group_id: str = made["groupId"]
    return group_id


async def save(frame: Frame, *records: JobRecord) -> None:
    """Store job definitions as the frame does when they arrive."""
    async with transaction(frame.database, frame.jobs) as tx:
        await store_jobs(tx, [received(record) for record in records])


def paused(record: JobRecord, version: int) -> JobRecord:
    return record.model_copy(update={"schedule": ScheduleState.PAUSED, "sequence": version})


class Said:
    """The outbox as messages."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def of(self, kind: type[Any]) -> list[Any]:
        return [kind.model_validate(row["payload"]) for row in self.rows if row["headers"]["ce_type"] == kind.type]

    @property
    def records(self) -> list[DirectoryAssignment]:
        """What was said of users and groups, in order."""
        return self.of(DirectoryAssignment)

    @property
    def assignments(self) -> list[DirectoryAssignment]:
        """What was said of users, in order."""
        return [message for message in self.records if message.object_type is ObjectType.USER]

    @property
    def groups(self) -> list[DirectoryAssignment]:
        """What was said of groups, in order."""
        return [message for message in self.records if message.object_type is ObjectType.GROUP]

    @property
    def marks(self) -> list[CycleMark]:
        return self.of(CycleMark)

    @property
    def facts(self) -> list[CycleFact]:
        return self.of(CycleFact)

    @property
    def conditions(self) -> list[JobCondition]:
        return self.of(JobCondition)

    @property
    def state(self) -> SourceState:
        """The newest state of the source."""
        return max(self.of(SourceState), key=lambda state: state.sequence)

    @property
    def holds(self) -> list[HoldFact]:
        return self.of(HoldFact)

    @property
    def ids(self) -> list[str]:
        return [row["headers"]["ce_id"] for row in self.rows]

    def ids_of(self, kind: str) -> list[str]:
        return [row["headers"]["ce_id"] for row in self.rows if row["headers"]["ce_type"].endswith(kind)]

    def latest(self, object_type: ObjectType = ObjectType.USER) -> dict[str, DirectoryAssignment]:
        """Fold what was said of users, or of groups, from empty; the versions of each object must have no gap."""
        state: dict[str, DirectoryAssignment] = {}
        for message in self.records:
            if message.object_type is not object_type:
                continue
            before = state.get(message.object_id)
            assert message.sequence == (before.sequence + 1 if before else 1), "a version is missing or repeated"
            state[message.object_id] = message
        return state

    def effective(self, object_type: ObjectType = ObjectType.USER) -> dict[str, set[str]]:
        """Users, or groups, that are assigned and live: object id to role values."""
        return {
            object_id: {role.value for role in message.roles}
            for object_id, message in self.latest(object_type).items()
            if message.assigned and message.lifecycle == "live"
        }


@dataclass
class Watcher:
    """Runs single cycles of one job, each as the service would."""

    frame: Frame
    tenant: Tenant
    sources: JobSources
    record: JobRecord
    policy: dict[str, Any] = field(default_factory=dict)
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    last: Cycle | None = None
    alone: bool = False
    """Whether a cycle that asks for the next one at once has to wait for it."""

    async def cycle(self) -> CycleKind:
        """One cycle, two seconds after the last one by the clock of the watcher, and those that follow it at once."""
        self.now += timedelta(seconds=2)
        kind = await self._cycle()
        while not self.alone and self.last is not None and self.last.unfinished:
            await self._cycle()
        return kind

    async def _cycle(self) -> CycleKind:
        [job] = await self.frame.list_jobs()
        async with self.frame.lease("watcher/job-1") as lease:
            assert lease is not None
            self.last = Cycle(self.frame, job, self._source(job), lease, self._policy())
            return await self.last.run()

    def _policy(self) -> Policy:
        return Policy(**({"damper": timedelta(0), "clock": lambda: self.now} | self.policy))

    def _source(self, job: Any) -> Any:
        if getattr(self, "_opened", (None, None))[0] != job.version:
            self._opened = (job.version, self.sources.open(self.frame, job))
        return self._opened[1]

    def sources_opened_anew(self) -> None:
        """As when the service starts: the source of the job is opened again."""
        self._opened = (None, None)

    async def said(self) -> Said:
        return Said(await outbox(self.frame))

    async def cycles(self, count: int) -> Said:
        for _ in range(count):
            await self.cycle()
        return await self.said()

    async def configure(self, **settings: Any) -> None:
        self.record = a_watched_job(self.frame, self.tenant, version=self.record.sequence + 1, **settings)
        await save(self.frame, self.record)


async def agree(watcher: Watcher) -> None:
    """What was said, folded from empty, is the simulator's truth."""
    said = await watcher.said()
    assert said.effective() == await watcher.tenant.effective()
    assert said.effective(ObjectType.GROUP) == await watcher.tenant.effective_groups()


def watcher_settings(database_url: str, kafka: str = "127.0.0.1:1", **more: Any) -> WatcherSettings:
    return settings_for(database_url, kafka, WatcherSettings, assignment_watcher_first_retry_seconds=0.01, **more)  # type: ignore[no-any-return] # the helper serves every settings class


@asynccontextmanager
async def a_watcher(database_url: str, tenant: Tenant, **settings: Any) -> AsyncIterator[Watcher]:
    async with opened_frame(WATCHER, watcher_settings(database_url)) as frame:
        record = a_watched_job(frame, tenant, **settings)
        await save(frame, record)
        patience = Patience(tries=4, seconds=10, first_wait_seconds=0.01)
        sources = JobSources(HttpClient("microsoft-graph", allow_insecure_loopback=True), patience)
        try:
            yield Watcher(frame, tenant, sources, record)
        finally:
            await sources.close()
