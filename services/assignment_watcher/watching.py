"""Watching every active job: one loop for each, under a lease, and one loop that starts and ends them."""

import asyncio
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from services.assignment_watcher.core import pause_after
from services.assignment_watcher.cycle import Cycle
from services.assignment_watcher.notifications.lifecycle import Notifications
from services.assignment_watcher.notifications.pacing import Pace
from services.assignment_watcher.policy import Policy
from services.assignment_watcher.sources.source import Source, SourceError
from shared.contracts.assignments import CycleKind
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.errors import LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leases import Lease
from shared.runtime.log import logger
from shared.runtime.wakeups import any_set

_log = logger(__name__)

LOOP: Final = "watch-jobs"
FOLLOW_SECONDS: Final = 1.0
"""How often the list of jobs is read when nothing wakes the loop."""
SETTLE_SECONDS: Final = (0.02, 0.08, 0.15)
"""When a definition wakes the loop, the transaction that stores it commits only a moment later."""
RETRY_SECONDS: Final = 2.0
"""How often a lease that another process holds is tried, and a loop that failed goes on."""
LAST_CYCLE_SECONDS: Final = 3.0
"""How long a cycle under way may go on when the service stops; after that, what it read is thrown away."""


class Sources(Protocol):
    """Opens the source of a job."""

    def open(self, frame: Frame, job: Job) -> Source:
        """Return the source of ``job``; nothing is asked of it yet."""

    async def close(self) -> None:
        """Close every connection."""


@dataclass
class Watched:
    """A job that is watched: its newest definition, and how to reach the loop that watches it."""

    job: Job
    ended: bool = False
    pace: Pace = field(default_factory=Pace)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    task: "asyncio.Task[None] | None" = None

    def update(self, job: Job) -> None:
        """Take a newer definition into account."""
        if job.version != self.job.version:
            self.job = job
            self.changed.set()

    def hint(self) -> None:
        """Let the next cycle start soon: Microsoft Graph says that something changed, or an operator decided something."""
        self.pace.hint(time.monotonic())
        self.changed.set()

    def end(self) -> None:
        """Let the loop end after the cycle that is under way."""
        self.ended = True
        self.changed.set()

    async def wait(self, seconds: float) -> None:
        """Wait so many seconds, or until something about the job changes."""
        try:
            async with asyncio.timeout(seconds):
                await self.changed.wait()
        except TimeoutError:
            return
        self.changed.clear()


