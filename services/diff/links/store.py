"""The tables ``comparison`` and ``sweep``."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from services.diff.links.comparing import Finding
from services.diff.store import Key, Stored, stored_of
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.diff.links")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A comparison that was sent: whether differences are to be corrected, and the mark of those that were corrected last."""

    generation: int
    correct: bool
    corrected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What a comparison found."""

    key: Key
    generation: int
    finding: Finding
    corrected: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """How far the links of a job are compared: those after ``position`` are still to come, unless it is finished."""

    correct: bool
    position: str
    started_at: datetime
    finished_at: datetime | None


async def save_asked(connection: Connection, asked: Sequence[tuple[Key, int, bool]], at: datetime) -> None:
    """Note the comparisons that are sent in this transaction: key, generation, whether to correct."""
    if asked:
        keys = [key for key, _, _ in asked]
        await connection.execute(
            QUERIES.save_comparisons,
            [job for job, _ in keys],
            [item for _, item in keys],
            [generation for _, generation, _ in asked],
            [correct for _, _, correct in asked],
            at,
        )


async def load_asked(connection: Connection, keys: Collection[Key]) -> dict[Key, Asked]:
    """Return the newest comparison of each person that has one."""
    rows = await connection.fetch(QUERIES.load_comparisons, [job for job, _ in keys], [item for _, item in keys])
    return {
        (row["job_id"], row["object_id"]): Asked(
            generation=row["generation"], correct=row["correct"], corrected=row["corrected"]
        )
        for row in rows
    }


async def save_ended(connection: Connection, ended: Sequence[Ended], at: datetime) -> None:
    """Note what comparisons found; one that was sent again since stays under way."""
    if ended:
        columns: list[list[Any]] = [
            [item.key[0] for item in ended],
            [item.key[1] for item in ended],
            [item.generation for item in ended],
            [item.finding.value for item in ended],
            [item.corrected for item in ended],
        ]
        await connection.execute(QUERIES.end_comparisons, *columns, at)


async def count_under_way(connection: Connection, job_id: str, since: datetime) -> int:
    """Return how many comparisons of a job were sent after ``since`` and are not answered yet."""
    count: int = await connection.fetchval(QUERIES.count_under_way, job_id, since)
    return count


async def begin_sweep(connection: Connection, job_id: str, *, correct: bool, at: datetime) -> None:
    """Begin to compare every link of a job, from the first one."""
    await connection.execute(QUERIES.begin_sweep, job_id, correct, at)


async def lock_sweep(connection: Connection, job_id: str) -> Sweep | None:
    """Return the newest sweep of a job, locked until the commit."""
    row = await connection.fetchrow(QUERIES.load_sweep, job_id)
    return Sweep(**dict(row)) if row else None


async def move_sweep(connection: Connection, job_id: str, position: str, finished_at: datetime | None) -> None:
    """Note how far a sweep is."""
    await connection.execute(QUERIES.move_sweep, job_id, position, finished_at)


async def lock_linked(connection: Connection, job_id: str, after: str, limit: int) -> dict[Key, Stored]:
    """Return the next persons with a link by object id, locked until the commit."""
    rows = await connection.fetch(QUERIES.lock_linked, job_id, after, limit)
    return {(row["job_id"], row["object_id"]): stored_of(row) for row in rows}
