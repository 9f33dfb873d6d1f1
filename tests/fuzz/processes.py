"""A watcher's process in this one: its own frame and its own connections, which can die or sleep at any statement."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any
from uuid import uuid4

from services.assignment_watcher.sources.opening import JobSources
from shared.runtime import leases
from shared.runtime.database import Database
from shared.runtime.frame import Frame
from shared.runtime.health import Health
from tests.fuzz.client import PATIENCE, WatchedHttp


class ProcessDiedError(BaseException):
    """The process is dead: no code of the watcher may catch this."""


class Process:
    """One process. ``at`` and ``happening`` say what happens at which statement from now on; see ``plan``."""

    def __init__(self, database: Database, settings: Any) -> None:
        self.owner = uuid4().hex
        self.statements = 0
        self.dead = False
        self.http = WatchedHttp()
        self.sources = JobSources(self.http, PATIENCE)
        self.frame = Frame(
            name=database.service,
            settings=settings,
            health=Health(),
            database=Connections(self, database),  # type: ignore[arg-type] # the part of a database that a frame uses
        )
        self.lent: set[Any] = set()
        self._opened: tuple[int, Any] = (0, None)
        self._at = 0
        self._before: Callable[[], Awaitable[None]] | None = None
        self._after: Callable[[], Awaitable[None]] | None = None

    def plan(
        self,
        statement: int,
        *,
        before: Callable[[], Awaitable[None]] | None = None,
        after: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """Let something happen before or after a statement, counted from now."""
        self._at, self._before, self._after = self.statements + statement, before, after

    def forget_plan(self) -> None:
        """Let nothing happen any more."""
        self._at = 0

    def source(self, job: Any) -> Any:
        """The opened source, kept until the definition changes, as the service does."""
        if self._opened[0] != job.version:
            self._opened = (job.version, self.sources.open(self.frame, job))
        return self._opened[1]

    async def die(self) -> None:
        """End as SIGKILL would: connections break, and what was not committed is gone."""
        self.dead = True
        for connection in list(self.lent):
            connection.terminate()
        raise ProcessDiedError

    async def run(self, statement: Callable[[], Awaitable[Any]]) -> Any:
        """Execute one statement."""
        if self.dead:
            raise ProcessDiedError
        self.statements += 1
        due = self.statements == self._at
        if due and self._before is not None:
            await self._before()
        try:
            result = await statement()
        except BaseException:
            if self.dead:
                raise ProcessDiedError from None
            raise
        if self.dead:
            raise ProcessDiedError
        if due and self._after is not None:
            await self._after()
        return result

    def gate_seconds(self) -> float:
        """How long the process still has to wait because it was throttled."""
        return max((gate.remaining for gate in self.sources._gates.values()), default=0.0)

    async def close(self) -> None:
        """Close its connections to the source."""
        await self.sources.close()


class Connections:
    """The database of one process, on a pool that all processes of a test share."""

    def __init__(self, process: Process, database: Database) -> None:
        self._process = process
        self._database = database
        self.service = database.service
        self.schema = database.schema

    @asynccontextmanager
    async def connection(self) -> AsyncIterator[Any]:
        if self._process.dead:
            raise ProcessDiedError
        async with self._database.connection() as connection:
            self._process.lent.add(connection)
            try:
                yield Connection(self._process, connection)
            finally:
                self._process.lent.discard(connection)


class Connection:
    """A connection whose every statement is a boundary, its BEGIN and COMMIT among them."""

    def __init__(self, process: Process, connection: Any) -> None:
        self._process = process
        self._connection = connection

    def _mine(self, arguments: tuple[Any, ...]) -> tuple[Any, ...]:
        # Every process has an owner of leases of its own; here they all live in one.
        return tuple(self._process.owner if value == leases.OWNER else value for value in arguments)

    async def execute(self, *arguments: Any, **more: Any) -> Any:
        return await self._process.run(lambda: self._connection.execute(*self._mine(arguments), **more))

    async def fetch(self, *arguments: Any, **more: Any) -> Any:
        return await self._process.run(lambda: self._connection.fetch(*self._mine(arguments), **more))

    async def fetchrow(self, *arguments: Any, **more: Any) -> Any:
        return await self._process.run(lambda: self._connection.fetchrow(*self._mine(arguments), **more))

    async def fetchval(self, *arguments: Any, **more: Any) -> Any:
        return await self._process.run(lambda: self._connection.fetchval(*self._mine(arguments), **more))

    async def cursor(self, *arguments: Any, **more: Any) -> "Cursor":
        async def opened() -> Any:
            return await self._connection.cursor(*arguments, **more)

        return Cursor(self._process, await self._process.run(opened))

    def transaction(self) -> "Block":
        return Block(self._process, self._connection.transaction())


class Cursor:
    """A cursor whose every fetch is a boundary."""

    def __init__(self, process: Process, cursor: Any) -> None:
        self._process = process
        self._cursor = cursor

    async def fetch(self, *arguments: Any, **more: Any) -> Any:
        return await self._process.run(lambda: self._cursor.fetch(*arguments, **more))


class Block:
    """A transaction, or a savepoint in one."""

    def __init__(self, process: Process, transaction: Any) -> None:
        self._process = process
        self._transaction = transaction

    async def __aenter__(self) -> None:
        await self._process.run(self._transaction.start)

    async def __aexit__(self, kind: Any, error: Any, traceback: Any) -> None:
        if self._process.dead:
            return
        await self._process.run(self._transaction.commit if kind is None else self._transaction.rollback)
