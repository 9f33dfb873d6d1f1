"""One cycle's reads: roles, assignments, groups, users, and what is asked for one by one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from services.assignment_watcher.mirror.applying import News
from services.assignment_watcher.reading.assignments import Assignments, Listing
from services.assignment_watcher.reading.context import Context
from services.assignment_watcher.reading.following import Following, Limits, Round
from services.assignment_watcher.reading.rechecks import Rechecks
from services.assignment_watcher.roles import counting_roles
from services.assignment_watcher.sources.source import SourceError, Stream
from shared.contracts.assignments import AppRole
from shared.contracts.job import JobSettings

PROGRESS_SECONDS: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What one cycle read: the roles that the application declares, the ids of those that count, and the news for the mirror."""

    roles: tuple[AppRole, ...]
    counting: frozenset[str]
    news: News

    @property
    def unfinished(self) -> bool:
        """Return whether the next cycle has to go on at once: a full read is not complete, or more is due to be asked for."""
        rounds = self.news.rounds.values()
        return self.news.rechecked.more or any(one.shadow is not None and not one.whole for one in rounds)


class Reader:
    """Reads one cycle. Nothing is held back longer than a few pages, whatever the size of the directory."""

    def __init__(
        self, context: Context, settings: JobSettings, limits: Limits, on_progress: Callable[[], Awaitable[None]]
    ) -> None:
        self._source = context.source
        self._watch = context.watch
        self._staging = context.staging
        self._settings = settings
        self._on_progress = on_progress
        self._said_at = time.monotonic()
        self._assignments = Assignments(context)
        self._following = Following(context, limits, self._note)
        self._rechecks = Rechecks(context)

    async def read(self, now: datetime) -> Reading:
        """Return what was read. References are read before what they refer to, so that a user who was assigned just now is known.

        The first time, and after a restart, everything is read at once: each of the three is a chain of pages of its own.
        Raises ``SourceError`` when any part could not be read to its end, ``LeaseLostError`` when another process took over.
        """
        roles = tuple(await self._source.read_roles())
        counting = counting_roles(self._settings.required_roles, roles)
        confirmation = self._settings.removal_confirmation
        if self._watch.initial_completed:
            listing, rounds = await self._in_order(now, confirmation)
        else:
            listing, rounds = await self._at_once(now, confirmation)
        rechecked = await self._rechecks.read(now, confirmation)
        news = News(
            staging=self._staging,
            listing=listing,
            rounds=rounds,
            rechecked=rechecked,
            nested=self._settings.nested_groups,
            now=now,
            confirmation=confirmation,
        )
        return Reading(roles=roles, counting=counting, news=news)

    async def _in_order(self, now: datetime, confirmation: timedelta) -> tuple[Listing | None, dict[Stream, Round]]:
        listing = await self._assignments.read(now, confirmation)
        rounds = {}
        for stream in (Stream.GROUPS, Stream.USERS):
            rounds[stream] = await self._following.read(self._watch.streams[stream], now)
        return listing, rounds

    async def _at_once(self, now: datetime, confirmation: timedelta) -> tuple[Listing | None, dict[Stream, Round]]:
        try:
            async with asyncio.TaskGroup() as group:
                listing = group.create_task(self._assignments.read(now, confirmation))
                tasks = {
                    stream: group.create_task(self._following.read(self._watch.streams[stream], now))
                    for stream in Stream
                }
        except BaseExceptionGroup as failed:
            # Whatever failed first ended the others; an answer of the source explains it best.
            raise next(
                (one for one in failed.exceptions if isinstance(one, SourceError)), failed.exceptions[0]
            ) from None
        return listing.result(), {stream: task.result() for stream, task in tasks.items()}

    async def _note(self) -> None:
        if time.monotonic() - self._said_at >= PROGRESS_SECONDS:
            self._said_at = time.monotonic()
            await self._on_progress()
