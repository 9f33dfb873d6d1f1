"""Change notifications as a whole: the endpoint, hints to the loop that polls a job, and the subscriptions of each job."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from datetime import datetime
from typing import Final
from urllib.parse import quote

from services.assignment_watcher.notifications import store
from services.assignment_watcher.notifications.endpoint import Endpoint, serving
from services.assignment_watcher.notifications.hints import Callback, Hints
from services.assignment_watcher.notifications.keeping import Clock, Keeper, utc_now
from services.assignment_watcher.notifications.known import Digests, Known
from services.assignment_watcher.notifications.leftovers import LOOP, Leftovers, Sources, active_jobs, graph_of
from services.assignment_watcher.notifications.planning import Wanted
from services.assignment_watcher.notifications.settings import NotificationSettings
from services.assignment_watcher.sources.source import Source
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.errors import LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leases import Lease
from shared.runtime.log import logger

_log = logger(__name__)

LOOK_SECONDS: Final = 30.0
"""How often subscriptions are looked at when nothing happens: a wall clock may jump, a machine may sleep."""
SHORTEST_SECONDS: Final = 1.0
"""How soon they are looked at again at the earliest, whatever Microsoft Graph says of their life."""
ENDING_SECONDS: Final = 10.0
"""How long the end of a job's subscriptions may take when it is paused or deleted; the rest is done later."""


class Notifications:
    """Change notifications of one process. Without the address of the endpoint it only ends what an earlier start left behind.

    ``open_sources`` serves jobs that nobody watches any more. Raises ``StartRefusedError`` when the settings cannot work.
    """

    def __init__(
        self,
        settings: NotificationSettings,
        open_sources: Callable[[], Sources],
        *,
        now: Clock = utc_now,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._base = settings.notification_base()
        self._host = settings.assignment_watcher_notification_host
        self._port = settings.assignment_watcher_notification_port
        self._now = now
        self._look_seconds = look_seconds
        self._hints = Hints()
        self._followed: set[str] = set()
        self._leftovers = Leftovers(open_sources, self._followed, now=now, look_seconds=look_seconds)

    @asynccontextmanager
    async def following(
        self, frame: Frame, current: Callable[[], tuple[Job, Source]], lease: Lease, on_hint: Callback
    ) -> AsyncIterator[None]:
        """Keep the subscriptions of the job while the block runs, and call ``on_hint`` in this loop whenever a poll should come soon.

        ``current`` returns the newest definition and its source. The block is neither delayed nor ended by anything that happens here.
        At its end the subscriptions stay, for the next process, unless the job is to rest.
        """
        job_id = current()[0].job_id
        woken = asyncio.Event()
        with ExitStack() as stack:
            stack.enter_context(self._hints.following(job_id, on_hint=on_hint, on_wish=woken.set))
            stack.enter_context(self._as_followed(job_id))
            keeping = asyncio.create_task(self._keep(frame, current, lease, woken), name=f"subscriptions {job_id}")
            try:
                yield
            finally:
                keeping.cancel()
                await asyncio.gather(keeping, return_exceptions=True)
                if not frame.stopping.is_set() and lease.held:
                    await self._end_if_resting(frame, current, lease)

    async def run(self, frame: Frame) -> None:
        """Serve the endpoint and pass hints on until the service stops; raises ``StartRefusedError`` when its port is taken."""
        try:
            if self._base is None:
                await self._leftovers.clear(frame, for_good=True)
                frame.health.finished(LOOP)
                await frame.stopping.wait()
                return

            async def read() -> Digests:
                async with frame.connection() as connection:
                    return await store.list_digests(connection)

            async with serving(Endpoint(Known(read), self._hints), self._host, self._port) as port:
                _log.info("listening", action="listen", host=self._host, port=port)
                async with asyncio.TaskGroup() as group:
                    group.create_task(self._hints.pass_on(frame))
                    group.create_task(_again(frame, self._hints.listen))
                    group.create_task(self._leftovers.clear(frame, for_good=False))
        finally:
            frame.health.finished(LOOP)

    async def _keep(
        self, frame: Frame, current: Callable[[], tuple[Job, Source]], lease: Lease, woken: asyncio.Event
    ) -> None:
        while lease.held:
            woken.clear()
            job, source = current()
            look_at = None
            try:
                keeper = Keeper(frame, job.job_id, graph_of(source), lease, now=self._now)
                look_at = await keeper.bring(self._wanted(job))
            except LeaseLostError:
                return
            except TRANSIENT_ERRORS as error:
                _log.info("subscriptions wait", action="wait", job_id=job.job_id, error=type(error).__name__)
            except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the polls; it is in the log and tried again
                _log.error("subscriptions failed", action="subscriptions_failed", job_id=job.job_id, exc_info=error)
            await self._rest(woken, look_at)

    async def _rest(self, woken: asyncio.Event, look_at: datetime | None) -> None:
        seconds = self._look_seconds
        if look_at is not None:
            seconds = min(seconds, max(SHORTEST_SECONDS, (look_at - self._now()).total_seconds()))
        try:
            async with asyncio.timeout(seconds):
                await woken.wait()
        except TimeoutError:
            return

    def _wanted(self, job: Job) -> Wanted | None:
        source = job.definition.source
        if self._base is None or not isinstance(source, MicrosoftGraphSource):
            return None
        return Wanted(
            identity=f"{source.graph_root} {source.tenant_id} {source.client_id}",
            address=f"{self._base}/{quote(job.job_id, safe='')}",
        )

    async def _end_if_resting(self, frame: Frame, current: Callable[[], tuple[Job, Source]], lease: Lease) -> None:
        """End the subscriptions of a job that was paused or deleted, while its credentials are still at hand."""
        job, source = current()
        try:
            async with asyncio.timeout(ENDING_SECONDS):
                if job.job_id not in await active_jobs(frame):
                    await Keeper(frame, job.job_id, graph_of(source), lease, now=self._now).bring(None)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not reach the polls; they are ended later
            _log.info("subscriptions end later", action="wait", job_id=job.job_id, error=type(error).__name__)

    @contextmanager
    def _as_followed(self, job_id: str) -> Iterator[None]:
        self._followed.add(job_id)
        try:
            yield
        finally:
            self._followed.discard(job_id)


async def _again(frame: Frame, run: Callable[[Frame], Awaitable[None]]) -> None:
    while not frame.stopping.is_set():
        try:
            await run(frame)
        except TRANSIENT_ERRORS as error:
            _log.info("hints are not heard", action="wait", error=type(error).__name__)
            await frame.pause(1.0)
