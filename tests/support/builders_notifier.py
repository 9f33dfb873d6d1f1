"""Builders for tests of notifier, and the mail simulator as a process."""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

import aiohttp
import orjson

from services.notifier.app import build, build_post
from services.notifier.settings import NotifierSettings
from shared.contracts.changes import Operation
from shared.contracts.control import JobRecord
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import ConditionState, JobCondition, ProvisioningOutcome, Result
from shared.runtime.consume import BatchConsumer
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from tests.support.builders_license_allocator import received
from tests.support.eventually import eventually
from tests.support.frames import opened_frame, settings_for
from tests.support.messages import NOON, a_job

JOB = "job-1"
EMAIL = "identity-team@example.com"
QUICK: dict[str, Any] = {
    "notifier_collect_seconds": 0.05,
    "notifier_collect_longest_seconds": 0.5,
    "notifier_digest_seconds": 0.05,
    "notifier_retry_first_seconds": 0.05,
    "notifier_retry_longest_seconds": 0.2,
    "notifier_poll_seconds": 0.02,
    "notifier_sender": "seatkeeper@sender.example",
    "notifier_smtp_timeout_seconds": 5,
}


def mailed_job(
    *, email: str | None = EMAIL, on_failure: bool = True, version: int = 1, name: str = "Sales Navigator"
) -> JobRecord:
    """A job that asks for mails about failures."""
    notifications = {"onFailure": on_failure} | ({"email": email} if email else {})
    return a_job(JOB, version=version, displayName=name, notifications=notifications)


def failed(
    user: str = "u1", generation: int = 1, code: Code = Code.CONFLICT, *, status: int | None = 409
) -> ProvisioningOutcome:
    """A user that the target refused."""
    return ProvisioningOutcome(
        job_id=JOB,
        object_type=ObjectType.USER,
        object_id=user,
        sequence=generation,
        generation=generation,
        operation=Operation.CREATE,
        result=Result.FAILED,
        failure=failure(code, "the target refused the create", http_status=status),
        at=NOON,
    )


def succeeded(user: str = "u1", generation: int = 2, result: Result = Result.DONE) -> ProvisioningOutcome:
    """A user that came through."""
    return ProvisioningOutcome(
        job_id=JOB,
        object_type=ObjectType.USER,
        object_id=user,
        sequence=generation,
        generation=generation,
        operation=Operation.CREATE,
        result=result,
        at=NOON,
    )


def condition(
    name: str = "credentialsRefused", sequence: int = 1, state: ConditionState = ConditionState.RAISED
) -> JobCondition:
    """A condition of the whole job."""
    raised = state is ConditionState.RAISED
    return JobCondition(
        job_id=JOB,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=sequence,
        condition=name,
        state=state,
        failure=failure(Code.UNAUTHORIZED, "the target refused the token", http_status=401) if raised else None,
        at=NOON,
    )


class MailSink:
    """A running mail simulator."""

    def __init__(self, smtp_url: str, url: str, session: aiohttp.ClientSession) -> None:
        self.smtp_url = smtp_url
        self._url = url
        self._session = session

    async def messages(self) -> list[dict[str, Any]]:
        """Every mail that was taken, oldest first."""
        async with self._session.get(f"{self._url}/_sim/messages") as response:
            content: list[dict[str, Any]] = await response.json()
            return content

    async def fault(self, **fault: Any) -> None:
        """Puts a fault in force."""
        async with self._session.post(f"{self._url}/_sim/faults", data=orjson.dumps(fault)) as response:
            assert response.status == 201, await response.text()

    async def lift(self) -> None:
        """Lifts every fault."""
        async with self._session.delete(f"{self._url}/_sim/faults") as response:
            assert response.status == 204


@asynccontextmanager
async def mail_sink() -> AsyncIterator[MailSink]:
    """Starts `python -m simulators.mail` on free ports and ends it with the block."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "simulators.mail", "--smtp-port", "0", "--http-port", "0", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            place = orjson.loads(await process.stdout.readline())
        async with aiohttp.ClientSession() as session:
            yield MailSink(place["smtpUrl"], place["url"], session)
    finally:
        process.terminate()
        await process.wait()


class Notifier:
    """A notifier whose consumer is called by hand; its mail loop runs between `start` and `stop`."""

    def __init__(self, frame: Frame, settings: NotifierSettings, recipient: str) -> None:
        self.frame = frame
        self.recipient = recipient
        self._settings = settings
        self._consumer = BatchConsumer(frame, "test", build(settings).subscriptions)

    async def define(self, **job: Any) -> None:
        record = mailed_job(**({"email": self.recipient} | job))
        async with self.frame.transaction() as tx:
            await store_jobs(tx, received(record))

    async def give(self, *messages: Message) -> None:
        """A batch as Kafka brings it; the same message has the same event id."""
        await self._consumer.handle(records(messages))

    @asynccontextmanager
    async def sending(self) -> AsyncIterator[None]:
        task = asyncio.create_task(build_post(self._settings).run(self.frame))
        try:
            yield
        finally:
            self.frame.stopping.set()
            await task
            self.frame.stopping.clear()

    async def mails(self) -> list[dict[str, Any]]:
        async with self.frame.connection() as connection:
            return [dict(row) for row in await connection.fetch("SELECT * FROM mail ORDER BY created_at, id")]

    async def states(self) -> list[str]:
        return [mail["state"] for mail in await self.mails()]

    async def settled(self, *states: str) -> None:
        async def reached() -> bool:
            return await self.states() == list(states)

        await eventually(reached, within=10)

    async def written(self) -> None:
        async def nothing_collected() -> bool:
            async with self.frame.connection() as connection:
                return not await connection.fetchval("SELECT count(*) FROM collection WHERE first_at IS NOT NULL")

        await eventually(nothing_collected, within=10)


def records(messages: Sequence[Message]) -> list[Any]:
    from types import SimpleNamespace

    from shared.contracts.cloudevents import headers_of
    from tests.support.messages import enveloped

    return [
        SimpleNamespace(
            topic=message.topic,
            partition=0,
            offset=offset,
            key=message.key.encode(),
            value=message.body(),
            headers=[(name, value.encode()) for name, value in headers_of(enveloped(message)).items()],
        )
        for offset, message in enumerate(messages)
    ]


@asynccontextmanager
async def a_notifier(database_url: str, smtp_url: str | None, **more: Any) -> AsyncIterator[Notifier]:
    settings = settings_for(database_url, kind=NotifierSettings, smtp_url=smtp_url, **(QUICK | more))
    async with opened_frame("notifier", settings) as frame:
        yield Notifier(frame, settings, f"{uuid4().hex[:12]}-{EMAIL}")
