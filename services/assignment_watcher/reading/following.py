"""Following a stream: the next round of its changes, or a full read aside that goes on where the last cycle or process left it."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from services.assignment_watcher.mirror.staging import TABLES_OF, Staging
from services.assignment_watcher.reading.ahead import ahead
from services.assignment_watcher.reading.context import Context
from services.assignment_watcher.sources.source import (
    RestartRoundError,
    ResyncError,
    SourceUnavailableError,
    Stream,
)
from services.assignment_watcher.streams import Shadow, StreamRow, advance_shadow, begin_shadow, too_old
from shared.runtime.errors import LeaseLostError
from shared.runtime.log import logger

_log = logger(__name__)

MOST_RESTARTS: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """What one cycle read of a stream.

    Either a round of changes that ended with ``link``, or a ``shadow``; a shadow without a link is not complete and is read on next time.
    """

    stream: Stream
    link: str | None = None
    pages: int = 0
    records: int = 0
    shadow: Shadow | None = None

    @property
    def whole(self) -> bool:
        """Return whether a full read is complete, so that it can be applied."""
        return self.shadow is not None and self.shadow.link is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """``slice_seconds``: how long a full read may hold up a cycle (none: until it is complete). ``damper``: time between forced ones."""

    slice_seconds: float | None
    damper: timedelta


class Following:
    """Reads one stream in one cycle. ``on_page`` is called after each page of a full read."""

    def __init__(self, context: Context, limits: Limits, on_page: Callable[[], Awaitable[None]]) -> None:
        self._frame = context.frame
        self._source = context.source
        self._lease = context.lease
        self._staging = context.staging
        self._limits = limits
        self._on_page = on_page

    async def read(self, row: StreamRow, now: datetime) -> Round:
        """Return the round of ``row``. Raises ``SourceError`` when it could not be read to its end."""
        if row.shadow is not None:
            return await self._full(row, row.shadow, now)
        if row.link is None:
            return await self._anew(row, row.resync_reason if row.generation else None, now, forced=False)
        if reason := too_old(row, now):
            return await self._anew(row, reason, now, forced=True)
        for _ in range(MOST_RESTARTS):
            try:
                return await self._changes(row, row.link)
            except RestartRoundError:
                _log.info("round restarted", action="restart_round", job_id=row.job_id, stream=row.stream)
                await self._discard(row.stream)
            except ResyncError as error:
                await self._discard(row.stream)
                return await self._anew(row, str(error), now, forced=True)
        raise SourceUnavailableError(f"the source refuses the pages of its own changes of {row.stream} again and again")

    async def _changes(self, row: StreamRow, link: str) -> Round:
        pages = records = 0
        async for page in ahead(self._source.read_changes(row.stream, link)):
            self._lease.check()
            pages, records = pages + 1, records + page.records
            if page.records:
                async with self._frame.connection() as connection:
                    await self._staging.stage_changes(connection, row.stream, page.body)
            if page.link is not None:
                return Round(stream=row.stream, link=page.link, pages=pages, records=records)
        raise SourceUnavailableError(f"the source ended a round of {row.stream} without a link to go on")

    async def _discard(self, stream: Stream) -> None:
        async with self._frame.connection() as connection:
            await self._staging.discard(connection, *TABLES_OF[stream])

    async def _anew(self, row: StreamRow, reason: str | None, now: datetime, *, forced: bool) -> Round:
        if forced and row.resynced_at is not None and now - row.resynced_at < self._limits.damper:
            hours = self._limits.damper.total_seconds() / 3600
            raise SourceUnavailableError(
                f"{row.stream} must be read from the beginning again ({reason}), which is done once in {hours:g} hours at most"
            )
        if reason:
            _log.warning("resync", action="resync", job_id=row.job_id, stream=row.stream, reason=reason)
        async with self._frame.connection() as connection:
            shadow = await begin_shadow(connection, row, reason=reason, now=now, forced=forced)
        return await self._full(row, shadow, now)

    async def _full(self, row: StreamRow, shadow: Shadow, now: datetime) -> Round:
        until = None if self._limits.slice_seconds is None else time.monotonic() + self._limits.slice_seconds
        for _ in range(MOST_RESTARTS):
            try:
                shadow = await self._read_on(row, shadow, now, until)
                if shadow.link is not None:
                    await self._check(row, shadow)
                return Round(stream=row.stream, pages=shadow.pages, records=shadow.records, shadow=shadow)
            except (RestartRoundError, ResyncError, LeaseLostError) as error:
                if isinstance(error, LeaseLostError) and not self._lease.held:
                    raise
                _log.info("full read restarted", action="restart_round", job_id=row.job_id, stream=row.stream)
                async with self._frame.connection() as connection:
                    shadow = await begin_shadow(
                        connection, replace(row, shadow=shadow), reason=row.resync_reason, now=now, forced=False
                    )
        raise SourceUnavailableError(
            f"the source refuses the pages of its own full read of {row.stream} again and again"
        )

    async def _read_on(self, row: StreamRow, shadow: Shadow, now: datetime, until: float | None) -> Shadow:
        if shadow.link is not None:
            return shadow
        staging = self._shadow_staging(row, shadow)
        async for page in ahead(self._source.read_changes(row.stream, None, page=shadow.following)):
            self._lease.check()
            async with self._frame.connection() as connection, connection.transaction():
                await staging.stage_changes(connection, row.stream, page.body)
                shadow = await advance_shadow(connection, row, shadow, page, rows=dict(staging.rows), now=now)
            await self._on_page()
            if shadow.link is not None or (until is not None and time.monotonic() > until):
                return shadow
        raise SourceUnavailableError(f"the source ended a full read of {row.stream} without a link to go on")

    def _shadow_staging(self, row: StreamRow, shadow: Shadow) -> Staging:
        return Staging(job_id=row.job_id, alive=self._staging.alive, attempt=shadow.attempt, rows=dict(shadow.rows))

    async def _check(self, row: StreamRow, shadow: Shadow) -> None:
        async with self._frame.connection() as connection:
            await self._shadow_staging(row, shadow).check(connection)
