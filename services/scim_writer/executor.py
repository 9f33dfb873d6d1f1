"""Which jobs have work, and which of them this process executes: one lease for each job."""

import asyncio
from typing import Any

from services.scim_writer import store
from services.scim_writer.execution import POLL_SECONDS, Execution
from services.scim_writer.settings import ScimWriterSettings
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.errors import LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.log import logger
from shared.runtime.wakeups import any_set

_log = logger(__name__)
LOOP = "execute"
FORGET_EVERY = 20
"""Rows of deleted jobs are removed at each twentieth poll."""


class Executor:
    """Runs an ``Execution`` for each job that has work and whose lease this process gets."""

    def __init__(self, settings: ScimWriterSettings) -> None:
        self._settings = settings
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._executions: dict[str, Execution] = {}
        self._wake = asyncio.Event()

    async def run(self, frame: Frame) -> None:
        """Look for work until the service stops; told by PostgreSQL when some arrives, and looking by itself all the same."""
        try:
            async with frame.database.dedicated() as listener:
                await listener.add_listener(store.CHANNEL, self._notified)
                polls = 0
                while not frame.stopping.is_set():
                    frame.health.beat(LOOP)
                    self._wake.clear()
                    await self._look(frame, listener)
                    if polls % FORGET_EVERY == 0:
                        await listener.execute(store.QUERIES.forget_deleted_jobs)
                    polls += 1
                    await any_set(frame.stopping, self._wake, within=POLL_SECONDS)
        finally:
            frame.health.finished(LOOP)
            await self._end_all()

    def _notified(self, _connection: Any, _pid: int, _channel: str, job_id: str) -> None:
        execution = self._executions.get(job_id)
        if execution is not None:
            execution.wake()
        else:
            self._wake.set()

    async def _look(self, frame: Frame, listener: Any) -> None:
        jobs = {job.job_id: job for job in await frame.list_jobs()}
        for job_id, execution in list(self._executions.items()):
            job = jobs.get(job_id)
            if job is None:
                execution.stop()
            else:
                execution.use(job)
        waiting = await listener.fetch(store.QUERIES.find_jobs_with_work, list(jobs))
        for row in waiting:
            if row["job_id"] not in self._tasks:
                task = asyncio.create_task(self._execute(frame, jobs[row["job_id"]]), name=f"write {row['job_id']}")
                self._tasks[row["job_id"]] = task

    async def _execute(self, frame: Frame, job: Job) -> None:
        """Execute one job while its lease is held; what goes wrong ends this execution only, and the next poll starts another."""
        log = _log.bind(job_id=job.job_id)
        try:
            async with frame.lease(f"writer/{job.job_id}") as lease:
                if lease is None:
                    await frame.pause(POLL_SECONDS)
                    return
                execution = self._executions[job.job_id] = Execution(frame, self._settings, job, lease)
                await execution.run()
        except* LeaseLostError:
            log.warning("another process executes this job now", action="lease_lost")
        except* TRANSIENT_ERRORS as errors:
            log.warning("PostgreSQL does not answer", action="wait", exc_info=errors.exceptions[0])
            await frame.pause(POLL_SECONDS)
        except* Exception as errors:
            log.error("execution failed", action="loop_failed", exc_info=errors.exceptions[0])
            await frame.pause(POLL_SECONDS)
        finally:
            self._executions.pop(job.job_id, None)
            self._tasks.pop(job.job_id, None)

    async def _end_all(self) -> None:
        """Let what is under way end; when this is cancelled, what is left is taken over by whoever gets the lease next."""
        for execution in self._executions.values():
            execution.stop()
        tasks = list(self._tasks.values())
        try:
            await asyncio.gather(*tasks, return_exceptions=True)
        finally:
            for task in tasks:
                task.cancel()
