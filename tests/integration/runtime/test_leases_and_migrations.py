"""Leases hold one process at a time and fence those that slept; migrations go forward once; a database without them is refused."""

import asyncio
import time
from typing import Any

import asyncpg
import pytest

from shared.contracts.topics import ALLOCATOR
from shared.runtime import leases, migrations
from shared.runtime.errors import LeaseLostError, StartRefusedError
from shared.runtime.frame import Frame
from tests.support.eventually import eventually
from tests.support.frames import opened_frame, settings_for


@pytest.fixture
async def frame(database_url: str) -> Any:
    async with opened_frame(ALLOCATOR, settings_for(database_url)) as opened:
        yield opened


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.6)
    monkeypatch.setattr(leases, "SAFETY_SECONDS", 0.2)
    monkeypatch.setattr(leases, "RENEW_SECONDS", 0.1)


def another_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases, "OWNER", "another:1:x")


async def test_i4_only_one_process_holds_a_lease(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    async with frame.lease("writer/job") as mine:
        assert mine
        mine.check()
        another_process(monkeypatch)
        async with frame.lease("writer/job") as theirs:
            assert theirs is None
        async with frame.lease("writer/other") as other:
            assert other


async def test_a_lease_is_kept_while_its_block_runs(frame: Frame, short: None) -> None:
    async with frame.lease("writer/job") as mine:
        assert mine
        began = time.monotonic()
        await eventually(lambda: time.monotonic() - began > 1.5, within=5)
        mine.check()


async def test_a_lease_is_free_at_once_when_its_holder_ends_well(frame: Frame, monkeypatch: pytest.MonkeyPatch) -> None:
    async with frame.lease("writer/job") as mine:
        assert mine
        first = mine.epoch
    another_process(monkeypatch)
    async with frame.lease("writer/job") as theirs:
        assert theirs
        assert theirs.epoch > first


async def test_i4_a_process_that_was_asleep_can_neither_send_nor_commit(
    frame: Frame, short: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def never(*_: Any) -> None:
        await asyncio.Event().wait()

    monkeypatch.setattr(leases, "_renew", never)
    async with frame.lease("writer/job") as mine:
        assert mine
        await eventually(lambda: not mine.held, within=5)
        with pytest.raises(LeaseLostError):
            mine.check()
        another_process(monkeypatch)

        async def taken_over() -> bool:
            async with frame.lease("writer/job") as theirs:
                if theirs is None:
                    return False
                with pytest.raises(LeaseLostError):
                    async with frame.transaction() as tx:
                        await mine.fence(tx.connection)
                return True

        # The sleeper's own name is used again when it wakes, as it would be in its own process.
        owner = "another:1:x"
        monkeypatch.setattr(leases, "OWNER", owner)
        assert await eventually(taken_over, within=5)


async def test_migrations_are_applied_once(bare_database_url: str) -> None:
    connection = await asyncpg.connect(bare_database_url)
    first = await migrations.migrate(connection, ALLOCATOR)
    assert first[0] == "0001_pre_create_frame.sql"
    assert await migrations.migrate(connection, ALLOCATOR) == []
    await migrations.check_migrated(connection, ALLOCATOR)
    await connection.close()


async def test_two_migrations_at_once_do_not_disturb_each_other(bare_database_url: str) -> None:
    connections = [await asyncpg.connect(bare_database_url) for _ in range(3)]
    applied = await asyncio.gather(*(migrations.migrate(connection, ALLOCATOR) for connection in connections))
    assert sorted(map(bool, applied)) == [False, False, True]
    for connection in connections:
        await connection.close()


async def test_a_database_that_is_not_migrated_is_refused_with_what_to_run(bare_database_url: str) -> None:
    connection = await asyncpg.connect(bare_database_url, server_settings={"search_path": "license_allocator"})
    with pytest.raises(StartRefusedError, match="seatkeeper migrate"):
        await migrations.check_migrated(connection, ALLOCATOR)
    await connection.close()


async def test_an_altered_migration_is_refused(bare_database_url: str) -> None:
    connection = await asyncpg.connect(bare_database_url)
    await migrations.migrate(connection, ALLOCATOR)
    await connection.execute(
        "UPDATE license_allocator.migration SET sha256 = 'other' WHERE number = 1 AND origin = 'frame'"
    )
    with pytest.raises(StartRefusedError, match="altered"):
        await migrations.migrate(connection, ALLOCATOR)
    await connection.close()
