"""Users on demand of a watcher without its loops: asked for, claimed, served, and what is said of them."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.assignment_watcher.demands import serving
from services.assignment_watcher.demands import store as demands
from services.assignment_watcher.demands.store import Demand
from services.assignment_watcher.demands.taking import DemandsTaken
from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.reading.reader import Reader, Reading
from services.assignment_watcher.sources.opening import JobSources
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact
from shared.runtime.http import HttpClient
from tests.support.builders_assignment_watcher import Watcher
from tests.support.builders_diff import received

JOB = "job-1"


async def ask(watcher: Watcher, user: str, key: str | None = None, job: str = JOB) -> OperatorRequest:
    """An operator's request arrives."""
    key = key or str(uuid4())
    request = OperatorRequest(
        job_id=job,
        object_type=ObjectType.USER,
        object_id=str(derived_id("demand", job, key)),
        sequence=1,
        kind=RequestKind.PROVISION_ON_DEMAND,
        idempotency_key=key,
        user=user,
        requested_by="an operator",
        at=datetime.now(UTC),
    )
    async with watcher.frame.transaction() as tx:
        await DemandsTaken(asyncio.Event())(tx, [received(request)])
    return request


async def claim(watcher: Watcher) -> list[Demand]:
    async with watcher.frame.transaction() as tx:
        return await demands.claim(tx.connection, tx.now, timedelta(seconds=30), 10)


async def provision(watcher: Watcher, user: str) -> DemandFact:
    """One user on demand, from the request to the commit."""
    request = await ask(watcher, user)
    [demand] = await claim(watcher)
    await serve(watcher, demand)
    [fact] = [fact for fact in await facts(watcher) if fact.request_id == request.idempotency_key]
    return fact


async def serve(watcher: Watcher, demand: Demand) -> str:
    [job] = [job for job in await watcher.frame.list_jobs() if job.job_id == demand.job_id]
    return await serving.serve(watcher.frame, watcher.sources.open(watcher.frame, job), job, demand)


@asynccontextmanager
async def serving_demands(watcher: Watcher) -> AsyncIterator[None]:
    """The loop of the service runs until the block ends."""
    own = JobSources(HttpClient("microsoft-graph", allow_insecure_loopback=True), Patience())
    task = asyncio.create_task(serving.Demands(lambda: own).run(watcher.frame))
    try:
        yield
    finally:
        watcher.frame.stopping.set()
        await asyncio.wait_for(task, 10)


def between_reads_and_commit(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[None]]) -> None:
    """Let the next cycle wait for ``act`` when it has read everything and committed nothing."""
    read = Reader.read

    async def held(reader: Reader, now: datetime) -> Reading:
        reading = await read(reader, now)
        monkeypatch.setattr(Reader, "read", read)
        await act()
        return reading

    monkeypatch.setattr(Reader, "read", held)


async def facts(watcher: Watcher) -> list[DemandFact]:
    return (await watcher.said()).of(DemandFact)
