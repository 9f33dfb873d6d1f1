"""What happens to people, groups and assignments in the directory, row by row, and what the watcher says of it."""

from datetime import timedelta

import pytest

from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_group, agree


async def said_of(watcher: Watcher, user: str) -> list[DirectoryAssignment]:
    return [message for message in (await watcher.said()).assignments if message.object_id == user]


async def test_who_moves_from_a_group_to_an_assignment_of_its_own_between_two_reads_never_leaves(
    watcher: Watcher, tenant: Tenant
) -> None:
    user, *_ = await tenant.users()
    group = await a_group(tenant, user)
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"assignments": {"frozen": True}}})
    await tenant.assign(user)
    await tenant.tx({"op": "removeMember", "groupId": group, "userId": user})
    watcher.alone = True
    await watcher.cycle()
    assert watcher.last is not None
    assert watcher.last.unfinished, "the next listing decides, at once"
    await tenant.ask("POST", "/_sim/replica", {"lag": {"assignments": {}}})
    watcher.alone = False
    await watcher.cycles(2)
    assert [message.assigned for message in await said_of(watcher, user)] == [True, True]
    await agree(watcher)


async def test_removed_from_a_group_the_path_is_lost_and_the_user_leaves_with_the_last_one(
    watcher: Watcher, tenant: Tenant
) -> None:
    user, *_ = await tenant.users()
    group = await a_group(tenant, user)
    await tenant.assign(group, kind="Group")
    await tenant.assign(user)
    await watcher.cycle()
    await tenant.tx({"op": "removeMember", "groupId": group, "userId": user})
    await watcher.cycle()
    latest = (await said_of(watcher, user))[-1]
    assert latest.assigned
    assert [path.group_id for path in latest.paths] == [None]
    await tenant.tx({"op": "unassign", "principalId": user})
    await watcher.cycles(2)
    assert not (await said_of(watcher, user))[-1].assigned


async def test_a_soft_deleted_user_keeps_its_rows_and_comes_back_with_its_restore(
    watcher: Watcher, tenant: Tenant
) -> None:
    user, *_ = await tenant.users()
    await tenant.assign(user)
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": user})
    await watcher.cycles(3)
    await tenant.tx({"op": "restoreUser", "userId": user})
    await watcher.cycles(3)
    lives = [(message.lifecycle, message.assigned) for message in await said_of(watcher, user)]
    assert lives == [(Lifecycle.LIVE, True), (Lifecycle.SOFT_DELETED, True), (Lifecycle.LIVE, True)]
    await agree(watcher)


async def doubts(watcher: Watcher) -> tuple[int, int]:
    """Memberships in doubt, and what only a re-read found so far."""
    counted = "SELECT (SELECT count(*) FROM mirror_member WHERE suspect_since IS NOT NULL), drift_total FROM watch"
    async with watcher.frame.connection() as connection:
        return tuple(await connection.fetchrow(counted))


async def listings(tenant: Tenant) -> int:
    """How often members of a group were listed so far."""
    return (await tenant.ask("GET", "/_sim/journal"))["requests"]["groups/members"]["count"]


async def a_day_later(watcher: Watcher) -> None:
    """Every group is listed anew."""
    watcher.now += timedelta(days=1)
    await watcher.cycles(4)


@pytest.mark.parametrize("resent", [True, False], ids=["links sent again", "links not sent again"])
@pytest.mark.parametrize("kind", ["user", "group"])
async def test_a_soft_deleted_member_stays_one_though_listings_do_not_show_it_and_comes_back_with_its_restore(
    watcher: Watcher, tenant: Tenant, kind: str, resent: bool
) -> None:
    await tenant.knobs(restoreResendsMembers=resent)
    await watcher.configure(nestedGroups=True)
    users = await tenant.users()
    inner = await a_group(tenant, users[0])
    outer = await a_group(tenant, inner, users[1], users[2])
    await tenant.assign(outer, kind="Group")
    await watcher.cycle()
    before = (await watcher.said()).effective()
    assert set(before) == set(users[:3])
    delete, restore, named = {
        "user": ("softDeleteUser", "restoreUser", {"userId": users[1]}),
        "group": ("deleteGroup", "restoreGroup", {"groupId": inner}),
    }[kind]
    await tenant.tx({"op": delete, **named})
    await watcher.cycles(2)
    await a_day_later(watcher)
    assert await doubts(watcher) == (0, 0)
    await tenant.tx({"op": restore, **named})
    await watcher.cycles(2)
    assert (await watcher.said()).effective() == before


