"""Messages and a running console for its tests: say only what matters."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import asyncpg

from services.console.app import SUBSCRIPTIONS
from services.console.settings import ConsoleSettings
from services.console.tokens import create_token
from services.console.web import Web
from shared.contracts.assignments import AppRole, AssignmentPath, CycleKind, DirectoryAssignment, Lifecycle
from shared.contracts.changes import (
    Change,
    Command,
    License,
    LicenseDecision,
    ModifiedAttribute,
    Operation,
)
from shared.contracts.cloudevents import Envelope
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import CYCLE_OBJECT, JOB_OBJECT, derived_id
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import (
    ConditionState,
    CycleFact,
    CyclePhase,
    JobCondition,
    LicenseFact,
    LicenseState,
    ProvisioningOutcome,
    Result,
    Step,
    StepStatus,
    StepType,
)
from shared.runtime.database import Database
from shared.runtime.frame import Frame
from shared.runtime.health import Health
from shared.runtime.jobs import QUERIES
from shared.runtime.migrations import migrate
from shared.runtime.transaction import Received
from tests.support.eventually import eventually

JOB = "11111111-1111-4111-8111-111111111111"
START = datetime(2026, 3, 1, 8, 0, tzinfo=UTC)
SECRET_KEY = "c2VhdGtlZXBlci10ZXN0LWtleS1vZi0zMi1ieXRlcyE="

DEFINITION: dict[str, Any] = {
    "displayName": "Sales Navigator",
    "template": "linkedin-sales-navigator",
    "source": {"tenantId": "tenant-1", "clientId": "client-1", "servicePrincipalId": "sp-1"},
    "target": {"tenantUrl": "https://api.linkedin.example/scim"},
    "licenses": {"capacity": 2, "applicationInstance": "EMEA", "licenseType": "Advanced"},
}


def at(seconds: float) -> datetime:
    """A time that many seconds after the start of the story."""
    return START + timedelta(seconds=seconds)


def _about(user: str, job: str, sequence: int) -> dict[str, Any]:
    return {"job_id": job, "object_type": ObjectType.USER, "object_id": user, "sequence": sequence}


def assignment(
    user: str, sequence: int = 1, *, job: str = JOB, assigned: bool = True, **more: Any
) -> DirectoryAssignment:
    values: dict[str, Any] = {
        "cycle_id": "cycle-1",
        "cycle_kind": CycleKind.INITIAL,
        "assigned": assigned,
        "paths": (AssignmentPath(assignment_id="a-1", role_id="r-1", assigned_at=at(0)),) if assigned else (),
        "roles": (AppRole(id="r-1", value="User"),) if assigned else (),
        "lifecycle": Lifecycle.LIVE,
        "attributes": {"userPrincipalName": f"{user}@example.com", "displayName": f"Name of {user}"},
        "observed_at": at(sequence),
    }
    return DirectoryAssignment(**_about(user, job, sequence), **(values | more))


def change(user: str, generation: int = 1, *, job: str = JOB, active: bool = True, **more: Any) -> Change:
    return Change(**_about(user, job, generation), **(_change(generation, active) | more))


def command(
    user: str,
    generation: int = 1,
    *,
    job: str = JOB,
    active: bool = True,
    decision: LicenseDecision = LicenseDecision.NOT_COUNTED,
    ticket: int | None = None,
    **more: Any,
) -> Command:
    license_ = License(decision=decision, reason=f"{decision}", ticket=ticket)
    return Command(**_about(user, job, generation), **(_change(generation, active) | {"license": license_} | more))


def _change(generation: int, active: bool) -> dict[str, Any]:
    return {
        "generation": generation,
        "operation": Operation.CREATE if active else Operation.DISABLE,
        "reason": "In scope, and not linked",
        "resource": {"userName": "canary-value@example.com", "active": active},
        "modified": (ModifiedAttribute(path="userName", new="canary-value@example.com"),),
        "needs_license": active,
        "decided_at": at(10 * generation),
    }


def outcome(
    user: str,
    generation: int = 1,
    result: Result = Result.DONE,
    *,
    job: str = JOB,
    active: bool = True,
    sequence: int | None = None,
    code: Code | None = None,
    **more: Any,
) -> ProvisioningOutcome:
    ended = result in (Result.DONE, Result.ADOPTED)
    values: dict[str, Any] = {
        "generation": generation,
        "operation": Operation.NONE if result is Result.SKIPPED else Operation.CREATE if active else Operation.DISABLE,
        "result": result,
        "reason": f"because {result}",
        "steps": (Step(name="EntryExportAdd", type=StepType.EXPORT, status=StepStatus.SUCCESS, description="sent"),),
        "modified": (ModifiedAttribute(path="active", old=None, new=active),),
        "resource": {"active": active} if ended else None,
        "target_id": f"target-{user}" if ended else None,
        "failure": failure(code, "the target said no", http_status=400) if code else None,
        "duration_ms": 12,
        "cycle_id": "cycle-1",
        "at": at(10 * generation + 5),
    }
    return ProvisioningOutcome(**_about(user, job, sequence or generation), **(values | more))


def license_fact(
    user: str,
    state: LicenseState,
    sequence: int = 1,
    *,
    ticket: int = 1,
    generation: int = 1,
    job: str = JOB,
    **more: Any,
) -> LicenseFact:
    values: dict[str, Any] = {
        "state": state,
        "reason": f"license {state}",
        "application_instance": "EMEA",
        "license_type": "Advanced",
        "ticket": ticket,
        "generation": generation,
        "capacity": 2,
        "in_use": 1,
        "waiting": 0,
        "at": at(10 * generation + 2),
    }
    return LicenseFact(**_about(user, job, sequence), **(values | more))


def cycle(phase: CyclePhase, *, cycle_id: str = "cycle-1", job: str = JOB, objects: int = 0, **more: Any) -> CycleFact:
    return CycleFact(
        job_id=job,
        object_type=ObjectType.CYCLE,
        object_id=CYCLE_OBJECT,
        sequence=1,
        cycle_id=cycle_id,
        cycle_kind=CycleKind.INITIAL,
        phase=phase,
        objects=objects,
        **({"started_at": at(0), "ended_at": None if phase is CyclePhase.STARTED else at(60)} | more),
    )


def condition(name: str, state: ConditionState, sequence: int = 1, *, job: str = JOB) -> JobCondition:
    return JobCondition(
        job_id=job,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=sequence,
        condition=name,
        state=state,
        failure=failure(Code.UNAUTHORIZED, "the token was refused", http_status=401),
        at=at(sequence),
    )


def received(message: Message, *, event_id: UUID | None = None, service: str = "diff") -> Received[Any]:
    """The message as it would arrive from Kafka; its id follows from its body, so the same message has the same id."""
    identity = event_id or derived_id("test", message.type, message.body().decode())
    envelope = Envelope(
        id=identity,
        source=f"/seatkeeper/{service}",
        type=message.type,
        subject=message.key,
        time=at(30),
        sequence=message.sequence,
        correlation_id=str(identity),
    )
    return Received(message=message, envelope=envelope, topic=message.topic, partition=0, position=0)


async def deliver(frame: Frame, items: Sequence[Received[Any]], *, crash: bool = False) -> None:
    """Handle a batch as the frame does: inbox, then each handler, in one transaction; ``crash``: lost at its end."""
    try:
        async with frame.transaction() as tx:
            rows = await tx.connection.fetch(QUERIES.remember_events, [item.envelope.id for item in items])
            new = {row["event_id"] for row in rows}
            fresh = []
            for item in items:
                if item.envelope.id in new:
                    new.discard(item.envelope.id)
                    fresh.append(item)
            for subscription in SUBSCRIPTIONS:
                batch = [item for item in fresh if type(item.message) is subscription.message]
                if batch:
                    await subscription.handler(tx, batch)
            if crash:
                raise CrashError
    except CrashError:
        pass


class CrashError(Exception):
    """The process ended before the commit."""


def settings_for(database_url: str, **more: Any) -> ConsoleSettings:
    """Settings as the environment would give them; Kafka is not there."""
    values: dict[str, Any] = {
        "database_url": database_url,
        "kafka_bootstrap_servers": "127.0.0.1:1",
        "secret_key": SECRET_KEY,
        "http_port": 0,
        "console_connection_test_seconds": 2,
    }
    return ConsoleSettings(**(values | more))


@asynccontextmanager
async def opened_frame(database_url: str, **more: Any) -> AsyncIterator[Frame]:
    """A migrated database behind a frame, without Kafka."""
    connection = await asyncpg.connect(database_url)
    try:
        await migrate(connection, "console")
    finally:
        await connection.close()
    settings = settings_for(database_url, **more)
    health = Health()
    frame = Frame(name="console", settings=settings, health=health, database=Database("console", settings, health))
    await frame.database.open()
    try:
        yield frame
    finally:
        await frame.database.close()


@dataclass
class Console:
    """A running console: its frame, its address, and a client for each role."""

    frame: Frame
    url: str
    http: aiohttp.ClientSession
    tokens: dict[str, str] = field(default_factory=dict)

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        role: str | None = "admin",
        headers: dict[str, str] | None = None,
    ) -> "Reply":
        """Call the API as an operator with that role."""
        sent = dict(headers or {})
        if role is not None:
            sent.setdefault("Authorization", f"Bearer {self.tokens[role]}")
        data = {} if body is None else {"data": body} if isinstance(body, bytes) else {"json": body}
        if isinstance(body, bytes):
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method, f"{self.url}{path}", headers=sent, allow_redirects=False, **data
        ) as response:
            raw = await response.read()
            return Reply(status=response.status, headers=response.headers, raw=raw)

    async def new_job(self, **changes: Any) -> str:
        """Create a job and return its id."""
        reply = await self.call("POST", "/api/v1/jobs", DEFINITION | changes)
        assert reply.status == 201, reply.raw
        identity: str = reply.json["id"]
        return identity

    async def rows(self, statement: str, *arguments: Any) -> list[Any]:
        """Rows of the console's schema."""
        async with self.frame.connection() as connection:
            rows: list[Any] = await connection.fetch(statement, *arguments)
            return rows


@dataclass(frozen=True)
class Reply:
    """An answer of the console."""

    status: int
    headers: Mapping[str, str]
    raw: bytes

    @property
    def json(self) -> Any:
        import orjson

        return orjson.loads(self.raw)

    @property
    def text(self) -> str:
        return self.raw.decode()


@asynccontextmanager
async def running_console(database_url: str, **more: Any) -> AsyncIterator[Console]:
    """A console that listens on a free port, with a token for each role."""
    async with opened_frame(database_url, **more) as frame:
        web = Web()
        serving = asyncio.create_task(web.run(frame))
        try:
            url = await eventually(lambda: web.url)
            async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as http:
                assert url is not None
                console = Console(frame=frame, url=url, http=http)
                async with frame.connection() as connection:
                    for role in ("viewer", "operator", "admin"):
                        console.tokens[role] = await create_token(connection, f"a {role}", role)
                yield console
        finally:
            frame.stopping.set()
            await serving


def new_id() -> str:
    """An id that nothing else has."""
    return str(uuid4())
