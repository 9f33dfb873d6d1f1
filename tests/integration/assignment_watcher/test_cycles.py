"""Cycles against a simulated Microsoft Graph on a real PostgreSQL: what is said, folded from empty, equals the simulator's truth."""

from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contracts.assignments import CycleKind, Lifecycle
from shared.contracts.outcomes import CyclePhase
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, agree


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=60, groups=4) as running:
        yield running


async def test_i1_the_initial_cycle_says_every_assigned_user_oldest_first_and_closes_every_partition(
    watcher: Watcher, tenant: Tenant
) -> None:
    users, [group, *_] = await tenant.users(), await tenant.groups()
    await tenant.assign(group["id"], kind="Group", at="2026-01-02T00:00:00Z")
    await tenant.assign(users[0], at="2026-01-03T00:00:00.1234567Z")
    await tenant.assign(users[1], at="2025-01-01T00:00:00Z", role="Default Access")
    assert await watcher.cycle() is CycleKind.INITIAL
    said = await watcher.said()
    await agree(watcher)
    assert said.assignments[0].object_id == users[1]
    assert said.assignments[0].roles[0].display_name == "Default Access"
    times = [message.assigned_at for message in said.assignments]
    assert times == sorted(times)
    assert said.records[0].object_id == group["id"], "groups come before their members"
    assert [(mark.partition, mark.objects) for mark in said.marks] == [(n, len(times) + 1) for n in range(6)]
    assert [row["partition"] for row in said.rows if row["headers"]["ce_type"].endswith("cycle-mark.v1")] == list(
        range(6)
    )
    assert [fact.phase for fact in said.facts] == [CyclePhase.STARTED, CyclePhase.COMPLETED]
    properties = await tenant.properties(users[0])
    message = said.latest()[users[0]]
    assert message.attributes["mail"] == properties["mail"]
    assert message.attributes["accountEnabled"] is True
    assert message.attributes["id"] == users[0]


async def test_members_of_nested_groups_are_not_assigned(watcher: Watcher, tenant: Tenant) -> None:
    first = next(group for group in await tenant.groups() if group["nested"])
    await tenant.assign(first["id"], kind="Group")
    await watcher.cycle()
    assert len((await watcher.said()).latest()) == first["members"]
    await watcher.cycle()
    assert "user" not in (await tenant.ask("GET", "/_sim/journal"))["requests"], "a group is no user to be asked for"
    await agree(watcher)


async def test_i7_a_cycle_without_changes_says_nothing(watcher: Watcher, tenant: Tenant) -> None:
    for user in (await tenant.users())[:10]:
        await tenant.assign(user)
    await watcher.cycle()
    before = await watcher.said()
    await tenant.ask("DELETE", "/_sim/journal")
    assert (await watcher.cycles(3)).ids == before.ids
    journal = await tenant.ask("GET", "/_sim/journal")
    assert {name: entry["count"] for name, entry in journal["requests"].items()} == {
        "servicePrincipal": 3,
        "appRoleAssignedTo": 3,
        "groups/delta": 3,
        "users/delta": 3,
    }


async def test_joiners_and_leavers(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    await tenant.assign(users[0])
    await watcher.cycle()
    await tenant.assign(users[1])
    await tenant.tx({"op": "unassign", "principalId": users[0]})
    await watcher.cycles(2)
    latest = (await watcher.said()).latest()
    assert latest[users[1]].assigned
    assert not latest[users[0]].assigned
    assert latest[users[0]].attributes["id"] == users[0]
    assert latest[users[0]].assigned_at is not None
    await tenant.assign(users[0])
    await watcher.cycle()
    assert (await watcher.said()).latest()[users[0]].sequence == 3
    await agree(watcher)


async def test_a_changed_role_and_changed_attributes(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user, role="Default Access")
    await watcher.cycle()
    await tenant.tx({"op": "unassign", "principalId": user})
    await tenant.assign(user)
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"jobTitle": None, "city": "Oslo"}})
    await watcher.cycle()
    message = (await watcher.said()).latest()[user]
    assert {role.value for role in message.roles} == {"", "User"}, (
        "the new role counts at once, the old one until it is confirmed"
    )
    await watcher.cycle()
    message = (await watcher.said()).latest()[user]
    assert [role.value for role in message.roles] == ["User"]
    assert all(said.assigned for said in (await watcher.said()).assignments), "never removed and added"
    assert message.attributes["city"] == "Oslo"
    assert "jobTitle" not in message.attributes
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"accountEnabled": False}})
    await watcher.cycle()
    message = (await watcher.said()).latest()[user]
    assert message.assigned
    assert message.attributes["accountEnabled"] is False


