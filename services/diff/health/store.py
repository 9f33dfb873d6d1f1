"""The tables ``tally_delta`` and ``job_health``."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from pydantic import TypeAdapter

from services.diff.health.quarantine import Health
from services.diff.health.tally import Tally
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES = Queries("services.diff.health")

_HEALTH: Final = TypeAdapter(Health)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The health of a job. ``heard``: sequence of the newest thing the writer said of the credentials; ``said``: of ours."""

    health: Health
    heard: int
    said: int


async def add_deltas(connection: Connection, changed: Mapping[str, Tally]) -> None:
    """Note how a batch changed the counts of jobs; rows are only added, so no batch waits for another."""
    if not changed:
        return
    tallies = list(changed.values())
    await connection.execute(
        QUERIES.add_deltas,
        list(changed),
        [one.failing for one in tallies],
        [one.references for one in tallies],
        [one.ok for one in tallies],
        [one.scope for one in tallies],
        [one.recovered for one in tallies],
    )


async def take_deltas(connection: Connection) -> dict[str, Tally]:
    """Take what batches noted since the last time, summed for each job."""
    return {
        row["job_id"]: Tally(
            failing=row["failing"],
            references=row["references_"],
            ok=row["ok"],
            scope=row["scope"],
            recovered=row["recovered"],
        )
        for row in await connection.fetch(QUERIES.take_deltas)
    }


async def lock(connection: Connection, job_id: str) -> Stored:
    """Return the health of a job, locked until the commit; a job that is new is well."""
    row = await connection.fetchrow(QUERIES.lock_health, job_id)
    if row is None:
        await connection.execute(QUERIES.open_health, job_id, _HEALTH.dump_json(Health()).decode())
        row = await connection.fetchrow(QUERIES.lock_health, job_id)
    return Stored(health=_HEALTH.validate_json(row["health"]), heard=row["heard_sequence"], said=row["sequence"])


async def save(connection: Connection, job_id: str, stored: Stored) -> None:
    """Write the health of a job whose row is locked."""
    quarantine = stored.health.quarantine
    await connection.execute(
        QUERIES.save_health,
        job_id,
        _HEALTH.dump_json(stored.health).decode(),
        quarantine is not None,
        quarantine.probe_until if quarantine else None,
        stored.heard,
        stored.said,
    )


async def quarantined_jobs(connection: Connection) -> list[str]:
    """Return the jobs that are in quarantine."""
    return [row["job_id"] for row in await connection.fetch(QUERIES.watched_jobs)]


async def try_failed(connection: Connection, job_id: str, at: datetime, limit: int) -> None:
    """Let failed persons be tried at ``at``, those first that have failed the longest; whom others have locked is passed over."""
    await connection.execute(QUERIES.try_failed, job_id, at, limit)
