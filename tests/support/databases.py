"""Databases for tests. Each test has one for itself; the next test gets it emptied, because making one costs more than most tests."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from urllib.parse import urlsplit, urlunsplit

import asyncpg

from shared.contracts.topics import SERVICES
from shared.runtime.database import schema_of
from shared.runtime.migrations import migrate

_SCHEMAS = [schema_of(service) for service in SERVICES]
_TABLES = "SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text = ANY($1)"
_REFERENCES = """SELECT conrelid::regclass::text AS from_, confrelid::regclass::text AS to_ FROM pg_constraint
    WHERE contype = 'f' AND connamespace::regnamespace::text = ANY($1)"""
_MIGRATIONS = " UNION ALL ".join(f'SELECT * FROM "{schema}".migration' for schema in _SCHEMAS)
# Every column, constraint, trigger, function, setting and migration: what a test may change beside rows.
_SHAPE = f"""SELECT md5(string_agg(part, ',' ORDER BY part)) FROM (
    SELECT concat('schema ', nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast|temp)'
    UNION ALL SELECT concat('column ', attrelid::regclass, attname, atttypid, attnotnull, atthasdef, attisdropped, relpersistence)
        FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid WHERE relnamespace::regnamespace::text !~ '^(pg_|information_schema)'
    UNION ALL SELECT concat('constraint ', conrelid::regclass, conname, contype) FROM pg_constraint
    UNION ALL SELECT concat('trigger ', tgrelid::regclass, tgname, tgenabled) FROM pg_trigger
    UNION ALL SELECT concat('function ', oid, proname) FROM pg_proc WHERE pronamespace::regnamespace::text !~ '^(pg_|information_schema)'
    UNION ALL SELECT concat('setting ', setrole, setconfig) FROM pg_db_role_setting
        WHERE setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL SELECT concat('migration ', origin, number, sha256) FROM ({_MIGRATIONS}) AS migration) AS shape (part)"""
_END_SESSIONS = """SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""
_START_SEQUENCES = """SELECT setval(format('%I.%I', schemaname, sequencename)::regclass, start_value, false)
    FROM pg_sequences WHERE last_value IS NOT NULL"""


@dataclass(slots=True)
class Databases:
    """Databases on one server, with the schemas of every service and no row. One whose shape a test changed is not used again."""

    server_url: str = field(repr=False)
    _free: list[str] = field(default_factory=list)
    _shape: str = ""
    _delete: str = ""

    @asynccontextmanager
    async def one(self) -> AsyncIterator[str]:
        """The URL of a database that nobody else has; sessions that are left open are ended."""
        name = self._free.pop() if self._free else await self._made()
        usable = False
        try:
            yield _url(self.server_url, name)
            usable = await self._emptied(name)
        finally:
            if usable:
                self._free.append(name)
            else:
                await _drop(self.server_url, name)

    async def drop(self) -> None:
        """Leave nothing on the server."""
        while self._free:
            await _drop(self.server_url, self._free.pop())

    async def _made(self) -> str:
        name = await _create(self.server_url)
        connection = await asyncpg.connect(_url(self.server_url, name))
        try:
            for service in SERVICES:
                await migrate(connection, service)
            self._shape = await connection.fetchval(_SHAPE)
            self._delete = ";".join(f"DELETE FROM {table}" for table in await _referencing_first(connection))
        finally:
            await connection.close()
        return name

    async def _emptied(self, name: str) -> bool:
        connection = await asyncpg.connect(_url(self.server_url, name))
        try:
            await connection.execute(_END_SESSIONS)
            if await connection.fetchval(_SHAPE) != self._shape:
                return False
            await connection.execute(f"{self._delete};{_START_SEQUENCES}")
        finally:
            await connection.close()
        return True


@asynccontextmanager
async def fresh_database(server_url: str) -> AsyncIterator[str]:
    """The URL of a new database on that server with no schema at all; dropped at the end even when sessions are left open."""
    name = await _create(server_url)
    try:
        yield _url(server_url, name)
    finally:
        await _drop(server_url, name)


def _url(server_url: str, name: str) -> str:
    return urlunsplit(urlsplit(server_url)._replace(path=f"/{name}"))


async def _referencing_first(connection: asyncpg.Connection) -> list[str]:
    graph: TopologicalSorter[str] = TopologicalSorter()
    for row in await connection.fetch(_TABLES, _SCHEMAS):
        if not row[0].endswith(".migration"):
            graph.add(row[0])
    for row in await connection.fetch(_REFERENCES, _SCHEMAS):
        graph.add(row["to_"], row["from_"])
    return list(graph.static_order())


async def _create(server_url: str) -> str:
    name = f"test_{uuid.uuid4().hex}"
    await _administer(server_url, f'CREATE DATABASE "{name}"')
    return name


async def _drop(server_url: str, name: str) -> None:
    """Drop a database even when sessions are left open."""
    await _administer(server_url, f'DROP DATABASE "{name}" WITH (FORCE)')


async def _administer(url: str, statement: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.execute(statement)
    finally:
        await connection.close()