async def test_a_member_that_was_doubted_before_its_deletion_was_read_is_doubted_no_more(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    group = await a_group(tenant, *users[:3])
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"users": {"frozen": True}}})
    await tenant.tx({"op": "softDeleteUser", "userId": users[0]})
    await a_day_later(watcher)
    assert await doubts(watcher) == (1, 1)
    await tenant.ask("DELETE", "/_sim/replica")
    await watcher.cycles(3)
    assert (await said_of(watcher, users[0]))[-1].lifecycle is Lifecycle.SOFT_DELETED
    assert await doubts(watcher) == (0, 1)
    listed = await listings(tenant)
    await watcher.cycles(3)
    assert await listings(tenant) == listed, "nothing is left to look at"
    await tenant.tx({"op": "restoreUser", "userId": users[0]})
    await watcher.cycles(2)
    await agree(watcher)


@pytest.mark.parametrize("links", ["prompt", "late", "never"])
async def test_hard_deleted_after_soft_is_said_once_more_and_then_never_again(
    watcher: Watcher, tenant: Tenant, links: str
) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"hardDeletedMembers": links})
    user, *_ = await tenant.users()
    group = await a_group(tenant, user)
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": user})
    await watcher.cycle()
    await tenant.tx({"op": "hardDeleteUser", "userId": user})
    await watcher.cycles(4)
    lives = [(message.lifecycle, message.assigned) for message in await said_of(watcher, user)]
    assert lives == [(Lifecycle.LIVE, True), (Lifecycle.SOFT_DELETED, True), (Lifecycle.HARD_DELETED, False)]


async def test_a_group_that_is_deleted_and_restored_takes_its_members_with_it(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    group = await a_group(tenant, *users[:3])
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.tx({"op": "deleteGroup", "groupId": group})
    await watcher.cycles(2)
    assert (await watcher.said()).effective() == {}
    await tenant.tx({"op": "restoreGroup", "groupId": group})
    await watcher.cycles(2)
    await agree(watcher)
    assert len((await watcher.said()).effective()) == 3


async def test_what_changed_in_a_group_while_it_was_deleted_is_seen_after_its_restore(
    watcher: Watcher, tenant: Tenant
) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"softDeletedGroupLinks": "lost"})
    users = await tenant.users()
    group = await a_group(tenant, *users[:3])
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.tx({"op": "hardDeleteUser", "userId": users[2]}, {"op": "deleteGroup", "groupId": group})
    await watcher.cycle()
    await tenant.tx({"op": "restoreGroup", "groupId": group})
    await watcher.cycles(3)
    await agree(watcher)


async def test_a_disabled_user_stays_assigned_and_is_said_with_its_property(watcher: Watcher, tenant: Tenant) -> None:
    user, *_ = await tenant.users()
    await tenant.assign(user)
    await watcher.cycle()
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"accountEnabled": False}})
    await watcher.cycle()
    latest = (await said_of(watcher, user))[-1]
    assert latest.assigned
    assert latest.attributes["accountEnabled"] is False


async def test_a_group_that_is_not_security_enabled_assigns_nobody_and_is_counted(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    group = await a_group(tenant, *users[:2], properties={"securityEnabled": False})
    await tenant.assign(group, kind="Group")
    await tenant.assign(users[5])
    await watcher.cycles(2)
    assert set((await watcher.said()).effective()) == {users[5]}
    assert (await watcher.said()).state.ignored["groupsNotSecurityEnabled"] == 1


async def test_an_assignment_of_a_service_principal_assigns_nobody_and_is_counted(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    await tenant.assign(users[0])
    [made] = await tenant.tx({"op": "createObject", "kind": "servicePrincipal"})
    await tenant.assign(made["objectId"], kind="ServicePrincipal")
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == {users[0]}
    assert (await watcher.said()).state.ignored["servicePrincipalsAssigned"] == 1


async def test_members_of_members_count_only_when_the_job_says_so(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    inner = await a_group(tenant, users[0], users[1])
    middle = await a_group(tenant, inner, users[2])
    outer = await a_group(tenant, middle, users[3])
    await tenant.tx({"op": "addMember", "groupId": inner, "userId": outer})
    await tenant.assign(outer, kind="Group")
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == {users[3]}
    assert (await watcher.said()).state.ignored["nestedGroups"] == 1
    await watcher.configure(nestedGroups=True)
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == set(users[:4])
    latest = (await said_of(watcher, users[0]))[-1]
    assert {path.group_id for path in latest.paths} == {outer}
    await tenant.tx({"op": "removeMember", "groupId": middle, "userId": inner})
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == {users[2], users[3]}
    await tenant.tx({"op": "addMember", "groupId": middle, "userId": inner})
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == set(users[:4])
    await watcher.configure(nestedGroups=False)
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == {users[3]}
