"""The listing of assignments: read in full, compared by its digest, and what is missing from it asked for by id."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.assignment_watcher.listing import AssignmentRow, ListingDigest
from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.reading.ahead import ahead
from services.assignment_watcher.reading.context import Context
from services.assignment_watcher.sources.source import RestartRoundError, SourceUnavailableError
from shared.runtime.log import logger

_log = logger(__name__)

HELD_PAGES: Final = 4
"""Pages of a listing that are kept in memory until it is known whether the listing is news; a longer one is staged as it comes."""
MOST_RESTARTS: Final = 3
MOST_POINT_READS: Final = 1_000
LONG_LISTING_SECONDS: Final = 20.0
"""A listing that takes longer is not read in each cycle, but about five times its own duration apart."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What a listing said. ``news``: its rows were staged, because they differ from those of the last one.

    ``gone`` were absent from two listings at least the confirmation time apart, and from a read by their id; ``still`` were absent from
    the listings, but a read by id found them.
    """

    digest: bytes
    rows: int
    pages: int
    seconds: float
    news: bool
    gone: tuple[str, ...] = ()
    still: tuple[str, ...] = ()


class Assignments:
    """Reads the listing of one cycle."""

    def __init__(self, context: Context) -> None:
        self._frame = context.frame
        self._source = context.source
        self._watch = context.watch
        self._lease = context.lease
        self._staging = context.staging

    async def read(self, now: datetime, confirmation: timedelta) -> Listing | None:
        """Return the listing, or nothing when it takes so long that it is not due again yet."""
        if self._not_due(now):
            return None
        for _ in range(MOST_RESTARTS):
            try:
                listing = await self._listing()
                return await self._confirmed(listing, now - confirmation) if self._watch.suspects else listing
            except RestartRoundError:
                _log.info("listing restarted", action="restart_round", job_id=self._watch.job_id)
                async with self._frame.connection() as connection:
                    await self._staging.discard(connection, "assignments")
        raise SourceUnavailableError("the source refuses the pages of its own listing of assignments again and again")

    def _not_due(self, now: datetime) -> bool:
        seconds, listed_at = self._watch.listing_seconds, self._watch.listed_at
        if not self._watch.initial_completed or listed_at is None or seconds < LONG_LISTING_SECONDS:
            return False
        return now < listed_at + timedelta(seconds=5 * seconds)

    async def _listing(self) -> Listing:
        began = time.monotonic()
        digest, held, staging, pages = ListingDigest(), list[Sequence[AssignmentRow]](), False, 0
        async for rows in ahead(self._source.read_assignments()):
            self._lease.check()
            digest.add(rows)
            pages += 1
            held.append(rows)
            if staging or len(held) > HELD_PAGES:
                staging = True
                await self._stage(held)
        value = digest.value()
        news = value != self._watch.listing_digest
        if news:
            await self._stage(held)
        elif staging:
            async with self._frame.connection() as connection:
                await self._staging.discard(connection, "assignments")
        return Listing(digest=value, rows=digest.rows, pages=pages, seconds=time.monotonic() - began, news=news)

    async def _stage(self, held: list[Sequence[AssignmentRow]]) -> None:
        async with self._frame.connection() as connection:
            for rows in held:
                if rows:
                    await self._staging.stage_assignments(connection, rows)
        held.clear()

    async def _confirmed(self, listing: Listing, believed_before: datetime) -> Listing:
        """Ask by id for what is missing since then. What this listing shows again is no suspect any more."""
        async with self._frame.connection() as connection:
            query = QUERIES.absent_suspects if listing.news else QUERIES.confirmable_suspects
            more = (self._staging.attempt,) if listing.news else ()
            rows = await connection.fetch(query, self._watch.job_id, believed_before, MOST_POINT_READS, *more)
        asked = [row["assignment_id"] for row in rows]
        if not asked:
            return listing
        found = await self._source.find_assignments(asked)
        return replace(
            listing,
            gone=tuple(one for one in asked if one not in found),
            still=tuple(one for one in asked if one in found),
        )
