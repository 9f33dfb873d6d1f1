"""The table ``person``: whole batches are read by one statement and written by one."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.diff.person import Account, Person, Sent
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.message import Message
from shared.contracts.public import UserStatus
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES = Queries("services.diff")

Key = tuple[str, str]
"""Job id and object id."""


def key_of(message: Message) -> Key:
    """Return which object of which job a message is about."""
    return message.job_id, message.object_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """In which flow the newest assignment came: what a retry, which has no message as its cause, goes on with."""

    correlation_id: str
    traceparent: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A person as stored, with the flow of the newest assignment."""

    person: Person
    flow: Flow


async def lock_persons(connection: Connection, keys: Collection[Key]) -> dict[Key, Stored]:
    """Return the stored persons by key, locked until the commit in the order of their keys."""
    ordered = sorted(keys)
    rows = await connection.fetch(QUERIES.lock_persons, [job for job, _ in ordered], [item for _, item in ordered])
    return {(row["job_id"], row["object_id"]): stored_of(row) for row in rows}


async def lock_due(connection: Connection, at: datetime, limit: int) -> dict[Key, Stored]:
    """Return persons whose next attempt is due in jobs that run, the longest due first; those that others have locked are passed over."""
    rows = await connection.fetch(QUERIES.lock_due, at, limit)
    return {(row["job_id"], row["object_id"]): stored_of(row) for row in rows}


async def lock_staged(connection: Connection, job_id: str, cycle_id: str, limit: int) -> dict[Key, Stored]:
    """Return persons whose removal waits with a cycle; those that others have locked are passed over."""
    rows = await connection.fetch(QUERIES.lock_staged, job_id, cycle_id, limit)
    return {(row["job_id"], row["object_id"]): stored_of(row) for row in rows}


async def lock_after(connection: Connection, job_id: str, position: str, limit: int) -> dict[Key, Stored]:
    """Return the next persons of a job in the order of their ids, locked until the commit."""
    rows = await connection.fetch(QUERIES.lock_after, job_id, position, limit)
    return {(row["job_id"], row["object_id"]): stored_of(row) for row in rows}


async def next_due(connection: Connection) -> datetime | None:
    """Return when the next attempt of any job that runs is due, or nothing when none is planned."""
    found: datetime | None = await connection.fetchval(QUERIES.next_due)
    return found


async def save_assigned(connection: Connection, stored: Sequence[Stored]) -> None:
    """Write persons whose assignment is new, by one statement."""
    if not stored:
        return
    rows = [
        (
            *_row(item.person),
            item.person.assignment.body().decode(),
            item.flow.correlation_id,
            item.flow.traceparent,
        )
        for item in stored
    ]
    await connection.execute(QUERIES.save_assigned, *_columns(rows))


async def save_seen(connection: Connection, stored: Sequence[Stored]) -> None:
    """Write the assignments of persons in whom nothing else changed, by one statement: most of what a cycle without changes writes."""
    if stored:
        rows = [
            (
                item.person.job_id,
                item.person.object_id,
                item.person.assignment.body().decode(),
                item.flow.correlation_id,
                item.flow.traceparent,
            )
            for item in stored
        ]
        await connection.execute(QUERIES.save_seen, *_columns(rows))


async def save_decided(connection: Connection, persons: Sequence[Person]) -> None:
    """Write persons whose assignment is the stored one, by one statement."""
    if persons:
        await connection.execute(QUERIES.save_decided, *_columns([_row(person) for person in persons]))


def _columns(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    """Return the rows as columns, in key order, so that two batches never wait for each other in a circle."""
    rows.sort(key=lambda row: (row[0], row[1]))
    return [list(column) for column in zip(*rows, strict=True)]


def _row(person: Person) -> tuple[Any, ...]:
    sent, account = person.sent, person.account
    return (
        person.job_id,
        person.object_id,
        sent.generation if sent else 0,
        sent.operation.value if sent else None,
        _json(sent.resource) if sent else None,
        _json(sorted(sent.touched)) if sent else "[]",
        person.in_flight,
        account is not None,
        account.target_id if account else None,
        _json(account.resource) if account else None,
        person.settled,
        _json(sorted(person.doubtful)) if person.doubtful else "[]",
        person.entered,
        person.status.value,
        person.reason_code,
        _json(person.reasons) if person.reasons else "[]",
        person.attempts,
        person.next_attempt_at,
        person.failing_since,
        person.escrows,
        person.staged_in,
        person.released,
        person.license_sequence,
        person.license_generation,
        person.license_waiting,
        person.event_sequence,
        person.user_sequence,
        _json(person.resolved) if person.resolved else "{}",
    )


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def stored_of(row: Any) -> Stored:
    """Return the person of a row of ``person``, with its flow."""
    sent = None
    if row["sent_operation"] is not None:
        sent = Sent(
            generation=row["sent_generation"],
            operation=Operation(row["sent_operation"]),
            resource=orjson.loads(row["desired"]),
            touched=frozenset(orjson.loads(row["touched"])),
        )
    account = None
    if row["linked"]:
        account = Account(
            target_id=row["target_id"],
            resource=orjson.loads(row["confirmed"]),
        )
    person = Person(
        job_id=row["job_id"],
        object_id=row["object_id"],
        assignment=DirectoryAssignment.model_validate_json(row["assignment"]),
        sent=sent,
        in_flight=row["in_flight"],
        account=account,
        settled=row["settled_generation"],
        doubtful=frozenset(orjson.loads(row["doubtful"])),
        entered=row["entered"],
        status=UserStatus(row["status"]),
        reason_code=row["reason_code"],
        reasons=tuple(orjson.loads(row["reasons"])),
        attempts=row["attempts"],
        next_attempt_at=row["next_attempt_at"],
        failing_since=row["failing_since"],
        escrows=row["escrows"],
        staged_in=row["staged_in"],
        released=row["released"],
        license_sequence=row["license_sequence"],
        license_generation=row["license_generation"],
        license_waiting=row["license_waiting"],
        event_sequence=row["event_sequence"],
        user_sequence=row["user_sequence"],
        resolved=orjson.loads(row["resolved"]),
    )
    return Stored(person=person, flow=Flow(correlation_id=row["correlation_id"], traceparent=row["traceparent"]))
