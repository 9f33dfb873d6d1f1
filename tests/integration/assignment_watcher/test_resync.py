"""Full reads aside: dead links, links that get old, other attributes, crashes in the middle; nobody is removed by one answer."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.assignment_watcher.sources.source import SourceUnavailableError
from shared.contracts.assignments import Lifecycle
from shared.contracts.message import ObjectType
from shared.contracts.source import StreamPhase
from shared.runtime.jobs import Job
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watcher, agree


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=40, groups=4) as running:
        [group, *_] = await running.groups()
        await running.assign(group["id"], kind="Group")
        for user in (await running.users())[:6]:
            await running.assign(user)
        yield running


@pytest.fixture
async def watcher(database_url: str, tenant: Tenant) -> AsyncIterator[Watcher]:
    async with a_watcher(database_url, tenant) as opened:
        await opened.cycle()
        yield opened


async def expire(tenant: Tenant, shape: str = "410") -> None:
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta", "shape": shape})


async def test_a_resync_goes_on_over_several_cycles_while_the_old_state_serves(
    watcher: Watcher, tenant: Tenant
) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"pageSize": 5})
    watcher.policy, watcher.alone = {"slice_seconds": 0.0}, True
    await expire(tenant)
    joiner = (await tenant.users())[30]
    await tenant.assign(joiner)
    await watcher.cycle()
    assert watcher.last is not None
    assert watcher.last.unfinished
    said = await watcher.said()
    assert joiner in said.effective(), "the other streams and the old state go on serving"
    await agree(watcher)
    for _ in range(30):
        if not watcher.last.unfinished:
            break
        async with watcher.frame.connection() as connection:
            doubted = await connection.fetchval("SELECT count(*) FROM recheck")
        assert not doubted, "nobody is doubted before the last page is there"
        await watcher.cycle()
    await watcher.cycles(2)
    await agree(watcher)
    watcher.now += timedelta(minutes=2)
    streams = {stream.stream: stream for stream in (await watcher.cycles(1)).state.streams}
    assert streams["users"].generation == 2
    assert streams["users"].phase is StreamPhase.LIVE
    assert streams["users"].resync_reason


async def test_a_full_read_that_was_interrupted_goes_on_where_it_was(database_url: str, tenant: Tenant) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"pageSize": 5})
    async with a_watcher(database_url, tenant) as watcher:
        fault = await tenant.fault("users/delta", "status", status=500, nth=5, times=None)
        with pytest.raises(SourceUnavailableError):
            await watcher.cycle()
        await tenant.ask("DELETE", f"/_sim/faults/{fault}")
        await tenant.ask("DELETE", "/_sim/journal")
        await watcher.cycle()
        requests = (await tenant.ask("GET", "/_sim/journal"))["requests"]
        assert requests["users/delta"]["count"] <= 8 - 3
        await watcher.cycle()
        await agree(watcher)


async def test_a_page_link_that_died_in_the_meantime_starts_the_full_read_anew(
    database_url: str, tenant: Tenant
) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"pageSize": 5})
    async with a_watcher(database_url, tenant) as watcher:
        fault = await tenant.fault("users/delta", "status", status=500, nth=5, times=None)
        with pytest.raises(SourceUnavailableError):
            await watcher.cycle()
        await tenant.ask("DELETE", f"/_sim/faults/{fault}")
        await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "page"})
        await watcher.cycles(2)
        await agree(watcher)


async def test_who_is_missing_from_a_full_read_is_removed_only_after_two_more_answers(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    await expire(tenant)
    await tenant.tx({"op": "hardDeleteUser", "userId": users[0]}, {"op": "softDeleteUser", "userId": users[1]})
    await tenant.ask("POST", "/_sim/knobs", {"hideSoftDeletedAssignments": False})
    await watcher.cycle()
    latest = (await watcher.said()).latest()
    assert latest[users[0]].assigned
    assert latest[users[1]].lifecycle is Lifecycle.LIVE
    await watcher.cycle()
    latest = (await watcher.said()).latest()
    assert latest[users[0]].lifecycle is Lifecycle.LIVE, "one answer that does not know it is not enough"
    await watcher.cycles(4)
    latest = (await watcher.said()).latest()
    assert latest[users[0]].lifecycle is Lifecycle.HARD_DELETED
    assert latest[users[1]].lifecycle is Lifecycle.SOFT_DELETED
    await agree(watcher)


async def test_a_full_read_that_loses_a_page_removes_nobody(watcher: Watcher, tenant: Tenant) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"pageSize": 5})
    before = (await watcher.said()).ids_of("assignment.v1")
    await expire(tenant)
    for path in ("users/delta", "groups/delta"):
        await tenant.fault(path, "dropPage", nth=2)
    await watcher.cycles(5)
    assert (await watcher.said()).ids_of("assignment.v1") == before


async def test_a_second_dead_link_within_hours_is_an_alarm_and_not_another_full_read(
    watcher: Watcher, tenant: Tenant
) -> None:
    watcher.policy = {"damper": timedelta(hours=6)}
    await expire(tenant)
    await watcher.cycle()
    await expire(tenant)
    with pytest.raises(SourceUnavailableError, match="once in 6 hours"):
        await watcher.cycle()
    watcher.now += timedelta(hours=6)
    await watcher.cycle()
    await agree(watcher)


async def test_a_link_is_renewed_before_it_dies(watcher: Watcher, tenant: Tenant) -> None:
    before = (await watcher.said()).ids_of("assignment.v1")
    watcher.now += timedelta(days=5, hours=1)
    await tenant.ask("DELETE", "/_sim/journal")
    said = await watcher.cycles(1)
    assert said.ids_of("assignment.v1") == before
    assert "5 days old" in str([stream.resync_reason for stream in said.state.streams])


async def test_other_attributes_are_a_new_round_without_a_removal(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    usual = Job.source_attributes

    def wanted(job: Job, object_type: ObjectType) -> tuple[str, ...]:
        return (
            (*usual(job, object_type), "officeLocation") if object_type is ObjectType.USER else usual(job, object_type)
        )

    monkeypatch.setattr(Job, "source_attributes", wanted)
    await tenant.tx(
        {"op": "updateUser", "userId": (await tenant.users())[0], "properties": {"officeLocation": "Pier 4"}}
    )
    watcher.sources_opened_anew()
    watcher.now += timedelta(minutes=2)
    said = await watcher.cycles(2)
    assert all(message.assigned for message in said.assignments)
    assert said.latest()[(await tenant.users())[0]].attributes["officeLocation"] == "Pier 4"
    await agree(watcher)
