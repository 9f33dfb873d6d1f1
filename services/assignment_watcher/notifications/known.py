"""Which client states are known, in memory: the endpoint compares without asking PostgreSQL for each request."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from services.assignment_watcher.sources.source import Stream
from shared.runtime.database import TRANSIENT_ERRORS

READ_EVERY_SECONDS: Final = 0.5
"""Digests are read at most so often, whatever strangers send."""

Digests = Mapping[str, Mapping[Stream, bytes]]


class Known:
    """The digests of all client states, read again when something does not fit: another process may have made a subscription just now."""

    def __init__(self, read: Callable[[], Awaitable[Digests]]) -> None:
        self._read = read
        self._digests: Digests = {}
        self._read_at = -READ_EVERY_SECONDS
        self._reading: asyncio.Task[None] | None = None

    def of(self, job_id: str) -> Mapping[Stream, bytes]:
        """Return the digests of one job as they were last read; none for a job without subscriptions."""
        return self._digests.get(job_id, {})

    async def refresh(self) -> None:
        """Read the digests as they are now. Everybody who waits shares one reading; while PostgreSQL is away the old ones stay."""
        if self._reading is None:
            self._reading = asyncio.create_task(self._refresh(), name="read digests")
        await asyncio.shield(self._reading)

    async def _refresh(self) -> None:
        # The wait comes first: what joins meanwhile sees everything that was committed before it came.
        await asyncio.sleep(max(0.0, self._read_at + READ_EVERY_SECONDS - time.monotonic()))
        self._reading = None
        self._read_at = time.monotonic()
        try:
            self._digests = await self._read()
        except TRANSIENT_ERRORS:
            return
