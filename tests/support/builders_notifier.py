"""Builders for tests of notifier, and the mail simulator as a process."""

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson

from shared.contracts.changes import Operation
from shared.contracts.control import JobRecord
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, JobCondition, ProvisioningOutcome, Result
from tests.support.messages import NOON, a_job

JOB = "job-1"
EMAIL = "identity-team@example.com"


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
