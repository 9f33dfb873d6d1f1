"""Assigned groups as objects: said by the same rules as users, held by the same guard, and never with their members."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from services.assignment_watcher import holds
from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.message import ObjectType
from shared.contracts.source import HoldReason, HoldState
from shared.runtime.jobs import Job
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, agree
from tests.support.messages import received

GROUP_ATTRIBUTES = ("displayName", "id", "securityEnabled")

MEMBERS = 5


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=20) as running:
        yield running


async def a_group(tenant: Tenant, *, assigned: bool = True, **properties: Any) -> str:
    [made] = await tenant.tx(
        {
            "op": "createGroup",
            "displayName": "Sellers",
            "members": (await tenant.users())[:MEMBERS],
            "properties": properties,
        }
    )
    group_id: str = made["groupId"]
    if assigned:
        await tenant.assign(group_id, kind="Group", at="2026-01-02T00:00:00Z")
    return group_id


async def said_of(watcher: Watcher, group: str) -> list[DirectoryAssignment]:
    return [message for message in (await watcher.said()).groups if message.object_id == group]


async def test_an_assigned_group_is_said_with_its_own_assignment_and_without_its_members(
    watcher: Watcher, tenant: Tenant
) -> None:
    group, other = await a_group(tenant), await a_group(tenant, assigned=False)
    await watcher.cycle()
    [said] = await said_of(watcher, group)
    assert (said.assigned, said.lifecycle, said.sequence) == (True, Lifecycle.LIVE, 1)
    assert [(path.group_id, path.nested) for path in said.paths] == [(None, False)]
    assert [role.value for role in said.roles] == ["User"]
    assert said.attributes == {"id": group, "displayName": "Sellers", "securityEnabled": True}
    assert said.assigned_at == said.paths[0].assigned_at
    users, rows = await tenant.users(), (await watcher.said()).rows
    assert not any(user in str(row) for row in rows if group in str(row["key"]) for user in users)
    assert await said_of(watcher, other) == [], "nobody hears of the groups that are not assigned"
    state = (await watcher.said()).state
    assert (state.assigned, state.assigned_groups) == (MEMBERS, 1)
    await agree(watcher)


async def test_i7_members_that_come_and_go_say_nothing_of_their_group(watcher: Watcher, tenant: Tenant) -> None:
    group, users = await a_group(tenant), await tenant.users()
    await watcher.cycle()
    await tenant.tx(
        {"op": "addMember", "groupId": group, "userId": users[-1]},
        {"op": "removeMember", "groupId": group, "userId": users[0]},
    )
    await watcher.cycles(2)
    assert len(await said_of(watcher, group)) == 1
    await agree(watcher)


async def test_a_renamed_group_is_said_once_and_its_members_are_not(watcher: Watcher, tenant: Tenant) -> None:
    group = await a_group(tenant)
    await watcher.cycle()
    before = len((await watcher.said()).assignments)
    await tenant.tx({"op": "updateGroup", "groupId": group, "properties": {"displayName": "Hunters"}})
    await watcher.cycles(2)
    assert [said.attributes["displayName"] for said in await said_of(watcher, group)] == ["Sellers", "Hunters"]
    assert len((await watcher.said()).assignments) == before


async def test_a_group_leaves_by_the_proofs_of_a_user_and_not_by_one_listing(watcher: Watcher, tenant: Tenant) -> None:
    group, stays = await a_group(tenant), (await tenant.users())[-1]
    await tenant.assign(stays)
    await watcher.cycle()
    await tenant.fault("appRoleAssignedTo", "empty", times=2)
    await watcher.cycles(3)
    assert [said.assigned for said in await said_of(watcher, group)] == [True], "a read by its id finds the assignment"
    await tenant.tx({"op": "unassign", "principalId": group})
    await watcher.cycle()
    assert [said.assigned for said in await said_of(watcher, group)] == [True], "one listing is no proof"
    await watcher.cycles(2)
    last = (await said_of(watcher, group))[-1]
    assert (last.assigned, last.paths, last.lifecycle) == (False, (), Lifecycle.LIVE)
    assert last.assigned_at is not None
    assert (await watcher.said()).effective().keys() == {stays}
    await tenant.tx({"op": "updateGroup", "groupId": group, "properties": {"displayName": "Hunters"}})
    await watcher.cycle()
    assert (await said_of(watcher, group))[-1].attributes["displayName"] == "Hunters", "as of a user who left"


async def test_another_role_is_a_change_and_never_the_end_of_the_assignment(watcher: Watcher, tenant: Tenant) -> None:
    group = await a_group(tenant)
    await watcher.cycle()
    await tenant.tx({"op": "unassign", "principalId": group})
    await tenant.assign(group, kind="Group", role="Default Access")
    await watcher.cycles(3)
    roles = [{role.display_name for role in said.roles} for said in await said_of(watcher, group)]
    assert roles == [{"User"}, {"User", "Default Access"}, {"Default Access"}]
    assert all(said.assigned for said in await said_of(watcher, group))


async def test_a_renamed_role_is_said_once_of_all_who_hold_it_and_removes_nobody(
    watcher: Watcher, tenant: Tenant
) -> None:
    group = await a_group(tenant)
    await watcher.configure(requiredRoles=[])
    await watcher.cycle()
    role = {"id": tenant.config["userRoleId"], "value": "Seat", "displayName": "Seat holder"}
    await tenant.tx({"op": "updateServicePrincipal", "properties": {"appRoles": [role]}})
    await watcher.cycles(2)
    said = await watcher.said()
    assert len(said.assignments) == 2 * MEMBERS
    assert all(message.assigned for message in said.records)
    for message in (await said_of(watcher, group))[1:] + said.assignments[MEMBERS:]:
        [held] = message.roles
        assert (held.id, held.value, held.display_name) == (role["id"], "Seat", "Seat holder")


@pytest.mark.parametrize(
    ("steps", "lives"),
    [
        (
            ({"op": "deleteGroup"}, {"op": "restoreGroup"}),
            [(Lifecycle.LIVE, True), (Lifecycle.SOFT_DELETED, True), (Lifecycle.LIVE, True)],
        ),
        (({"op": "deleteGroup", "permanent": True},), [(Lifecycle.LIVE, True), (Lifecycle.HARD_DELETED, False)]),
        (
            ({"op": "deleteGroup"}, {"op": "deleteGroup", "permanent": True}),
            [(Lifecycle.LIVE, True), (Lifecycle.SOFT_DELETED, True), (Lifecycle.HARD_DELETED, False)],
        ),
    ],
    ids=["deleted and restored", "deleted for good", "deleted, then for good"],
)
async def test_where_a_group_stands_is_said_once_for_each_step(
    watcher: Watcher, tenant: Tenant, steps: tuple[dict[str, Any], ...], lives: list[tuple[Lifecycle, bool]]
) -> None:
    group = await a_group(tenant)
    await watcher.cycle()
    for step in steps:
        await tenant.tx(step | {"groupId": group})
        await watcher.cycles(3)
        await agree(watcher)
    assert [(said.lifecycle, said.assigned) for said in await said_of(watcher, group)] == lives


async def test_a_group_that_is_not_security_enabled_is_said_as_not_assigned_and_why(
    watcher: Watcher, tenant: Tenant
) -> None:
    never, group = await a_group(tenant, securityEnabled=False), await a_group(tenant)
    await watcher.cycle()
    [said] = await said_of(watcher, never)
    assert (said.assigned, said.paths, said.attributes["securityEnabled"]) == (False, (), False)
    assert (await watcher.said()).state.ignored == {"groupsNotSecurityEnabled": 1}
    for secure in (False, True):
        await tenant.tx({"op": "updateGroup", "groupId": group, "properties": {"securityEnabled": secure}})
        await watcher.cycles(2)
        await agree(watcher)
    told = [(said.assigned, said.attributes["securityEnabled"]) for said in await said_of(watcher, group)]
    assert told == [(True, True), (False, False), (True, True)]


async def test_an_assigned_group_that_the_changes_do_not_show_yet_is_asked_for_and_said(
    watcher: Watcher, tenant: Tenant
) -> None:
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {"frozen": True}}})
    group = await a_group(tenant)
    await watcher.cycles(2)
    assert await said_of(watcher, group) == []
    await tenant.ask("DELETE", "/_sim/replica")
    await watcher.cycles(2)
    assert [said.assigned for said in await said_of(watcher, group)] == [True]
    await agree(watcher)


Ending = Callable[[Tenant, str], Awaitable[Any]]
ENDINGS: dict[str, Ending] = {
    "unassigned": lambda tenant, group: tenant.tx({"op": "unassign", "principalId": group}),
    "deleted": lambda tenant, group: tenant.tx({"op": "deleteGroup", "groupId": group}),
    "not secure any more": lambda tenant, group: tenant.tx(
        {"op": "updateGroup", "groupId": group, "properties": {"securityEnabled": False}}
    ),
}


@pytest.mark.parametrize("ending", ENDINGS.values(), ids=ENDINGS)
async def test_a_group_and_its_members_are_held_together_and_leave_together(
    watcher: Watcher, tenant: Tenant, ending: Ending
) -> None:
    group = await a_group(tenant)
    await tenant.assign((await tenant.users())[-1])
    watcher.policy = {"guard_count": MEMBERS, "guard_percent": 10}
    await watcher.cycle()
    await ending(tenant, group)
    await watcher.cycles(3)
    said = await watcher.said()
    [held] = said.holds
    assert (held.state, held.reason) == (HoldState.HELD, HoldReason.TOO_MANY)
    assert (held.removals, held.active) == (MEMBERS + 1, MEMBERS + 2)
    assert len(said.records) == MEMBERS + 2, "nothing was said of any of them"
    request = OperatorRequest(
        job_id="job-1",
        object_type=ObjectType.HOLD,
        object_id=held.object_id,
        sequence=1,
        kind=RequestKind.APPROVE_HOLD,
        hold_id=held.object_id,
        reason="looked at it",
        idempotency_key="decision-1",
        requested_by="operator",
        at=watcher.now,
    )
    async with watcher.frame.transaction() as tx:
        await holds.decide(tx, [received(request)])
        await tx.flush()
    await watcher.cycles(2)
    assert (await watcher.said()).effective(ObjectType.GROUP) == {}
    await agree(watcher)


async def test_a_hold_is_dropped_when_the_group_comes_back(watcher: Watcher, tenant: Tenant) -> None:
    group = await a_group(tenant)
    watcher.policy = {"guard_count": MEMBERS, "guard_percent": 10}
    await watcher.cycle()
    await tenant.tx({"op": "deleteGroup", "groupId": group})
    await watcher.cycles(2)
    await tenant.tx({"op": "restoreGroup", "groupId": group})
    await watcher.cycles(3)
    said = await watcher.said()
    assert said.holds[-1].state is HoldState.DROPPED
    assert len(said.records) == MEMBERS + 1
    await agree(watcher)


async def test_other_attributes_of_groups_are_a_new_round_without_a_removal(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    group = await a_group(tenant, description="All who sell")
    await watcher.cycle()
    usual = Job.source_attributes

    def wanted(job: Job, object_type: ObjectType) -> tuple[str, ...]:
        return (*GROUP_ATTRIBUTES, "description") if object_type is ObjectType.GROUP else usual(job, object_type)

    monkeypatch.setattr(Job, "source_attributes", wanted)
    watcher.sources_opened_anew()
    said = await watcher.cycles(3)
    assert [message.attributes.get("description") for message in await said_of(watcher, group)] == [
        None,
        "All who sell",
    ]
    assert len(said.assignments) == MEMBERS, "users have nothing to say"
    assert said.holds == []
    monkeypatch.setattr(Job, "source_attributes", usual)
    watcher.sources_opened_anew()
    await watcher.cycles(3)
    assert "description" not in (await said_of(watcher, group))[-1].attributes
    assert all(message.assigned for message in (await watcher.said()).records)
    await agree(watcher)


async def test_attributes_that_were_read_already_are_said_without_another_read(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await a_group(tenant)
    await watcher.cycle()
    usual = Job.source_attributes

    def wanted(job: Job, object_type: ObjectType) -> tuple[str, ...]:
        return (*usual(job, object_type), "userType") if object_type is ObjectType.USER else GROUP_ATTRIBUTES

    monkeypatch.setattr(Job, "source_attributes", wanted)
    watcher.sources_opened_anew()
    said = await watcher.cycles(2)
    assert [stream.generation for stream in said.state.streams if stream.stream == "users"] == [1]
    assert {message.attributes.get("userType") for message in said.latest().values()} == {"Member"}


async def test_a_path_tells_a_direct_member_from_a_member_of_members(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.configure(nestedGroups=True)
    inner, users = await a_group(tenant, assigned=False), await tenant.users()
    outer = await a_group(tenant)
    below, both = users[MEMBERS], users[0]
    await tenant.tx(
        {"op": "addMember", "groupId": inner, "userId": below},
        {"op": "addMember", "groupId": outer, "userId": inner},
    )
    await watcher.cycle()
    latest = (await watcher.said()).latest()
    assert [(path.group_id, path.nested) for path in latest[below].paths] == [(outer, True)]
    assert [(path.group_id, path.nested) for path in latest[both].paths] == [(outer, False)]
    assert await said_of(watcher, inner) == [], "the group in between is not assigned"
    await tenant.tx({"op": "addMember", "groupId": outer, "userId": below})
    await tenant.tx({"op": "removeMember", "groupId": outer, "userId": both})
    await watcher.cycles(2)
    latest = (await watcher.said()).latest()
    assert [(path.group_id, path.nested) for path in latest[below].paths] == [(outer, False)]
    assert [(path.group_id, path.nested) for path in latest[both].paths] == [(outer, True)]
