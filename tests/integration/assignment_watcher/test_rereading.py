"""Anti-entropy: what no change was reported for is found by looking again, through the same difference, and counted."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watcher


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


async def test_a_change_that_was_lost_is_found_within_a_day_for_groups(watcher: Watcher, tenant: Tenant) -> None:
    users, [group, *_] = await tenant.users(), await tenant.groups()
    members = set((await watcher.said()).latest()) - set(users[:6])
    outsider = next(user for user in users if user not in members and user not in users[:6])
    leaver = min(members)
    for path in ("groups/delta",):
        await tenant.fault(path, "lostChange", count=5)
    await tenant.tx(
        {"op": "addMember", "groupId": group["id"], "userId": outsider},
        {"op": "removeMember", "groupId": group["id"], "userId": leaver},
    )
    await watcher.cycles(2)
    assert (await watcher.said()).effective() != await tenant.effective(), "the change was lost"
    watcher.now += timedelta(days=1)
    await watcher.cycles(5)
    said = await watcher.said()
    assert said.effective() == await tenant.effective()
    watcher.now += timedelta(minutes=2)
    assert (await watcher.cycles(1)).state.drift_total == 2


async def test_a_change_that_was_lost_is_found_within_a_week_for_users(watcher: Watcher, tenant: Tenant) -> None:
    user, *_ = await tenant.users()
    await tenant.fault("users/delta", "lostChange", count=5)
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"city": "Oslo"}})
    await watcher.cycles(2)
    assert (await watcher.said()).latest()[user].attributes.get("city") != "Oslo"
    for _ in range(7):
        watcher.now += timedelta(days=1)
        await watcher.cycles(3)
    said = await watcher.said()
    assert said.latest()[user].attributes["city"] == "Oslo"
    assert said.state.drift_total == 1


async def test_looking_again_at_what_is_right_says_nothing(watcher: Watcher) -> None:
    before = (await watcher.said()).ids_of("assignment.v1")
    for _ in range(3):
        watcher.now += timedelta(days=1)
        await watcher.cycles(3)
    said = await watcher.said()
    assert said.ids_of("assignment.v1") == before
    assert said.state.drift_total == 0
