"""Asking for single objects: users and groups known by their name only, or missing from a full read; members of doubtful groups."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

import orjson

from services.assignment_watcher.mirror.staging import QUERIES as MIRROR
from services.assignment_watcher.mirror.staging import Staging
from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.reading.context import Context
from services.assignment_watcher.sources.source import Found, Member, Stream
from shared.contracts.assignments import Lifecycle
from shared.runtime.database import Connection

MOST_USERS: Final = 200
MOST_GROUPS: Final = 100
MOST_LISTINGS: Final = 20
MOST_QUESTIONS: Final = 1_000
PROOFS: Final = 2
"""How often in a row an object that the mirror holds must be unknown to the directory before it counts as deleted for good."""

REREAD_EVERY: Final = timedelta(days=1)
REREAD_SLICES: Final = 7
"""Members of every assigned group are listed anew once a day, and users are read anew once in so many days."""


@dataclass(slots=True, kw_only=True)
class Rechecked:
    """What was asked for one by one. Records were staged with the cycle, members under ``listings``.

    ``postponed`` are users that nobody knows yet; ``absent_*`` were unknown although they are mirrored (not often enough to believe it);
    ``hydrate`` are groups that were met for the first time; ``left`` holds groups with members that they lost, by all proofs;
    ``missing_groups`` could not be listed; ``read_*`` were answered by a record; ``unsure_*`` were so although an answer before lacked
    them; ``drift_*`` were asked for to see whether the mirror has drifted; ``more`` says that some wait for the next cycle.
    """

    listings: Staging
    postponed: list[str] = field(default_factory=list)
    absent_users: list[str] = field(default_factory=list)
    absent_groups: list[str] = field(default_factory=list)
    hydrate: list[str] = field(default_factory=list)
    listed_groups: list[str] = field(default_factory=list)
    left: list[tuple[str, str]] = field(default_factory=list)
    missing_groups: list[str] = field(default_factory=list)
    read_users: list[str] = field(default_factory=list)
    read_groups: list[str] = field(default_factory=list)
    unsure_users: list[str] = field(default_factory=list)
    unsure_groups: list[str] = field(default_factory=list)
    drift_users: list[str] = field(default_factory=list)
    drift_groups: list[str] = field(default_factory=list)
    more: bool = False


class Rechecks:
    """Reads what is due to be asked for one by one."""

    def __init__(self, context: Context) -> None:
        self._frame = context.frame
        self._source = context.source
        self._job_id = context.watch.job_id
        self._lease = context.lease
        self._staging = context.staging

    async def read(self, now: datetime, confirmation: timedelta) -> Rechecked:
        """Return what the directory says of the objects that are due; what was absent for the ``confirmation`` time may have left."""
        result = Rechecked(listings=Staging(job_id=self._job_id, alive=self._staging.alive))
        async with self._frame.connection() as connection:
            users, groups, members = [
                await connection.fetch(QUERIES.due_rechecks, self._job_id, kind, now, most)
                for kind, most in (("user", MOST_USERS), ("group", MOST_GROUPS), ("members", MOST_LISTINGS))
            ]
        result.more = len(users) == MOST_USERS or len(groups) == MOST_GROUPS or len(members) == MOST_LISTINGS
        if users:
            await self._users(users, result)
        if groups:
            await self._groups(groups, result)
        for row in members:
            await self._members(row, result)
            if row["object_id"] in result.listed_groups:
                await self._absent(row["object_id"], now - confirmation, result)
        return result

    async def _users(self, rows: Sequence[Any], result: Rechecked) -> None:
        self._lease.check()
        rereading = all(row["reason"] == "drift" for row in rows)
        found = await self._source.find_users([row["object_id"] for row in rows], in_background=rereading)
        asked = {row["object_id"]: row for row in rows}
        records = []
        for one in found:
            row = asked[one.object_id]
            if row["reason"] == "drift":
                result.drift_users.append(one.object_id)
            if one.lifecycle is Lifecycle.UNKNOWN and not row["mirrored"]:
                result.postponed.append(one.object_id)
            elif one.lifecycle is Lifecycle.UNKNOWN and row["absences"] + 1 < PROOFS:
                result.absent_users.append(one.object_id)
            else:
                result.read_users.append(one.object_id)
                if _lacked(row, one):
                    result.unsure_users.append(one.object_id)
                records.append(_record(one))
        await self._stage(Stream.USERS, records)

    async def _groups(self, rows: Sequence[Any], result: Rechecked) -> None:
        self._lease.check()
        found = await self._source.find_groups([row["object_id"] for row in rows])
        asked = {row["object_id"]: row for row in rows}
        records = []
        for one in found:
            row = asked[one.object_id]
            if one.lifecycle is Lifecycle.UNKNOWN and row["absences"] + 1 < PROOFS:
                result.absent_groups.append(one.object_id)
                continue
            result.read_groups.append(one.object_id)
            if _lacked(row, one):
                result.unsure_groups.append(one.object_id)
            records.append(_record(one))
            if one.lifecycle is Lifecycle.LIVE and not row["mirrored"]:
                result.hydrate.append(one.object_id)
        await self._stage(Stream.GROUPS, records)

    async def _members(self, row: Any, result: Rechecked) -> None:
        group_id, there = row["object_id"], False
        async for page in self._source.read_members(group_id, in_background=row["reason"] == "drift"):
            self._lease.check()
            there = True
            async with self._frame.connection() as connection:
                await result.listings.stage_changes(connection, Stream.GROUPS, page.body)
        (result.listed_groups if there else result.missing_groups).append(group_id)
        if there and row["reason"] == "drift":
            result.drift_groups.append(group_id)

    async def _absent(self, group_id: str, believed_before: datetime, result: Rechecked) -> None:
        """Ask about each member that two listings lack: both may have lost the same page, which an answer about the member cannot."""
        attempt, last = result.listings.attempt, ""
        while True:
            self._lease.check()
            async with self._frame.connection() as connection:
                rows = await connection.fetch(
                    MIRROR.absent_members, self._job_id, group_id, believed_before, attempt, last, MOST_QUESTIONS
                )
                through = await connection.fetch(MIRROR.listed_nested, attempt, group_id) if rows else []
            if not rows:
                return
            absent = [Member(row["user_id"], row["nested"]) for row in rows]
            still = await self._source.find_members(group_id, absent, through=[row["user_id"] for row in through])
            result.left += [(group_id, one.object_id) for one in absent if one.object_id not in still]
            last = absent[-1].object_id

    async def _stage(self, stream: Stream, records: list[dict[str, Any]]) -> None:
        if records:
            async with self._frame.connection() as connection:
                await self._staging.stage_changes(connection, stream, orjson.dumps({"value": records}).decode())


def _lacked(row: Any, found: Found) -> bool:
    """Return whether an object is there although it was missing: this may be an old answer, and no round tells of what was before."""
    return row["reason"] == "missing" and found.lifecycle is not Lifecycle.UNKNOWN


def _record(found: Found) -> dict[str, Any]:
    if found.lifecycle is Lifecycle.LIVE:
        return {**(found.record or {}), "id": found.object_id}
    reason = "changed" if found.lifecycle is Lifecycle.SOFT_DELETED else "deleted"
    return {"id": found.object_id, "@removed": {"reason": reason}}


async def settle(connection: Connection, job_id: str, result: Rechecked, now: datetime, again_at: datetime) -> None:
    """Note when to ask again, inside the transaction that applies what was read; ``again_at`` is the confirmation time from now."""
    if result.postponed:
        await connection.execute(QUERIES.postpone_rechecks, job_id, "user", result.postponed, now)
    for kind, absent in (("user", result.absent_users), ("group", result.absent_groups)):
        if absent:
            await connection.execute(QUERIES.count_absences, job_id, kind, absent, again_at)
    if result.hydrate:
        await connection.execute(QUERIES.queue_rechecks, job_id, "members", result.hydrate, "unhydrated", now)
    if result.missing_groups:
        await connection.execute(QUERIES.settle_rechecks, job_id, "members", result.missing_groups)
        await connection.execute(QUERIES.queue_rechecks, job_id, "group", result.missing_groups, "missing", now)


async def begin_reread(connection: Connection, job_id: str, now: datetime, slice_number: int) -> None:
    """Queue the daily look at what no change was reported for: members of every assigned group, and one part of the users."""
    await connection.execute(QUERIES.begin_reread, job_id, now, REREAD_SLICES)
    await connection.execute(QUERIES.queue_reread_groups, job_id, now)
    await connection.execute(QUERIES.queue_reread_users, job_id, now, REREAD_SLICES, slice_number)
