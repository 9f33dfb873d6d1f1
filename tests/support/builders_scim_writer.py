"""What tests of scim-writer share: commands, a target that is the LinkedIn simulator, and an executor that runs."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from services.scim_writer.executor import Executor
from services.scim_writer.handlers import take_commands
from services.scim_writer.settings import ScimWriterSettings
from shared.contracts.changes import Change, Command, License, LicenseDecision, MatchingValue, Operation
from shared.contracts.control import JobRecord
from shared.contracts.outcomes import JobCondition, ProvisioningOutcome
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from simulators.linkedin.control_input import fault as parsed_fault
from simulators.linkedin.server import LinkedInSimulator
from tests.support.frames import opened_frame, settings_for
from tests.support.messages import a_change, a_job, received

DEPARTMENT = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department"
WORK_EMAIL = 'emails[type eq "work"].value'


def a_resource(object_id: str, **values: Any) -> dict[str, Any]:
    """The flat resource of a user; keyword ``title`` and the like replace values, None leaves one out."""
    resource: dict[str, Any] = {
        "externalId": object_id,
        "userName": f"{object_id}@contoso.example",
        "name.givenName": "Given",
        "name.familyName": "Family",
        "displayName": "Given Family",
        "title": "Engineer",
        'addresses[type eq "work"].locality': "Utrecht",
        WORK_EMAIL: f"{object_id}@contoso.example",
        DEPARTMENT: "Sales",
        "active": True,
    }
    return {path: value for path, value in (resource | values).items() if value is not None}


def a_command(job_id: str, object_id: str, generation: int = 1, **overrides: Any) -> Command:
    """A create of one user with a license; ``resource`` may be given as the values that differ."""
    resource = a_resource(object_id, **overrides.pop("values", {}))
    values: dict[str, Any] = {
        "resource": resource,
        "matching": (MatchingValue(attribute="externalId", value=object_id),),
        "modified": tuple({"path": path, "new": value} for path, value in resource.items()),
    }
    change: Change = a_change(job_id, object_id, generation, **(values | overrides))
    decision = License(decision=LicenseDecision.RESERVED, reason="reserved", ticket=1)
    return Command(**change.model_dump(), license=decision)


def an_update(job_id: str, object_id: str, generation: int, *, old: dict[str, Any], **new: Any) -> Command:
    """An update of the attributes ``new`` whose confirmed values are ``old`` (names as in ``a_resource``)."""
    return a_command(
        job_id,
        object_id,
        generation,
        operation=Operation.UPDATE,
        values=new,
        modified=tuple({"path": path, "old": old.get(path), "new": value} for path, value in new.items()),
    )


def a_disable(job_id: str, object_id: str, generation: int, **overrides: Any) -> Command:
    """A disable of one user."""
    values: dict[str, Any] = {
        "operation": Operation.DISABLE,
        "values": {"active": False},
        "modified": ({"path": "active", "old": True, "new": False},),
        "needs_license": False,
    }
    return a_command(job_id, object_id, generation, **(values | overrides))


@dataclass
class Bench:
    """A job, its target, and the frame of a writer: what an integration test works with."""

    frame: Frame
    settings: ScimWriterSettings
    target: LinkedInSimulator
    job: JobRecord
    configuration: Any

    @property
    def job_id(self) -> str:
        return self.job.job_id

    async def take(self, *commands: Command, wake: bool = True) -> None:
        """Give commands to the handler, in one transaction, as one batch."""
        async with self.frame.transaction() as tx:
            await take_commands(tx, [received(command) for command in commands])

    async def save_job(self, *, token: str | None = None, **overrides: Any) -> None:
        """Store the job definition anew, one version higher; ``token`` replaces the secret token."""
        secrets = dict(self.job.secrets)
        if token is not None:
            secrets["secretToken"] = self.frame.secrets.encrypt(token, job_id=self.job_id, field="secretToken")
        self.job = self.job.model_copy(
            update={
                "sequence": self.job.sequence + 1,
                "secrets": secrets,
                "definition": self.job.definition,
                **overrides,
            }
        )
        async with self.frame.transaction() as tx:
            await store_jobs(tx, [received(self.job)])

    async def outcomes(self) -> list[ProvisioningOutcome]:
        """Every outcome in the outbox, in order."""
        return [ProvisioningOutcome.model_validate(body) for body in await self._said(ProvisioningOutcome.type)]

    async def conditions(self) -> list[JobCondition]:
        """Every condition in the outbox, in order."""
        return [JobCondition.model_validate(body) for body in await self._said(JobCondition.type)]

    async def _said(self, kind: str) -> list[Any]:
        async with self.frame.connection() as connection:
            rows = await connection.fetch(
                "SELECT payload FROM outbox WHERE headers::jsonb ->> 'ce_type' = $1 ORDER BY id", kind
            )
        return [orjson.loads(row["payload"]) for row in rows]

    async def states(self) -> dict[str, str]:
        """The state of each row of work by object id."""
        async with self.frame.connection() as connection:
            return {row["object_id"]: row["state"] for row in await connection.fetch("SELECT * FROM work")}

    def fault(self, kind: str, **options: Any) -> str:
        """Put a fault in force at the target; returns its id."""
        return self.target.scim.faults.add(**parsed_fault({"kind": kind, **options})).id

    def accounts(self) -> list[dict[str, Any]]:
        """Every account at the target."""
        return [orjson.loads(account.body) for account in self.target.scim.accounts]

    def writes(self) -> list[dict[str, Any]]:
        """Every write that the target got, in order of its answers."""
        return self.target.scim.journal.since(0, 100_000)

    @property
    def requests(self) -> dict[str, int]:
        """How many requests the target got, by method."""
        return self.target.scim.journal.requests


@asynccontextmanager
async def a_bench(
    database_url: str, *, rate: float = 10_000, token: str | None = None, **settings: Any
) -> AsyncIterator[Bench]:
    """A migrated writer without Kafka, a simulated target, and one job that writes to it."""
    values: dict[str, Any] = {
        "scim_writer_first_retry_seconds": 0.02,
        "scim_writer_first_probe_seconds": 0.05,
        "scim_writer_request_seconds": 2,
    }
    configured = settings_for(database_url, kind=ScimWriterSettings, **(values | settings))
    target = await LinkedInSimulator.start()
    configuration, made = target.scim.configurations.create(
        name="Test", auto_assign=True, application_instance="EMEA", license_type="Advanced", seats=100_000
    )
    try:
        async with opened_frame("scim-writer", configured) as frame:
            job = a_job(target={"tenantUrl": target.tenant_url, "requestsPerSecond": rate})
            bench = Bench(frame=frame, settings=configured, target=target, job=job, configuration=configuration)
            await bench.save_job(token=made if token is None else token)
            yield bench
    finally:
        await target.close()


@asynccontextmanager
async def executing(bench: Bench) -> AsyncIterator["asyncio.Task[None]"]:
    """An executor that runs until the block ends."""
    task = asyncio.create_task(Executor(bench.settings).run(bench.frame))
    try:
        yield task
    finally:
        bench.frame.stopping.set()
        await asyncio.gather(task, return_exceptions=True)
        bench.frame.stopping.clear()


async def query(database_url: str, statement: str, *arguments: Any, schema: str = "scim_writer") -> Sequence[Any]:
    """Run one statement on a connection of its own, as somebody outside the service would."""
    connection = await asyncpg.connect(database_url, server_settings={"search_path": schema})
    try:
        rows: Sequence[Any] = await connection.fetch(statement, *arguments)
        return rows
    finally:
        await connection.close()


Condition = Callable[[], Any]
