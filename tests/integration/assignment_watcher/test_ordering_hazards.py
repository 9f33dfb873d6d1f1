"""The eleven ways in which changes come in a wrong order, and that none of them says something untrue."""

from tests.support.builders_assignment_watcher import Tenant, Watcher, a_group, agree


async def test_1_a_member_before_its_user_is_said_once_the_user_is_known(watcher: Watcher, tenant: Tenant) -> None:
    group = await a_group(tenant)
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"users": {"frozen": True}}})
    [made] = await tenant.tx({"op": "createUser"})
    await tenant.tx({"op": "addMember", "groupId": group, "userId": made["userId"]})
    await watcher.cycle()
    assert made["userId"] not in (await watcher.said()).latest()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"users": {}}})
    await watcher.cycle()
    assert (await watcher.said()).latest()[made["userId"]].assigned
    await agree(watcher)


async def test_2_a_user_removed_before_it_was_known_is_said_when_it_is_restored(
    watcher: Watcher, tenant: Tenant
) -> None:
    await watcher.cycle()
    [made] = await tenant.tx({"op": "createUser"})
    await tenant.assign(made["userId"])
    await tenant.tx({"op": "softDeleteUser", "userId": made["userId"]})
    await watcher.cycles(2)
    assert made["userId"] not in (await watcher.said()).latest()
    await tenant.tx({"op": "restoreUser", "userId": made["userId"]})
    await watcher.cycles(2)
    assert (await watcher.said()).latest()[made["userId"]].assigned


async def test_3_a_group_that_is_assigned_before_it_is_mirrored_is_listed(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {"frozen": True}}})
    group = await a_group(tenant, *users[:3])
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {}}})
    await watcher.cycles(3)
    await agree(watcher)


async def test_4_a_group_that_is_gone_before_its_assignment_ends_the_paths_at_once(
    watcher: Watcher, tenant: Tenant
) -> None:
    users = await tenant.users()
    group = await a_group(tenant, *users[:3])
    await tenant.assign(group, kind="Group")
    await tenant.assign(users[9])
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"assignments": {"frozen": True}}})
    await tenant.tx({"op": "deleteGroup", "groupId": group, "permanent": True})
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == {users[9]}
    await tenant.ask("POST", "/_sim/replica", {"lag": {"assignments": {}}})
    before = (await watcher.said()).ids
    said = await watcher.cycles(3)
    assert said.ids_of("assignment.v1") == [one for one in before if one in set(said.ids_of("assignment.v1"))]


async def test_5_a_restore_does_not_wait_for_the_groups(watcher: Watcher, tenant: Tenant) -> None:
    user, *_ = await tenant.users()
    group = await a_group(tenant, user)
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": user})
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {"frozen": True}}})
    await tenant.tx({"op": "restoreUser", "userId": user})
    await watcher.cycle()
    assert set((await watcher.said()).effective()) == {user}
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {}}})
    await watcher.cycles(2)
    await agree(watcher)


async def test_6_the_same_change_in_two_rounds_is_said_once(watcher: Watcher, tenant: Tenant) -> None:
    user, *_ = await tenant.users()
    await tenant.assign(user)
    await watcher.cycle()
    await tenant.fault("users/delta", "replay", times=None, count=5)
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"city": "Oslo"}})
    await watcher.cycle()
    said = (await watcher.said()).ids_of("assignment.v1")
    assert (await watcher.cycles(3)).ids_of("assignment.v1") == said


async def test_7_a_member_who_was_added_and_removed_in_one_round_is_looked_at_before_it_is_believed(
    watcher: Watcher, tenant: Tenant
) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"flappedLinks": "removed"})
    user, other, *_ = await tenant.users()
    group = await a_group(tenant, user)
    await tenant.assign(group, kind="Group")
    await watcher.cycle()
    await tenant.tx(
        {"op": "addMember", "groupId": group, "userId": other},
        {"op": "removeMember", "groupId": group, "userId": other},
    )
    await tenant.tx(
        {"op": "removeMember", "groupId": group, "userId": user}, {"op": "addMember", "groupId": group, "userId": user}
    )
    await watcher.cycles(3)
    assert [message.assigned for message in (await watcher.said()).assignments] == [True]
    await agree(watcher)


async def test_11_a_stale_listing_after_a_fresh_one_says_nothing(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    await tenant.assign(users[0])
    await watcher.cycle()
    await tenant.assign(users[1])
    await watcher.cycle()
    before = (await watcher.said()).ids_of("assignment.v1")
    await tenant.ask("POST", "/_sim/replica", {"backward": {"assignments": {"probability": 1}}})
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"backward": {"assignments": {"probability": 0}}})
    await watcher.cycles(3)
    assert (await watcher.said()).ids_of("assignment.v1") == before
    await agree(watcher)
