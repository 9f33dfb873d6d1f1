"""The table ``work`` and the condition of a job. Statements are for batches: their number does not depend on the number of rows."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from services.scim_writer.breaker import Trouble
from services.scim_writer.intake import State, Stored
from shared.contracts.outcomes import Failure
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.scim_writer")
CHANNEL: Final = "scim-writer-work"
"""PostgreSQL channel on which the arrival of work is told, with the job id."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredCommand:
    """A command as it is kept: its JSON, and the identifiers that tie it to its cause."""

    generation: int
    command: str
    correlation_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LockedRow:
    """A row that is locked until the transaction ends. ``current`` is None once it is settled."""

    stored: Stored
    current: StoredCommand | None
    following: StoredCommand | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimedRow:
    """A row that this process is to execute. ``tries`` counts this try."""

    object_id: str
    generation: int
    command: str
    correlation_id: str
    traceparent: str | None
    tries: int
    ambiguous: bool
    target_id: str | None
    written: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class RowResult:
    """What a claimed row becomes: settled, or ready again after ``delay_seconds``."""

    object_id: str
    state: State
    tries: int
    delay_seconds: float
    ambiguous: bool
    target_id: str | None
    written: dict[str, str]


async def lock_work(connection: Connection, keys: Iterable[Key]) -> dict[Key, LockedRow]:
    """Lock the rows of these keys, in key order, and return them by key."""
    ordered = sorted(keys)
    rows = await connection.fetch(QUERIES.lock_work, [key[0] for key in ordered], [key[1] for key in ordered])
    return {(row["job_id"], row["object_id"]): _locked(row) for row in rows}


def _locked(row: Any) -> LockedRow:
    current = following = None
    if row["command"] is not None:
        current = StoredCommand(
            generation=row["generation"],
            command=row["command"],
            correlation_id=row["correlation_id"],
            traceparent=row["traceparent"],
        )
    if row["next_generation"] is not None:
        following = StoredCommand(
            generation=row["next_generation"],
            command=row["next_command"],
            correlation_id=row["next_correlation_id"],
            traceparent=row["next_traceparent"],
        )
    stored = Stored(state=State(row["state"]), generation=row["generation"], next_generation=row["next_generation"])
    return LockedRow(stored=stored, current=current, following=following)


async def insert_work(connection: Connection, items: Sequence[tuple[Key, StoredCommand]]) -> int:
    """Insert rows in this order and return how many; a key that is there already is left alone."""
    return len(await connection.fetch(QUERIES.insert_work, *_columns(items))) if items else 0


async def replace_work(connection: Connection, items: Sequence[tuple[Key, StoredCommand]]) -> None:
    """Put commands in the place of those in locked rows."""
    if items:
        await connection.execute(QUERIES.replace_work, *_columns(items))


async def store_next(connection: Connection, items: Sequence[tuple[Key, StoredCommand]]) -> None:
    """Put commands behind those in flight in locked rows."""
    if items:
        await connection.execute(QUERIES.store_next, *_columns(items))


def _columns(items: Sequence[tuple[Key, StoredCommand]]) -> tuple[list[Any], ...]:
    return (
        [key[0] for key, _ in items],
        [key[1] for key, _ in items],
        [item.generation for _, item in items],
        [item.command for _, item in items],
        [item.correlation_id for _, item in items],
        [item.traceparent for _, item in items],
    )


async def announce(connection: Connection, job_ids: Iterable[str]) -> None:
    """Tell every process of the service, at the commit, that these jobs have work."""
    if jobs := sorted(set(job_ids)):
        await connection.execute(QUERIES.notify, CHANNEL, jobs)


async def is_asked_for(connection: Connection, job_id: str) -> bool:
    """Return whether work that an operator asked for waits to be claimed."""
    found: bool = await connection.fetchval(QUERIES.is_asked_for, job_id)
    return found


async def claim(connection: Connection, job_id: str, limit: int, *, only_on_demand: bool = False) -> list[ClaimedRow]:
    """Mark up to ``limit`` rows that are due as in flight and return them in order of arrival; all, or what operators asked for."""
    rows = await connection.fetch(QUERIES.claim_on_demand if only_on_demand else QUERIES.claim, job_id, limit)
    rows.sort(key=lambda row: (row["due_at"], row["position"]))
    return [
        ClaimedRow(
            object_id=row["object_id"],
            generation=row["generation"],
            command=row["command"],
            correlation_id=row["correlation_id"],
            traceparent=row["traceparent"],
            tries=row["tries"],
            ambiguous=row["ambiguous"],
            target_id=row["target_id"],
            written=_parse_written(row["written"]),
        )
        for row in rows
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftRow:
    """A row that a process left in flight. ``has_next``: a newer generation waits behind it."""

    object_id: str
    command: str
    correlation_id: str
    traceparent: str | None
    written: dict[str, str]
    has_next: bool


async def lock_left(connection: Connection, job_id: str) -> list[LeftRow]:
    """Lock the rows that are in flight, in key order, and return them."""
    return [
        LeftRow(
            object_id=row["object_id"],
            command=row["command"],
            correlation_id=row["correlation_id"],
            traceparent=row["traceparent"],
            written=_parse_written(row["written"]),
            has_next=row["has_next"],
        )
        for row in await connection.fetch(QUERIES.lock_left, job_id)
    ]


async def take_over(connection: Connection, job_id: str, written: Mapping[str, Mapping[str, str]]) -> None:
    """Make locked rows ready, as ambiguous; where a newer generation waits, it takes the row over. ``written`` is by object id."""
    marks = [orjson.dumps(each).decode() for each in written.values()]
    await connection.execute(QUERIES.take_over, job_id, list(written), marks)


def _parse_written(text: str | None) -> dict[str, str]:
    return orjson.loads(text) if text else {}


async def lock_in_flight(connection: Connection, job_id: str, object_ids: Sequence[str]) -> dict[str, tuple[int, bool]]:
    """Lock rows in flight; return generation, and whether a newer one waits behind it, by object id."""
    rows = await connection.fetch(QUERIES.lock_in_flight, job_id, sorted(object_ids))
    return {row["object_id"]: (row["generation"], row["has_next"]) for row in rows}


async def settle(connection: Connection, job_id: str, results: Sequence[RowResult]) -> None:
    """Write the results of locked rows; where a newer generation waits, it takes the row over at once."""
    await connection.execute(
        QUERIES.settle,
        job_id,
        [result.object_id for result in results],
        [result.state.value for result in results],
        [result.tries for result in results],
        [result.delay_seconds for result in results],
        [result.ambiguous for result in results],
        [result.target_id for result in results],
        [orjson.dumps(result.written).decode() if result.written else None for result in results],
    )


async def load_condition(connection: Connection, job_id: str) -> Trouble | None:
    """Return the condition of a job that is raised."""
    row = await connection.fetchrow(QUERIES.load_condition, job_id)
    if row is None or not row["raised"]:
        return None
    return Trouble(condition=row["name"], failure=Failure.model_validate_json(row["failure"]))


async def store_condition(connection: Connection, job_id: str, trouble: Trouble, *, raised: bool, now: Any) -> int:
    """Keep that a condition was raised or cleared; return the sequence of the message that says so."""
    failure = trouble.failure.model_dump_json()
    sequence: int = await connection.fetchval(QUERIES.store_condition, job_id, trouble.condition, raised, failure, now)
    return sequence
