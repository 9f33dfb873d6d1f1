"""The table ``membership``, never read as a whole: by user, by the change under way, or the next few for which something is to be done.

Rows are locked in the order of their keys, and nobody who holds one waits for a group: a batch of users and a change of members of a
group do not hinder each other for long.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from services.diff.groups.group import Group
from services.diff.groups.membership import Membership, Need
from services.diff.groups.store import QUERIES
from services.diff.store import Key
from shared.contracts.changes import MOST_MEMBERS
from shared.runtime.database import Connection

SWEPT_AT_ONCE: Final = 1_000
"""Rows of an older link that are set right in one transaction."""


async def lock_of_users(connection: Connection, users: Collection[Key]) -> list[Membership]:
    """Return the memberships of users, given by job id and object id."""
    columns = [job for job, _ in users], [item for _, item in users]
    return _memberships(await connection.fetch(QUERIES.lock_memberships_of_users, *columns))


async def lock_sent(connection: Connection, group: Group) -> list[Membership]:
    """Return the memberships that are in the change of the group that is under way."""
    key = group.job_id, group.object_id
    return _memberships(await connection.fetch(QUERIES.lock_memberships_sent, *key, group.generation))


async def lock_needed(
    connection: Connection, group: Group, need: Need, at: datetime, limit: int = MOST_MEMBERS
) -> list[Membership]:
    """Return memberships of a group for which something is to be done now, as many as fit into one change.

    Rows that a batch of users has locked are passed over: that batch says that the group has changed.
    """
    key = group.job_id, group.object_id
    return _memberships(await connection.fetch(QUERIES.lock_memberships_needed, *key, need.value, at, limit))


async def lock_of_older_links(connection: Connection, group: Group) -> list[Membership]:
    """Return memberships that still tell of a group at the target that is gone, a bounded number of them."""
    oldest = group.link_number if group.link is not None else group.link_number + 1
    key = group.job_id, group.object_id
    return _memberships(await connection.fetch(QUERIES.lock_memberships_of_older_links, *key, oldest, SWEPT_AT_ONCE))


async def next_need(connection: Connection, group: Group) -> datetime | None:
    """Return from when on something is to be done about any member of the group, or nothing."""
    found: datetime | None = await connection.fetchval(QUERIES.next_need, group.job_id, group.object_id)
    return found


async def save(connection: Connection, memberships: Iterable[Membership]) -> None:
    """Write memberships, and forget those that are over."""
    kept: list[tuple[Any, ...]] = []
    over: list[tuple[Any, ...]] = []
    for item in memberships:
        (over if item.over else kept).append(_row(item))
    if kept:
        await connection.execute(QUERIES.save_memberships, *_columns(kept))
    if over:
        await connection.execute(QUERIES.forget_memberships, *_columns(over)[:3])


async def note_changed(connection: Connection, groups: Collection[Key]) -> None:
    """Say that something is to be done about members of these groups."""
    if groups:
        ordered = sorted(groups)
        columns = [job for job, _ in ordered], [item for _, item in ordered]
        await connection.execute(QUERIES.note_members_changed, *columns)


async def take_changed(connection: Connection, limit: int) -> tuple[int, set[Key]]:
    """Take what ``note_changed`` said, at most ``limit`` words of it; return how many these were, and the groups."""
    rows = await connection.fetch(QUERIES.take_members_changed, limit)
    return len(rows), {(row["job_id"], row["group_id"]) for row in rows}


def _columns(rows: list[tuple[Any, ...]]) -> list[list[Any]]:
    rows.sort(key=lambda row: row[:3])
    return [list(column) for column in zip(*rows, strict=True)]


def _row(item: Membership) -> tuple[Any, ...]:
    need = item.need
    return (
        item.job_id,
        item.group_id,
        item.user_id,
        item.wanted,
        item.target_id,
        item.held,
        item.held_link,
        item.certain,
        need.value if need else None,
        item.sent_generation,
        item.attempts,
        item.not_before,
    )


def _memberships(rows: Sequence[Mapping[str, Any]]) -> list[Membership]:
    return [
        Membership(
            job_id=row["job_id"],
            group_id=row["group_id"],
            user_id=row["user_id"],
            wanted=row["wanted"],
            target_id=row["target_id"],
            held=row["held"],
            held_link=row["held_link"],
            certain=row["certain"],
            sent_generation=row["sent_generation"],
            attempts=row["attempts"],
            not_before=row["not_before"],
        )
        for row in rows
    ]
