"""What all runs share: one simulator, one database, a foreign host that nobody may talk to, and the logs."""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from aiohttp import web

from shared.contracts.message import ObjectType
from shared.contracts.topics import WATCHER
from shared.runtime.database import Database
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from simulators.graph.journal import Journal
from simulators.graph.server import GraphSimulator, start
from simulators.graph.simulation import Simulation
from tests.fuzz.processes import Process
from tests.support.builders_assignment_watcher import watcher_settings
from tests.support.frames import opened_frame

READ_BY_DEFAULT = {
    ObjectType.USER: (
        "accountEnabled",
        "city",
        "department",
        "displayName",
        "givenName",
        "id",
        "jobTitle",
        "mail",
        "surname",
        "userPrincipalName",
    ),
    ObjectType.GROUP: ("displayName", "id", "securityEnabled"),
}

LEASE = "watcher/job-1"
KEPT = ("schema_migration", "schema_migrations", "migration")


@dataclass
class Foreign:
    """A host that is not Graph, and what it was sent."""

    url: str = ""
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append((request.path, dict(request.headers)))
        return web.json_response({"value": []})


class Watchful(logging.Handler):
    """Keeps what libraries log."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())


@dataclass(repr=False)
class World:
    """Everything that outlives a run."""

    simulator: GraphSimulator
    frame: Frame
    settings: Any
    foreign: Foreign
    logs: Watchful
    reads_more: bool = True
    """Whether jobs read the manager of users and the description of groups beside what the template reads."""
    _tables: str = ""

    @property
    def sim(self) -> Simulation:
        return self.simulator.simulation

    @property
    def database(self) -> Database:
        return self.frame.database

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        """What Hypothesis shows of it: nothing that is worth reading."""
        printer.text("world")

    def process(self) -> Process:
        """A new process of the watcher; its server is one that was not told to wait yet."""
        self.sim.journal = Journal()
        return Process(self.database, self.settings)

    def source_attributes(self, job: Job, object_type: ObjectType) -> tuple[str, ...]:
        """What jobs read: a mapping that an administrator changes now and then."""
        usual = READ_BY_DEFAULT[object_type]
        more = "manager" if object_type is ObjectType.USER else "description"
        return (*usual, more) if self.reads_more else usual

    def as_tenant(self) -> Any:
        """The tenant as the builder of job definitions wants it."""
        tenant = self.sim.directory.tenant
        config = {
            "tenantId": tenant.id,
            "clientId": tenant.client_id,
            "clientSecret": tenant.client_secret,
            "servicePrincipalId": tenant.service_principal_id,
        }
        return SimpleNamespace(url=self.simulator.url, config=config)

    def at_request(self, number: int, happening: Callable[[], None] | None) -> None:
        """Let something happen right before the answer to the so-manyth request from now."""
        journal, count = self.sim.journal, 0
        arrive = type(journal).arrive

        def arriving() -> None:
            nonlocal count
            count += 1
            arrive(journal)
            if happening is not None and count == number:
                happening()

        journal.arrive = arriving  # type: ignore[method-assign] # until the next call of this

    async def expire_lease(self) -> None:
        """As if the time of the lease had passed."""
        async with self.database.connection() as connection:
            await connection.execute("UPDATE lease SET expires_at = '-infinity' WHERE name = $1", LEASE)

    async def empty(self) -> None:
        """Leave nothing of the last run in the database."""
        async with self.database.connection() as connection:
            if not self._tables:
                rows = await connection.fetch(
                    "SELECT tablename FROM pg_tables WHERE schemaname = $1 AND tablename NOT LIKE '%migration%'",
                    self.database.schema,
                )
                self._tables = "; ".join(f"DELETE FROM {row['tablename']}" for row in rows)
            await connection.execute(self._tables)
        self.frame.jobs = type(self.frame.jobs)()
        self.foreign.requests.clear()
        self.logs.lines.clear()


@asynccontextmanager
async def a_world(database_url: str) -> AsyncIterator[World]:
    """A world on an empty database."""
    await _hurry(database_url)
    foreign, logs = Foreign(), Watchful()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", foreign.handle)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    foreign.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    simulator = await start()
    settings = watcher_settings(database_url)
    logging.getLogger().addHandler(logs)
    try:
        async with opened_frame(WATCHER, settings) as frame:
            world = World(simulator, frame, settings, foreign, logs)

            usual = Job.source_attributes

            def wanted(job: Job, object_type: ObjectType) -> tuple[str, ...]:
                # The world lives as long as the process does, and other tests have jobs too.
                ours = getattr(job.definition.source, "graph_root", None) == simulator.url
                return world.source_attributes(job, object_type) if ours else usual(job, object_type)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Job, "source_attributes", wanted)
                yield world
    finally:
        logging.getLogger().removeHandler(logs)
        await simulator.close()
        await runner.cleanup()


async def _hurry(database_url: str) -> None:
    """Do not wait for the disk: processes die here, PostgreSQL does not."""
    connection = await asyncpg.connect(database_url)
    try:
        name = await connection.fetchval("SELECT quote_ident(current_database())")
        await connection.execute(f"ALTER DATABASE {name} SET synchronous_commit TO off")
    finally:
        await connection.close()
