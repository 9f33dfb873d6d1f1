"""PostgreSQL: one pool for each process, bound to the service's own schema; opened by waiting, never by failing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg

from shared.runtime.health import Health
from shared.runtime.settings import Settings

Connection = Any
"""An asyncpg connection, plain or from a pool: they share no type that mypy knows."""

RETRY_SECONDS = 0.5

TRANSIENT_ERRORS: tuple[type[BaseException], ...] = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # The state machine of a connection that died under a statement: seen when the connection is given back to the pool.
    asyncpg.InternalClientError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.SerializationError,
    asyncpg.DeadlockDetectedError,
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.QueryCanceledError,
    asyncpg.ReadOnlySQLTransactionError,
    OSError,
    TimeoutError,
)
"""Errors that pass by themselves: the same statement may succeed later, so nothing is dead-lettered because of them."""


def schema_of(service: str) -> str:
    """Return the PostgreSQL schema that ``service`` owns."""
    return service.replace("-", "_")


class Database:
    """The pool of one service. Every connection has the service's schema as its search path."""

    def __init__(self, service: str, settings: Settings, health: Health) -> None:
        self._settings = settings
        self._health = health
        self.service = service
        self.schema = schema_of(service)
        self._pool: Any = None

    async def open(self) -> None:
        """Open the pool; while PostgreSQL is away, wait and say so."""
        while self._pool is None:
            try:
                self._pool = await asyncpg.create_pool(
                    min_size=1,
                    max_size=self._settings.database_pool_connections,
                    max_inactive_connection_lifetime=300,
                    **self._options(),
                )
            except asyncpg.InvalidPasswordError:
                self._health.wait_for(
                    "postgresql", "PostgreSQL refuses the user or password in SEATKEEPER_DATABASE_URL"
                )
                await asyncio.sleep(RETRY_SECONDS)
            except TRANSIENT_ERRORS as error:
                self._health.wait_for("postgresql", f"PostgreSQL cannot be reached ({type(error).__name__})")
                await asyncio.sleep(RETRY_SECONDS)
        self._health.arrived("postgresql")

    async def close(self) -> None:
        """Close the pool; statements under way get a short time to end."""
        if self._pool is not None:
            try:
                async with asyncio.timeout(5):
                    await self._pool.close()
            except TimeoutError:
                self._pool.terminate()
            self._pool = None

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Connection]:
        """Lend one connection of the pool."""
        async with self._pool.acquire(timeout=self._settings.database_command_timeout_seconds) as connection:
            yield connection

    @asynccontextmanager
    async def dedicated(self) -> AsyncIterator[Connection]:
        """Lend a connection outside the pool, for LISTEN and session locks; it is closed afterwards."""
        connection = await asyncpg.connect(**self._options())
        try:
            yield connection
        finally:
            connection.terminate()

    def _options(self) -> dict[str, Any]:
        return {
            "dsn": self._settings.database_url.get_secret_value(),
            "command_timeout": self._settings.database_command_timeout_seconds,
            "timeout": 10,
            "server_settings": {
                "application_name": f"seatkeeper-{self.service}",
                "search_path": self.schema,
                "jit": "off",
            },
        }
