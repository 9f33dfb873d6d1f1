"""What one test leaves in a database is not there for the next."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from deploy.embedded.servers import Servers
from tests.support.databases import Databases
from tests.support.eventually import eventually

ROW = "INSERT INTO diff.outbox (topic, headers) VALUES ('t', '{}') RETURNING id"


@pytest.fixture(scope="module")
async def pool(servers: Servers) -> AsyncIterator[Databases]:
    """Of its own: nobody else has a database of it."""
    own = Databases(servers.database_url)
    yield own
    await own.drop()


async def test_rows_sequences_and_sessions_of_one_test_are_gone_in_the_next(pool: Databases) -> None:
    async with pool.one() as first:
        left_open = await asyncpg.connect(first)
        assert await left_open.fetchval(ROW) == 1
    await eventually(left_open.is_closed, within=5)
    async with pool.one() as second:
        connection = await asyncpg.connect(second)
        assert second == first
        assert await connection.fetchval("SELECT count(*) FROM diff.outbox") == 0
        assert await connection.fetchval("SELECT count(*) FROM diff.migration") > 0
        assert await connection.fetchval(ROW) == 1
        await connection.close()


@pytest.mark.parametrize(
    "change",
    [
        "ALTER TABLE diff.outbox ALTER topic DROP NOT NULL",
        "CREATE TABLE public.leftover (id int)",
        "UPDATE diff.migration SET sha256 = 'other'",
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET work_mem = ''1MB''', current_database()); END $$",
    ],
)
async def test_a_database_that_a_test_changed_is_not_used_again(pool: Databases, change: str) -> None:
    async with pool.one() as first:
        connection = await asyncpg.connect(first)
        await connection.execute(change)
        await connection.close()
    async with pool.one() as second:
        assert second != first
