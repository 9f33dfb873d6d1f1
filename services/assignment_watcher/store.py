"""How far a job was read: loaded before a cycle, locked and compared at its commit."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import orjson

from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.sources.source import Source, Stream
from services.assignment_watcher.streams import StreamRow, stream_of
from shared.contracts.assignments import AppRole
from shared.runtime.database import Connection
from shared.runtime.errors import LeaseLostError

BULK_SECONDS: Final = 600.0
"""Time limit of a statement over everything that a cycle read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How far a job was read. ``round`` rises with each commit; ``said_attributes`` are those said last, by type of object."""

    job_id: str
    round: int
    initial_completed: bool
    initial_started_at: datetime | None
    roles: tuple[AppRole, ...]
    said_attributes: Mapping[str, Sequence[str]]
    listing_digest: bytes | None
    listed_at: datetime | None
    listing_seconds: float
    nested_groups: bool
    suspects: bool
    reported_at: datetime | None
    condition: str | None
    condition_sequence: int
    reread_at: datetime | None
    reread_slice: int
    streams: Mapping[Stream, StreamRow]


async def load(connection: Connection, job_id: str, source: Source, restarts: int) -> Watch:
    """Return how far the job was read.

    Links that came from another query are forgotten; another source, or one more restart, makes the next cycle an initial one. What was
    mirrored stays and goes on serving until the new full reads are complete.
    """
    async with connection.transaction():
        made = await connection.fetchval(QUERIES.open_watch, job_id, f"{source.identity} {restarts}")
        again = made is False
        for stream in Stream:
            await connection.execute(
                QUERIES.open_stream, job_id, stream, source.query(stream), again, "a new initial cycle was asked for"
            )
        row = await connection.fetchrow(QUERIES.load_watch, job_id)
        streams = [stream_of(job_id, one) for one in await connection.fetch(QUERIES.load_streams, job_id)]
    roles = tuple(AppRole.model_validate(role) for role in orjson.loads(row["roles"] or "[]"))
    more = {
        "job_id": job_id,
        "roles": roles,
        "said_attributes": orjson.loads(row["said_attributes"] or "{}"),
        "streams": {one.stream: one for one in streams},
    }
    return Watch(**(dict(row) | more))


async def lock(connection: Connection, watch: Watch) -> None:
    """Lock the job until the end of the transaction; raise ``LeaseLostError`` when it was read further by another process meanwhile."""
    row = await connection.fetchrow(QUERIES.lock_watch, watch.job_id)
    if row is None or row["round"] != watch.round:
        raise LeaseLostError(f"round {watch.round} of job {watch.job_id}")
