"""The timer that forgets: what is older than the retention, sessions that ended, and what is known of deleted jobs."""

from datetime import UTC, datetime, timedelta

from services.console.links.store import QUERIES as LINKS
from services.console.on_demand.store import QUERIES as DEMANDS
from services.console.settings import ConsoleSettings
from services.console.store import QUERIES
from shared.runtime.frame import Frame

PRUNE_EVERY_SECONDS = 300.0
LOOP = "prune"
DEMANDS_KEPT = timedelta(days=1)
"""Users on demand are kept with the values that were read of them."""


async def run(frame: Frame) -> None:
    """Prune until the service stops."""
    while not await frame.pause(PRUNE_EVERY_SECONDS):
        await prune(frame)


async def prune(frame: Frame) -> None:
    """Delete what is past its time, in small statements that hold nobody up."""
    settings = frame.settings
    assert isinstance(settings, ConsoleSettings)
    before = datetime.now(UTC) - timedelta(days=settings.console_retention_days)
    async with frame.connection() as connection:
        for statement in (QUERIES.prune_timeline, QUERIES.prune_log):
            while await connection.execute(statement, before) != "DELETE 0":
                if frame.stopping.is_set():
                    return
        await connection.execute(QUERIES.prune_cycles, before)
        await connection.execute(QUERIES.prune_holds, before)
        await connection.execute(QUERIES.prune_hold_requests, before)
        await connection.execute(LINKS.prune_requests, before)
        await connection.execute(DEMANDS.prune_demands, datetime.now(UTC) - DEMANDS_KEPT)
        await connection.execute(QUERIES.prune_sessions)
        for row in await connection.fetch(QUERIES.list_deleted_jobs):
            await connection.execute(QUERIES.erase_log, row["job_id"])
            await connection.execute(QUERIES.erase_timelines, row["job_id"])
            await connection.execute(QUERIES.erase_people, row["job_id"])
            await connection.execute(QUERIES.erase_source, row["job_id"])
            await connection.execute(QUERIES.erase_holds, row["job_id"])
            await connection.execute(LINKS.erase_links, row["job_id"])
            await connection.execute(DEMANDS.erase_demands, row["job_id"])