class Watching:
    """Follows the job definitions and watches the active jobs. ``wake`` lets it look at once."""

    def __init__(self, open_sources: Callable[[], Sources], policy: Policy, notifications: Notifications) -> None:
        self._open_sources = open_sources
        self._notifications = notifications
        self._policy = policy
        self.wake = asyncio.Event()
        self._watched: dict[str, Watched] = {}

    def look_again(self, job_id: str) -> None:
        """Let the next cycle of a job start in a moment, if it is watched here: what it is to see may not be committed yet."""
        asyncio.get_running_loop().call_later(SETTLE_SECONDS[-1], self._hint, job_id)

    def _hint(self, job_id: str) -> None:
        if (watched := self._watched.get(job_id)) is not None:
            watched.hint()

    async def run(self, frame: Frame) -> None:
        """Watch until the service stops. A job that was paused ends its cycle first."""
        sources = self._open_sources()
        watched = self._watched = {}
        try:
            while not frame.stopping.is_set():
                frame.health.beat(LOOP)
                woken = self.wake.is_set()
                self.wake.clear()
                await self._follow(frame, sources, watched)
                for seconds in SETTLE_SECONDS if woken else ():
                    await frame.pause(seconds)
                    await self._follow(frame, sources, watched)
                await any_set(frame.stopping, self.wake, within=FOLLOW_SECONDS)
        finally:
            await _end(list(watched.values()))
            await sources.close()
            frame.health.finished(LOOP)

    async def _follow(self, frame: Frame, sources: Sources, watched: dict[str, Watched]) -> None:
        active = {job.job_id: job for job in await frame.list_jobs() if job.active}
        for job_id, item in list(watched.items()):
            if item.task is not None and item.task.done():
                del watched[job_id]
            elif job_id not in active:
                item.end()
            else:
                item.update(active[job_id])
        for job_id in active.keys() - watched.keys():
            item = watched[job_id] = Watched(job=active[job_id])
            item.task = asyncio.create_task(self._watch(frame, sources, item), name=f"watch {job_id}")
            # A job that was paused and started again gets its new loop as soon as the old one has ended.
            item.task.add_done_callback(lambda _: self.wake.set())

    async def _watch(self, frame: Frame, sources: Sources, watched: Watched) -> None:
        job_id = watched.job.job_id
        waiting = f"{LOOP} {job_id}"
        while not watched.ended:
            try:
                async with frame.lease(f"watcher/{job_id}") as lease:
                    if lease is not None:
                        await self._cycles(frame, sources, watched, lease)
                frame.health.arrived(waiting)
            except TRANSIENT_ERRORS as error:
                frame.health.wait_for(waiting, f"PostgreSQL does not answer ({type(error).__name__})")
            except Exception as error:  # noqa: BLE001 - one job must not end the loops of the others; the reason is in the log
                _log.error("cycle failed", action="cycle_failed", job_id=job_id, exc_info=error)
                frame.health.wait_for(waiting, f"the cycle failed with {type(error).__name__} and is tried again")
            if not watched.ended:
                await watched.wait(RETRY_SECONDS)
        frame.health.arrived(waiting)

    async def _cycles(self, frame: Frame, sources: Sources, watched: Watched, lease: Lease) -> None:
        """Run cycles while the lease is held: the next one starts an interval after the planned start of the one before."""
        job, source = watched.job, sources.open(frame, watched.job)
        failures, due = 0, time.monotonic()
        async with self._notifications.following(frame, lambda: (job, source), lease, watched.hint):
            while lease.held and not watched.ended:
                if watched.job.version != job.version:
                    job, source = watched.job, sources.open(frame, watched.job)
                again = False
                watched.pace.begin(time.monotonic())
                try:
                    cycle = Cycle(frame, job, source, lease, self._policy)
                    kind = await cycle.run()
                    again, failures = kind is CycleKind.INITIAL or cycle.unfinished, 0
                    frame.health.arrived(f"{LOOP} {job.job_id}")
                except SourceError as error:
                    failures += 1
                    _log.warning("source not read", action="cycle_failed", job_id=job.job_id, reason=str(error))
                except LeaseLostError as error:
                    _log.warning("cycle given up", action="lease_lost", job_id=job.job_id, lease=str(error))
                    return
                watched.pace.end(time.monotonic())
                # What changed while everything was read for the first time is waiting already; a full read goes on where it was.
                due = time.monotonic() if again else await _pause(watched, job, lease, due, failures)


async def _pause(watched: Watched, job: Job, lease: Lease, planned: float, failures: int) -> float:
    """Wait for the next cycle and return its planned start. A new definition changes the interval, or ends the wait after a failure."""
    jitter = random.uniform(-1.0, 1.0)  # noqa: S311 - so that jobs do not poll in step
    while True:
        interval = watched.job.definition.settings.interval.total_seconds()
        due = planned + pause_after(failures, interval, jitter)
        if not failures and (soon := watched.pace.due) is not None:
            due = min(due, soon)
        now = time.monotonic()
        if due <= now or watched.ended or not lease.held or (failures and watched.job.version != job.version):
            return due if 0 <= now - due < interval else now
        await watched.wait(min(due - now, 1.0))


async def _end(items: list[Watched]) -> None:
    tasks = [item.task for item in items if item.task is not None]
    for item in items:
        item.end()
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=LAST_CYCLE_SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
