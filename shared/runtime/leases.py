"""Leases: one process works on one thing at a time. A lease has an epoch, so that a process that was asleep is told apart."""

import asyncio
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import uuid4

from shared.runtime.database import TRANSIENT_ERRORS, Connection, Database
from shared.runtime.errors import LeaseLostError
from shared.runtime.jobs import QUERIES

LEASE_SECONDS = 10.0
RENEW_SECONDS = 3.0
SAFETY_SECONDS = 2.0
"""How long before its end a lease is no longer used: more than any request may take between the check and the wire."""

OWNER = f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


class Lease:
    """A lease that this process holds, or held."""

    def __init__(self, name: str, epoch: int, taken_at: float) -> None:
        self.name = name
        self.epoch = epoch
        self._until = taken_at + LEASE_SECONDS - SAFETY_SECONDS

    @property
    def held(self) -> bool:
        """Return whether the lease may still be used: a process that slept through it sees that at once."""
        return time.monotonic() < self._until

    def check(self) -> None:
        """Raise ``LeaseLostError`` unless the lease may still be used."""
        if not self.held:
            raise LeaseLostError(self.name)

    async def fence(self, connection: Connection) -> None:
        """Inside a transaction: raise ``LeaseLostError`` unless the lease is still ours, and keep it so until the commit."""
        if await connection.fetchval(QUERIES.check_lease, self.name, OWNER, self.epoch) is None:
            self.lose()
            raise LeaseLostError(self.name)

    def extend(self, taken_at: float) -> None:
        """Note that the lease was renewed by a statement sent at ``taken_at`` (monotonic seconds)."""
        self._until = taken_at + LEASE_SECONDS - SAFETY_SECONDS

    def lose(self) -> None:
        """Give the lease up in this process."""
        self._until = 0.0


async def _take(database: Database, name: str) -> tuple[int | None, float]:
    taken_at = time.monotonic()
    async with database.connection() as connection:
        epoch: int | None = await connection.fetchval(QUERIES.take_lease, name, OWNER, timedelta(seconds=LEASE_SECONDS))
    return epoch, taken_at


@asynccontextmanager
async def lease(database: Database, name: str) -> AsyncIterator[Lease | None]:
    """Try to take the lease ``name``; yields it, or nothing when another process holds it. It is renewed while the block runs."""
    epoch, taken_at = await _take(database, name)
    if epoch is None:
        yield None
        return
    mine = Lease(name, epoch, taken_at)
    renewing = asyncio.create_task(_renew(database, mine), name=f"renew {name}")
    try:
        yield mine
    finally:
        renewing.cancel()
        await asyncio.gather(renewing, return_exceptions=True)
        try:
            async with database.connection() as connection:
                await connection.execute(QUERIES.release_lease, name, OWNER, mine.epoch)
        except TRANSIENT_ERRORS:
            mine.lose()  # it runs out by itself


async def _renew(database: Database, mine: Lease) -> None:
    while True:
        await asyncio.sleep(RENEW_SECONDS)
        try:
            epoch, taken_at = await _take(database, mine.name)
        except TRANSIENT_ERRORS:
            continue  # the lease runs out by itself if this lasts
        if epoch != mine.epoch:
            mine.lose()
            return
        mine.extend(taken_at)
