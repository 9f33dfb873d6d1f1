"""Change notifications of a job on a real PostgreSQL and a simulated Microsoft Graph, without the loop that polls: hints are counted."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp

from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.notifications.lifecycle import Notifications
from services.assignment_watcher.notifications.settings import NotificationSettings
from services.assignment_watcher.sources.opening import CLIENT_SECRET, JobSources
from shared.contracts.control import JobRecord, ScheduleState
from shared.contracts.topics import WATCHER
from shared.runtime.frame import Frame
from shared.runtime.http import HttpClient
from shared.runtime.jobs import store_jobs
from shared.runtime.transaction import transaction
from simulators.graph.server import start
from tests.support.eventually import eventually
from tests.support.frames import opened_frame, settings_for
from tests.support.graph_tenants import Tenant
from tests.support.messages import a_job, received

JOB = "job-1"


@dataclass
class Directory(Tenant):
    """A simulated tenant with its subscriptions."""

    async def change_a_user(self) -> None:
        user = (await self.ask("GET", "/_sim/users?limit=1"))["users"][0]["id"]
        mutation = {"op": "updateUser", "userId": user, "properties": {"jobTitle": f"Title {datetime.now(UTC)}"}}
        await self.ask("POST", "/_sim/tx", {"mutations": [mutation]})

    async def subscriptions(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = (await self.ask("GET", "/_sim/subscriptions"))["subscriptions"]
        return sorted(found, key=lambda item: item["resource"])

    async def lifecycle(self, event: str) -> None:
        await self.ask("POST", "/_sim/notifications/lifecycle", {"event": event})

    async def counts(self) -> dict[str, Any]:
        counts: dict[str, Any] = await self.ask("GET", "/_sim/notifications")
        return counts

    async def requests(self) -> dict[str, int]:
        journal = (await self.ask("GET", "/_sim/journal"))["requests"]
        return {kind: entry["count"] for kind, entry in journal.items()}


@asynccontextmanager
async def a_directory(*, users: int = 3, groups: int = 1) -> AsyncIterator[Directory]:
    simulator = await start(users=users, groups=groups, seed=1)
    async with aiohttp.ClientSession() as session:
        directory = Directory(simulator.url, session)
        directory.config = await directory.ask("GET", "/_sim/config")
        try:
            yield directory
        finally:
            await simulator.close()


class Ahead:
    """A clock that can be set ahead."""

    def __init__(self) -> None:
        self.by = timedelta()

    def __call__(self) -> datetime:
        return datetime.now(UTC) + self.by


@dataclass
class Replica:
    """One process that may follow the job: ``hints`` counts the polls that it was asked for."""

    frame: Frame
    directory: Directory
    url: str
    notifications: Notifications
    sources: JobSources
    clock: Ahead
    hints: int = 0

    @asynccontextmanager
    async def following(self, job_id: str = JOB) -> AsyncIterator[None]:
        async with self.frame.lease(f"watcher/{job_id}") as lease:
            assert lease is not None
            job = await self.job(job_id)
            source = self.sources.open(self.frame, job)
            async with self.notifications.following(self.frame, lambda: (job, source), lease, self.count):
                yield

    def count(self) -> None:
        self.hints += 1

    async def job(self, job_id: str) -> Any:
        async with self.frame.connection() as connection:
            return (await self.frame.jobs.load(connection, [job_id]))[job_id]

    async def rows(self) -> list[dict[str, Any]]:
        async with self.frame.connection() as connection:
            return [dict(row) for row in await connection.fetch("SELECT * FROM subscription ORDER BY job_id, stream")]

    async def subscribed(self) -> list[dict[str, Any]]:
        """Wait until both subscriptions live here and there, and return them."""

        async def both() -> bool:
            there = {item["id"] for item in await self.directory.subscriptions()}
            here = {row["subscription_id"] for row in await self.rows()}
            return len(here) == 2 and here == there

        await eventually(both, within=10)
        return await self.directory.subscriptions()

    async def post(self, path: str, **more: Any) -> tuple[int, Any, str]:
        """Post to the endpoint as a stranger could; returns status, headers and text."""
        async with self.directory.session.post(self.url + path, **more) as response:
            return response.status, response.headers, await response.text()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def notification_settings(database_url: str, **more: Any) -> NotificationSettings:
    return settings_for(database_url, kind=NotificationSettings, **more)  # type: ignore[no-any-return] # the helper serves every settings class


def the_job(frame: Frame, directory: Directory, *, version: int = 1, job_id: str = JOB) -> JobRecord:
    job = a_job(
        job_id,
        version=version,
        source={
            "tenantId": directory.config["tenantId"],
            "clientId": directory.config["clientId"],
            "servicePrincipalId": directory.config["servicePrincipalId"],
            "graphRoot": directory.url,
            "loginRoot": directory.url,
        },
    )
    secret = frame.secrets.encrypt(directory.config["clientSecret"], job_id=job_id, field=CLIENT_SECRET)
    return job.model_copy(update={"secrets": {CLIENT_SECRET: secret}})


def paused(record: JobRecord) -> JobRecord:
    return record.model_copy(update={"schedule": ScheduleState.PAUSED, "sequence": record.sequence + 1})


def deleted(record: JobRecord) -> JobRecord:
    return record.model_copy(update={"deleted": True, "secrets": {}, "sequence": record.sequence + 1})


async def save(frame: Frame, *records: JobRecord) -> None:
    async with transaction(frame.database, frame.jobs) as tx:
        await store_jobs(tx, [received(record) for record in records])


@asynccontextmanager
async def a_replica(
    database_url: str,
    directory: Directory,
    *,
    on: bool = True,
    url: str | None = None,
    port: int | None = None,
    look_seconds: float = 0.1,
) -> AsyncIterator[Replica]:
    """A process with its endpoint; ``url`` is what Microsoft Graph is told, its own address when nothing is said."""
    port = port or free_port()
    own = f"http://127.0.0.1:{port}/n"
    settings = notification_settings(
        database_url,
        assignment_watcher_notification_url=(url or own) if on else "",
        assignment_watcher_notification_port=port,
    )

    def open_sources() -> JobSources:
        http = HttpClient("microsoft-graph", allow_insecure_loopback=True)
        return JobSources(http, Patience(tries=2, seconds=10, first_wait_seconds=0.01))

    clock = Ahead()
    async with opened_frame(WATCHER, settings) as frame:
        await save(frame, the_job(frame, directory))
        notifications = Notifications(settings, open_sources, now=clock, look_seconds=look_seconds)
        running = asyncio.create_task(notifications.run(frame))
        sources = open_sources()
        replica = Replica(frame, directory, own, notifications, sources, clock)
        try:
            if on:
                await eventually(lambda: listening(directory.session, own))
            yield replica
        finally:
            frame.stopping.set()
            await asyncio.wait_for(running, 10)
            await sources.close()


async def listening(session: aiohttp.ClientSession, url: str) -> bool:
    try:
        async with session.get(url) as response:
            return response.status == 405
    except aiohttp.ClientError:
        return False


def reached(replica: Replica, hints: int) -> Callable[[], bool]:
    def condition() -> bool:
        return replica.hints >= hints

    return condition