async def test_changes_of_users_who_were_never_assigned_are_not_said(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    await tenant.assign(users[0])
    await watcher.cycle()
    before = len((await watcher.said()).rows)
    await tenant.tx({"op": "updateUser", "userId": users[5], "properties": {"city": "Oslo"}})
    await watcher.cycle()
    assert len((await watcher.said()).rows) == before


async def test_soft_delete_restore_and_hard_delete(watcher: Watcher, tenant: Tenant) -> None:
    users, [group, *_] = await tenant.users(), await tenant.groups()
    await tenant.assign(users[0])
    await tenant.assign(group["id"], kind="Group")
    await watcher.cycle()
    member = next(user for user in (await watcher.said()).latest() if user != users[0])
    for op, lifecycle in (
        ("softDeleteUser", Lifecycle.SOFT_DELETED),
        ("restoreUser", Lifecycle.LIVE),
        ("softDeleteUser", Lifecycle.SOFT_DELETED),
        ("hardDeleteUser", Lifecycle.HARD_DELETED),
    ):
        await tenant.tx({"op": op, "userId": users[0]}, {"op": op, "userId": member})
        await watcher.cycles(3)
        latest = (await watcher.said()).latest()
        assert latest[users[0]].lifecycle is lifecycle
        assert latest[member].lifecycle is lifecycle
        await agree(watcher)
    assert [message.sequence for message in (await watcher.said()).assignments if message.object_id == member] == [
        1,
        2,
        3,
        4,
        5,
    ]
    assert not latest[member].assigned


async def test_a_listing_that_hides_a_soft_deleted_user_does_not_end_its_assignment(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    first = await tenant.assign(users[0])
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": users[0]})
    await watcher.cycle()
    for user in users[1:3]:
        await tenant.assign(user)
        await watcher.cycles(2)
    message = (await watcher.said()).latest()[users[0]]
    assert message.lifecycle is Lifecycle.SOFT_DELETED
    assert [path.assignment_id for path in message.paths] == [first]
    await tenant.tx({"op": "restoreUser", "userId": users[0]})
    await watcher.cycles(2)
    assert [m.sequence for m in (await watcher.said()).assignments if m.object_id == users[0]] == [1, 2, 3]
    await agree(watcher)


async def test_an_assignment_that_ended_while_its_user_was_soft_deleted_is_gone_after_the_restore(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    await tenant.assign(users[0])
    await tenant.assign(users[1])
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": users[0]})
    await watcher.cycle()
    await tenant.tx({"op": "unassign", "principalId": users[0]}, {"op": "restoreUser", "userId": users[0]})
    await watcher.cycles(3)
    assert not (await watcher.said()).latest()[users[0]].assigned
    await agree(watcher)


async def test_group_membership_and_assignment_of_groups(watcher: Watcher, tenant: Tenant) -> None:
    users, [group, other, *_] = await tenant.users(), await tenant.groups()
    await tenant.assign(group["id"], kind="Group")
    await watcher.cycle()
    members = set((await watcher.said()).latest())
    outsider = next(user for user in users if user not in members)
    leaver = next(iter(members))
    await tenant.tx(
        {"op": "addMember", "groupId": group["id"], "userId": outsider},
        {"op": "removeMember", "groupId": group["id"], "userId": leaver},
    )
    await watcher.cycle()
    await agree(watcher)
    await tenant.assign(other["id"], kind="Group")
    await watcher.cycle()
    await agree(watcher)
    await tenant.tx({"op": "unassign", "principalId": group["id"]})
    await watcher.cycles(2)
    await agree(watcher)
    await tenant.tx({"op": "deleteGroup", "groupId": other["id"]})
    await watcher.cycle()
    await agree(watcher)
    await tenant.tx({"op": "restoreGroup", "groupId": other["id"]})
    await watcher.cycles(2)
    await agree(watcher)
    await tenant.tx({"op": "deleteGroup", "groupId": other["id"], "permanent": True})
    await watcher.cycle()
    await agree(watcher)
    assert (await watcher.said()).effective() == {}


async def test_a_user_leaves_only_with_the_last_path(watcher: Watcher, tenant: Tenant) -> None:
    [group, *_] = await tenant.groups()
    await tenant.assign(group["id"], kind="Group", at="2026-02-01T00:00:00Z")
    await watcher.cycle()
    user = next(iter((await watcher.said()).latest()))
    await tenant.assign(user, at="2026-01-01T00:00:00Z")
    await watcher.cycle()
    message = (await watcher.said()).latest()[user]
    assert [path.group_id for path in message.paths] == [None, group["id"]]
    await tenant.tx({"op": "removeMember", "groupId": group["id"], "userId": user})
    await watcher.cycle()
    assert (await watcher.said()).latest()[user].assigned
    await tenant.tx({"op": "unassign", "principalId": user})
    await watcher.cycle()
    assert (await watcher.said()).latest()[user].assigned
    await watcher.cycle()
    assert not (await watcher.said()).latest()[user].assigned
    await agree(watcher)


async def test_a_removal_is_believed_only_when_it_is_confirmed(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.configure(removalConfirmation="PT1H")
    users = await tenant.users()
    for user in users[:3]:
        await tenant.assign(user)
    await watcher.cycle()
    await tenant.tx({"op": "unassign", "principalId": users[0]})
    await watcher.cycles(2)
    assert (await watcher.said()).latest()[users[0]].assigned
    watcher.now += timedelta(hours=1)
    await watcher.cycle()
    assert not (await watcher.said()).latest()[users[0]].assigned


async def test_a_lost_page_that_comes_back_removes_nobody(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.configure(removalConfirmation="PT1H")
    for user in (await tenant.users())[:5]:
        await tenant.assign(user)
    await watcher.cycle()
    before = await watcher.said()
    await tenant.fault("appRoleAssignedTo", "dropPage")
    await watcher.cycles(3)
    assert (await watcher.said()).ids == before.ids


async def test_an_empty_listing_never_removes_anybody_by_itself(watcher: Watcher, tenant: Tenant) -> None:
    for user in (await tenant.users())[:5]:
        await tenant.assign(user)
    await watcher.cycle()
    before = await watcher.said()
    await tenant.fault("appRoleAssignedTo", "empty", times=1)
    await watcher.cycles(3)
    assert (await watcher.said()).ids == before.ids
    await tenant.fault("appRoleAssignedTo", "empty", times=5)
    await watcher.cycles(6)
    assert (await watcher.said()).ids == before.ids, "a read by id finds them"
