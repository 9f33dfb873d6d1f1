"""The ledger in PostgreSQL: a constant number of statements for a batch, whatever its size and however long a line is."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from services.license_allocator.pool import Entry, Move, Pool, State
from shared.contracts.changes import Change
from shared.contracts.control import JobRecord
from shared.contracts.job import WhenExhausted
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES = Queries("services.license_allocator")

Key = tuple[str, str]
"""Job id and object id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Which request a waiting user came with, so that its command goes on in the same trace."""

    correlation_id: str
    traceparent: str | None


class LedgerBrokenError(RuntimeError):
    """A save would have taken more licenses than there are; the transaction is rolled back. This is a fault of the program."""


async def lock_pools(connection: Connection, job_ids: Collection[str]) -> dict[str, Pool]:
    """Lock the pools of these jobs until the end of the transaction and return those that there are, by job id."""
    rows = await connection.fetch(QUERIES.lock_pools, sorted(set(job_ids)))
    return {row["job_id"]: _pool(row) for row in rows}


async def list_pools(connection: Connection) -> list[Pool]:
    """Return every pool as it is now, without a lock."""
    return [_pool(row) for row in await connection.fetch(QUERIES.list_pools)]


async def define_pools(connection: Connection, records: Iterable[JobRecord]) -> None:
    """Create or resize the pools of job definitions; a definition older than the one known changes nothing."""
    newest: dict[str, JobRecord] = {}
    for record in records:
        known = newest.get(record.job_id)
        if known is None or known.sequence < record.sequence:
            newest[record.job_id] = record
    rows = [newest[job_id] for job_id in sorted(newest)]
    licenses = [record.definition.licenses for record in rows]
    await connection.execute(
        QUERIES.define_pools,
        [record.job_id for record in rows],
        [record.sequence for record in rows],
        [item.application_instance for item in licenses],
        [item.license_type for item in licenses],
        [item.auto_assign for item in licenses],
        [item.when_exhausted.value for item in licenses],
        [item.capacity for item in licenses],
        [record.deleted for record in rows],
    )


async def load_entries(connection: Connection, keys: Collection[Key]) -> dict[Key, Entry]:
    """Return the entries of these users; the pool must be locked. The change that somebody waits with is not read."""
    rows = await connection.fetch(QUERIES.load_entries, [job for job, _ in keys], [user for _, user in keys])
    return {(row["job_id"], row["object_id"]): _entry(row, None) for row in rows}


async def load_heads(connection: Connection, places: Mapping[str, int]) -> dict[str, list[tuple[Entry, Cause]]]:
    """Return by job the first users of its line, as many as there are places, by rising ticket; the pools must be locked."""
    heads: dict[str, list[tuple[Entry, Cause]]] = {job_id: [] for job_id in places}
    for row in await connection.fetch(QUERIES.load_heads, list(places), list(places.values())):
        cause = Cause(correlation_id=row["correlation_id"], traceparent=row["traceparent"])
        heads[row["job_id"]].append((_entry(row, Change.model_validate_json(row["change"])), cause))
    return heads


async def save_pools(connection: Connection, pools: Sequence[Pool]) -> None:
    """Save the counts of locked pools; raises ``LedgerBrokenError`` instead of taking more licenses than a pool has."""
    saved = await connection.fetch(
        QUERIES.save_pools,
        [pool.job_id for pool in pools],
        [pool.in_use for pool in pools],
        [pool.waiting for pool in pools],
        [pool.next_ticket for pool in pools],
    )
    if len(saved) != len(pools):
        raise LedgerBrokenError("a pool would hold more licenses than its capacity; nothing was saved")


async def save_entries(
    connection: Connection, entries: Mapping[Key, Entry], causes: Mapping[Key, Cause], now: datetime
) -> None:
    """Save entries of locked pools, those that wait with their change and its cause."""
    waiting = {key: entry.change for key, entry in entries.items() if entry.state is State.WAITING and entry.change}
    traced = {key: causes[key] for key in waiting}
    await connection.execute(
        QUERIES.save_entries,
        [job_id for job_id, _ in entries],
        [object_id for _, object_id in entries],
        [entry.state.value for entry in entries.values()],
        [entry.ticket for entry in entries.values()],
        [entry.generation for entry in entries.values()],
        [entry.settled for entry in entries.values()],
        [entry.sequence for entry in entries.values()],
        [entry.let_out for entry in entries.values()],
        [waiting[key].body().decode() if key in waiting else None for key in entries],
        [traced[key].correlation_id if key in traced else None for key in entries],
        [traced[key].traceparent if key in traced else None for key in entries],
        now,
    )


async def append_history(connection: Connection, moves: Sequence[Move], now: datetime) -> None:
    """Write down the steps that licenses took, in order; a change that only took another's place in the line is no step."""
    steps = [move for move in moves if move.before is not move.entry.state]
    if not steps:
        return
    await connection.execute(
        QUERIES.append_history,
        [move.pool.job_id for move in steps],
        [move.entry.object_id for move in steps],
        [move.entry.ticket for move in steps],
        [move.before.value for move in steps],
        [move.entry.state.value for move in steps],
        [move.reason for move in steps],
        now,
    )


def _pool(row: Any) -> Pool:
    return Pool(
        job_id=row["job_id"],
        application_instance=row["application_instance"],
        license_type=row["license_type"],
        auto_assign=row["auto_assign"],
        when_exhausted=WhenExhausted(row["when_exhausted"]),
        capacity=row["capacity"],
        in_use=row["in_use"],
        waiting=row["waiting"],
        next_ticket=row["next_ticket"],
        closed=row["closed"],
    )


def _entry(row: Any, change: Change | None) -> Entry:
    return Entry(
        object_id=row["object_id"],
        state=State(row["state"]),
        ticket=row["ticket"],
        generation=row["generation"],
        settled=row["settled"],
        sequence=row["sequence"],
        let_out=row["let_out"],
        change=change,
    )
