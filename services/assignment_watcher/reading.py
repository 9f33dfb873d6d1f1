"""Reading one cycle's worth of a source into the staging tables: assignments, then groups, then users, a page at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.assignment_watcher.listing import AssignmentRow, ListingDigest
from services.assignment_watcher.sources.source import (
    RestartRoundError,
    ResyncError,
    Source,
    SourceUnavailableError,
    Stream,
)
from services.assignment_watcher.store import QUERIES, Staging, Watch
from shared.contracts.assignments import AppRole
from shared.runtime.frame import Frame
from shared.runtime.leases import Lease
from shared.runtime.log import logger

_log = logger(__name__)

HELD_PAGES: Final = 4
"""Pages of a listing that are kept in memory until it is known whether the listing is news; a longer one is staged as it comes."""
MOST_RESTARTS: Final = 3
MOST_POINT_READS: Final = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one cycle read. ``listed`` says that the assignments were staged, because they differ from those of the last cycle."""

    roles: tuple[AppRole, ...]
    digest: bytes
    listed: bool
    links: dict[Stream, str]
    staging: Staging


class Reader:
    """Reads one cycle. Nothing is held back longer than a few pages, whatever the size of the directory."""

    def __init__(self, frame: Frame, source: Source, watch: Watch, lease: Lease) -> None:
        self._frame = frame
        self._source = source
        self._watch = watch
        self._lease = lease
        self._staging = Staging(job_id=watch.job_id)

    async def read(self, now: datetime) -> Reading:
        """Return what was read. References are read before what they refer to, so that a user who was assigned just now is known.

        Raises ``SourceError`` when any part could not be read to its end, ``LeaseLostError`` when another process took over.
        """
        roles = tuple(await self._source.read_roles())
        digest, listed = await self._assignments()
        links = {stream: await self._changes(stream) for stream in (Stream.GROUPS, Stream.USERS)}
        await self._point_reads(now)
        return Reading(roles=roles, digest=digest, listed=listed, links=links, staging=self._staging)

    async def _assignments(self) -> tuple[bytes, bool]:
        for _ in range(MOST_RESTARTS):
            try:
                return await self._listing()
            except RestartRoundError:
                _log.info("listing restarted", action="restart_round", job_id=self._watch.job_id)
                async with self._frame.connection() as connection:
                    await self._staging.discard(connection, "assignments")
        raise SourceUnavailableError("Microsoft Graph refuses the pages of its own listing again and again")

    async def _listing(self) -> tuple[bytes, bool]:
        digest, held, staging = ListingDigest(), list[Sequence[AssignmentRow]](), False
        async for rows in self._source.read_assignments():
            self._lease.check()
            digest.add(rows)
            held.append(rows)
            if staging or len(held) > HELD_PAGES:
                staging = True
                await self._stage(held)
        value = digest.value()
        listed = value != self._watch.listing_digest
        if listed:
            await self._stage(held)
        elif staging:
            async with self._frame.connection() as connection:
                await self._staging.discard(connection, "assignments")
        return value, listed

    async def _stage(self, held: list[Sequence[AssignmentRow]]) -> None:
        async with self._frame.connection() as connection:
            for rows in held:
                if rows:
                    await self._staging.stage_assignments(connection, rows)
        held.clear()

    async def _changes(self, stream: Stream) -> str:
        link = self._watch.links[stream]
        tables = ("groups", "members") if stream is Stream.GROUPS else ("users",)
        for _ in range(MOST_RESTARTS):
            if link is None:
                self._staging.full.add(stream)
            try:
                following = await self._round(stream, link)
                if stream is Stream.GROUPS and link is None:
                    await self._unsaid_members()
                return following
            except RestartRoundError:
                _log.info("round restarted", action="restart_round", job_id=self._watch.job_id, stream=stream)
            except ResyncError:
                _log.warning("stream is read anew", action="resync", job_id=self._watch.job_id, stream=stream)
                link = None
            async with self._frame.connection() as connection:
                await self._staging.discard(connection, *tables)
        raise SourceUnavailableError(f"Microsoft Graph refuses the pages of its own {stream}/delta again and again")

    async def _round(self, stream: Stream, link: str | None) -> str:
        async for page in self._source.read_changes(stream, link):
            self._lease.check()
            if page.records:
                async with self._frame.connection() as connection:
                    await self._staging.stage_changes(connection, stream, page)
            if page.link is not None:
                return page.link
        raise SourceUnavailableError(f"Microsoft Graph ended {stream}/delta without a deltaLink")

    async def _unsaid_members(self) -> None:
        """After a full read: a group that came without members may have lost its last one, or nothing was said of them. Ask."""
        if not self._staging.rows.get("groups"):
            return
        async with self._frame.connection() as connection:
            groups = await connection.fetch(QUERIES.unsaid_members, self._watch.job_id, self._staging.attempt)
        for row in groups:
            async for page in self._source.read_members(row["group_id"]):
                self._lease.check()
                async with self._frame.connection() as connection:
                    await self._staging.stage_changes(connection, Stream.GROUPS, page)

    async def _point_reads(self, now: datetime) -> None:
        """Ask one by one for users that an assignment names but the stream did not give, or that a full read did not show."""
        async with self._frame.connection() as connection:
            due = await connection.fetch(QUERIES.due_users, self._watch.job_id, now, MOST_POINT_READS)
        missing = []
        for user in due:
            self._lease.check()
            body = await self._source.read_user(user["user_id"])
            if body is None and not user["mirrored"]:
                missing.append(user["user_id"])
                continue
            async with self._frame.connection() as connection:
                await self._staging.stage_user(connection, user["user_id"], body)
        if missing:
            async with self._frame.connection() as connection:
                await connection.execute(QUERIES.postpone_users, self._watch.job_id, missing, now)
