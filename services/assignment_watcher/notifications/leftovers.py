"""Subscriptions of jobs that nobody watches: of a job that was paused or deleted while no process ran, or all when switched off."""

import asyncio
from collections.abc import Callable, Collection
from typing import Final, Protocol

from services.assignment_watcher.notifications import store
from services.assignment_watcher.notifications.keeping import Clock, Keeper
from services.assignment_watcher.notifications.subscriptions import GraphRequests
from services.assignment_watcher.sources.microsoft_graph import MicrosoftGraph
from services.assignment_watcher.sources.source import Source
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.errors import JobUnknownError, LeaseLostError, StartRefusedError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.log import logger

_log = logger(__name__)

LOOP: Final = "notifications"
ENDING_SECONDS: Final = 60.0
"""How long the end of one job's subscriptions may take at once: less than after what a loop counts as stalled."""
_PASSING: Final[tuple[type[BaseException], ...]] = (LeaseLostError, *TRANSIENT_ERRORS)


class Sources(Protocol):
    """Opens the source of a job."""

    def open(self, frame: Frame, job: Job) -> Source:
        """Return the source of ``job``."""

    async def close(self) -> None:
        """Close every connection."""


class Leftovers:
    """Ends what is left. Jobs in ``followed`` are somebody else's business in this process."""

    def __init__(
        self, open_sources: Callable[[], Sources], followed: Collection[str], *, now: Clock, look_seconds: float
    ) -> None:
        self._open_sources = open_sources
        self._followed = followed
        self._now = now
        self._look_seconds = look_seconds

    async def clear(self, frame: Frame, *, for_good: bool) -> None:
        """Look again and again until the service stops; ``for_good``: until there are no subscriptions any more."""
        while not frame.stopping.is_set():
            frame.health.beat(LOOP)
            try:
                left = await self._clear_once(frame)
            except _PASSING as error:
                _log.info("subscriptions end later", action="wait", error=type(error).__name__)
                left = True
            if for_good and not left:
                return
            await frame.pause(self._look_seconds)

    async def _clear_once(self, frame: Frame) -> bool:
        async with frame.connection() as connection:
            owners = await store.list_jobs(connection)
        if owners:
            active = await active_jobs(frame)
            for job_id in owners:
                if job_id not in active and job_id not in self._followed:
                    frame.health.beat(LOOP)
                    async with asyncio.timeout(ENDING_SECONDS):
                        await self._end(frame, job_id)
        return bool(owners)

    async def _end(self, frame: Frame, job_id: str) -> None:
        async with frame.lease(f"watcher/{job_id}") as lease:
            if lease is None or job_id in await active_jobs(frame):
                return
            sources = self._open_sources()
            try:
                await Keeper(frame, job_id, await _graph(frame, sources, job_id), lease, now=self._now).bring(None)
            finally:
                await sources.close()


async def active_jobs(frame: Frame) -> set[str]:
    """Return the ids of the jobs whose cycles run."""
    return {job.job_id for job in await frame.list_jobs() if job.active}


def graph_of(source: Source) -> GraphRequests | None:
    """Return the gateway of a source that is Microsoft Graph: its tokens, and the gate that all requests of the application share."""
    return source.graph if isinstance(source, MicrosoftGraph) else None


async def _graph(frame: Frame, sources: Sources, job_id: str) -> GraphRequests | None:
    try:
        async with frame.connection() as connection:
            job = (await frame.jobs.load(connection, [job_id]))[job_id]
        return graph_of(sources.open(frame, job))
    except (JobUnknownError, StartRefusedError):
        return None
