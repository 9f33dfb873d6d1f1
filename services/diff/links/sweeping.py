"""The loop that compares the links of jobs with the target: when the schedule or an operator says so, a bounded number at a time."""

from datetime import datetime, timedelta
from functools import partial
from typing import Final

from services.diff.links import store as links
from services.diff.links.handling import LinkHandlers, wants_correction
from services.diff.links.store import Sweep
from shared.contracts.job import DriftCheck, DriftMode
from shared.runtime.crashpoints import crash_point
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leased_loop import leased
from shared.runtime.leases import Lease
from shared.runtime.service import Background

LEASE: Final = "diff/comparisons"
IDLE_SECONDS: Final = 1.0
BUSY_SECONDS: Final = 0.25
MOST_UNDER_WAY: Final = 20
SECONDS_OF_TRAFFIC: Final = 0.5
"""So much of the target's rate is asked for at a time: a change that comes meanwhile waits no longer."""
FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""A comparison whose answer was lost takes a place among those under way no longer than this."""


def due(check: DriftCheck, sweep: Sweep | None, now: datetime) -> bool:
    """Return whether a new sweep of a job is to begin by its schedule. One that goes on is never begun anew."""
    if check.mode is DriftMode.OFF:
        return False
    if sweep is None:
        return True
    return sweep.finished_at is not None and now - sweep.started_at >= check.interval


def most_under_way(requests_per_second: float) -> int:
    """Return how many comparisons of a job may be under way at once."""
    return max(1, min(MOST_UNDER_WAY, int(requests_per_second * SECONDS_OF_TRAFFIC)))


def comparing(handlers: LinkHandlers) -> Background:
    """Return the loop; it works while this process holds the lease."""

    return leased(LEASE, partial(_serve, handlers))


async def _serve(handlers: LinkHandlers, frame: Frame, lease: Lease) -> None:
    while not frame.stopping.is_set():
        frame.health.beat(LEASE)
        lease.check()
        busy = False
        for job in await frame.list_jobs():
            if job.active:
                busy |= await step(frame, handlers, job, lease)
        frame.health.arrived(LEASE)
        await frame.pause(BUSY_SECONDS if busy else IDLE_SECONDS)


async def step(frame: Frame, handlers: LinkHandlers, job: Job, lease: Lease | None = None) -> bool:
    """Compare the next links of one job as far as there is room; return whether its sweep goes on."""
    async with frame.transaction() as tx:
        if lease is not None:
            await lease.fence(tx.connection)
        sweep = await links.lock_sweep(tx.connection, job.job_id)
        if due(job.definition.settings.drift_check, sweep, tx.now):
            await links.begin_sweep(tx.connection, job.job_id, correct=wants_correction(job), at=tx.now)
        elif sweep is None or sweep.finished_at is not None:
            return False
        under_way = await links.count_under_way(tx.connection, job.job_id, tx.now - FORGOTTEN_AFTER)
        room = most_under_way(job.definition.target.requests_per_second) - under_way
        if room <= 0:
            return True
        more = await handlers.sweep(tx, job, room)
        await tx.flush()
        crash_point("diff.comparing.before_commit")
    return more
