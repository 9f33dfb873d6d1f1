"""What a running service has at hand: its database, its jobs, its secrets, its health; given to handlers' owners and background loops."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from functools import cached_property

from shared.runtime.database import Connection, Database
from shared.runtime.health import Health
from shared.runtime.jobs import Job, Jobs
from shared.runtime.leases import Lease, lease
from shared.runtime.secrets import SecretBox
from shared.runtime.settings import Settings
from shared.runtime.transaction import Transaction, transaction


@dataclass
class Frame:
    """The frame of one service process."""

    name: str
    settings: Settings
    health: Health
    database: Database
    jobs: Jobs = field(default_factory=Jobs)
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    working: bool = False
    outbox_filled: asyncio.Event = field(default_factory=asyncio.Event)

    @cached_property
    def secrets(self) -> SecretBox:
        """Return the box for job secrets; raises ``StartRefusedError`` when no secret key is set."""
        return SecretBox(self.settings.secret_key_bytes())

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Open a transaction whose emitted messages are published after its commit."""
        async with transaction(self.database, self.jobs) as tx:
            yield tx
        self.outbox_filled.set()

    def connection(self) -> AbstractAsyncContextManager[Connection]:
        """Lend a connection for reading."""
        return self.database.connection()

    def lease(self, name: str) -> AbstractAsyncContextManager[Lease | None]:
        """Try to take a lease; see ``shared.runtime.leases``."""
        return lease(self.database, name)

    async def list_jobs(self) -> list[Job]:
        """Return every job that this service knows."""
        async with self.connection() as connection:
            return await self.jobs.list(connection)

    async def pause(self, seconds: float) -> bool:
        """Wait ``seconds`` or until the service is to stop; return whether it is to stop."""
        try:
            async with asyncio.timeout(seconds):
                await self.stopping.wait()
        except TimeoutError:
            return False
        return True
