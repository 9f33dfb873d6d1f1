"""The table ``group_object``: whole batches are read by one statement and written by one."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from services.diff.groups.group import Group, SentChange, TargetGroup
from services.diff.store import Flow, Key
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.public import UserStatus
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES = Queries("services.diff.groups")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredGroup:
    """A group as stored, with the flow of its newest assignment."""

    group: Group
    flow: Flow


async def lock_groups(connection: Connection, keys: Collection[Key]) -> dict[Key, StoredGroup]:
    """Return the stored groups by key, locked until the commit in the order of their keys."""
    ordered = sorted(keys)
    columns = [job for job, _ in ordered], [item for _, item in ordered]
    return _by_key(await connection.fetch(QUERIES.lock_groups, *columns))


async def lock_groups_of_job(connection: Connection, job_id: str) -> dict[Key, StoredGroup]:
    """Return every group of a job, locked until the commit."""
    return _by_key(await connection.fetch(QUERIES.lock_groups_of_job, job_id))


async def lock_due(connection: Connection, at: datetime, limit: int) -> dict[Key, StoredGroup]:
    """Return groups whose next attempt is due in jobs that run, the longest due first; those that others have locked are passed over."""
    return _by_key(await connection.fetch(QUERIES.lock_due, at, limit))


async def lock_members_due(connection: Connection, at: datetime, limit: int) -> dict[Key, StoredGroup]:
    """Return groups of which a change of members may go out at ``at``; those that others have locked are passed over."""
    return _by_key(await connection.fetch(QUERIES.lock_members_due, at, limit))


async def lock_members_left(connection: Connection) -> dict[Key, StoredGroup]:
    """Return one group with rows of members that tell of an older link, if there is any."""
    return _by_key(await connection.fetch(QUERIES.lock_members_left))


async def lock_staged(connection: Connection, job_id: str, cycle_id: str, limit: int) -> dict[Key, StoredGroup]:
    """Return groups whose deletion waits with a cycle; those that others have locked are passed over."""
    return _by_key(await connection.fetch(QUERIES.lock_staged, job_id, cycle_id, limit))


async def next_due(connection: Connection) -> datetime | None:
    """Return when the next attempt or the next change of members of any group is due, or nothing when none is planned."""
    found: datetime | None = await connection.fetchval(QUERIES.next_due)
    return found


async def owners_of(connection: Connection, targets: Collection[tuple[str, str]]) -> dict[tuple[str, str], str]:
    """Return the object ids of the groups that are linked, by job id and id at the target."""
    if not targets:
        return {}
    columns = [job for job, _ in targets], [item for _, item in targets]
    rows = await connection.fetch(QUERIES.owners_of_targets, *columns)
    return {(row["job_id"], row["target_id"]): row["object_id"] for row in rows}


async def save_groups(connection: Connection, stored: Sequence[StoredGroup]) -> None:
    """Write groups by one statement, in key order, so that two batches never wait for each other in a circle."""
    if stored:
        rows = sorted((_row(item) for item in stored), key=lambda row: (row[0], row[1]))
        await connection.execute(QUERIES.save_groups, *(list(column) for column in zip(*rows, strict=True)))


def _by_key(rows: Sequence[Mapping[str, Any]]) -> dict[Key, StoredGroup]:
    return {(row["job_id"], row["object_id"]): stored_of(row) for row in rows}


def _json(value: Any) -> str:
    return orjson.dumps(value).decode()


def _row(item: StoredGroup) -> tuple[Any, ...]:
    group = item.group
    sent, link = group.sent, group.link
    return (
        group.job_id,
        group.object_id,
        group.assignment.body().decode(),
        item.flow.correlation_id,
        item.flow.traceparent,
        group.generation,
        sent.operation.value if sent else None,
        _json(sent.resource) if sent else None,
        group.in_flight,
        link.target_id if link else None,
        _json(link.resource) if link else None,
        group.link_number,
        group.doubtful,
        group.entered,
        group.status.value,
        group.reason_code,
        _json(group.reasons),
        group.attempts,
        group.next_attempt_at,
        group.failing_since,
        group.escrows,
        group.staged_in,
        group.released,
        group.members_at,
        group.member_attempts,
        group.members_left,
        group.event_sequence,
    )


def stored_of(row: Mapping[str, Any]) -> StoredGroup:
    """Return the group of a row."""
    sent = None
    if row["sent_operation"] is not None:
        sent = SentChange(
            generation=row["sent_generation"],
            operation=Operation(row["sent_operation"]),
            resource=orjson.loads(row["desired"]),
        )
    link = None
    if row["target_id"] is not None:
        link = TargetGroup(target_id=row["target_id"], resource=orjson.loads(row["confirmed"]))
    group = Group(
        job_id=row["job_id"],
        object_id=row["object_id"],
        assignment=DirectoryAssignment.model_validate_json(row["assignment"]),
        sent=sent,
        in_flight=row["in_flight"],
        link=link,
        link_number=row["link_number"],
        doubtful=row["doubtful"],
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
        members_at=row["members_at"],
        member_attempts=row["member_attempts"],
        members_left=row["members_left"],
        event_sequence=row["event_sequence"],
    )
    return StoredGroup(group=group, flow=Flow(correlation_id=row["correlation_id"], traceparent=row["traceparent"]))
