"""What the source protocol promises, read from a simulated Microsoft Graph."""

import orjson
import pytest

from services.assignment_watcher.sources.source import (
    Member,
    SourceMisconfiguredError,
    SourceRefusedError,
    SourceUnavailableError,
    Stream,
)
from shared.contracts.assignments import Lifecycle
from tests.support.graph_sources import Opened, a_graph_source
from tests.support.graph_tenants import Tenant


async def test_assignments_of_users_and_groups_come_with_ids_in_lower_case(opened: Opened, tenant: Tenant) -> None:
    user, group = (await tenant.users())[0], (await tenant.groups())[0]
    ids = {await tenant.assign(user), await tenant.assign(group, kind="Group")}
    await tenant.knobs(upperCaseIds=True)
    rows = await opened.rows()
    assert {row.assignment_id for row in rows} == ids
    assert {(row.principal_type, row.principal_id) for row in rows} == {("user", user), ("group", group)}
    assert all(row.role_id == tenant.config["userRoleId"].lower() for row in rows)
    assert [role.id for role in await opened.source.read_roles()] == [tenant.config["userRoleId"].lower()]


@pytest.mark.parametrize("count", [1, 2, 21])
async def test_only_assignments_that_exist_are_found_again(opened: Opened, tenant: Tenant, count: int) -> None:
    users = (await tenant.users())[:count]
    kept = [await tenant.assign(user) for user in users]
    assert await opened.source.find_assignments([*kept, "gone", "gone too"]) == frozenset(kept)
    assert await opened.source.find_assignments(["gone"]) == frozenset()
    assert await opened.source.find_assignments([]) == frozenset()


async def test_an_application_that_is_not_there_does_not_make_its_assignments_gone(tenant: Tenant) -> None:
    async with a_graph_source(tenant, service_principal_id="00000000-0000-4000-8000-000000000001") as other:
        for ids in (["one"], ["one", "two"]):
            with pytest.raises(SourceMisconfiguredError):
                await other.source.find_assignments(ids)


@pytest.mark.parametrize("count", [3, 25])
async def test_users_are_found_live_soft_deleted_or_unknown(opened: Opened, tenant: Tenant, count: int) -> None:
    users = (await tenant.users())[:count]
    await tenant.tx({"op": "softDeleteUser", "userId": users[0]}, {"op": "hardDeleteUser", "userId": users[1]})
    found = await opened.source.find_users([user.upper() for user in users])
    assert [each.object_id for each in found] == users
    assert [each.lifecycle for each in found[:2]] == [Lifecycle.SOFT_DELETED, Lifecycle.UNKNOWN]
    assert {each.lifecycle for each in found[2:]} == {Lifecycle.LIVE}
    record = found[2].record
    assert record is not None
    assert record["id"] == users[2]
    assert {"userPrincipalName", "accountEnabled", "city", "userType"} <= record.keys()
    assert not [name for name in record if name.startswith("@")]
    assert (await tenant.requests()).get("user", 0) == 0, "more than one is asked for in batches"


async def test_one_user_is_asked_for_without_a_batch(opened: Opened, tenant: Tenant) -> None:
    users = await tenant.users()
    await opened.source.find_users(users[:1])
    requests = await tenant.requests()
    assert requests["user"] == 1
    assert "$batch" not in requests


async def test_groups_are_found_live_soft_deleted_or_unknown(opened: Opened, tenant: Tenant) -> None:
    groups = await tenant.groups()
    await tenant.knobs(permissions=["Application.Read.All", "User.Read.All", "Group.Read.All"])
    await tenant.tx({"op": "deleteGroup", "groupId": groups[0], "permanent": False})
    await tenant.tx({"op": "deleteGroup", "groupId": groups[1], "permanent": True})
    found = await opened.source.find_groups(groups[:3])
    assert [each.lifecycle for each in found] == [Lifecycle.SOFT_DELETED, Lifecycle.UNKNOWN, Lifecycle.LIVE]
    assert found[2].record is not None
    assert found[2].record["securityEnabled"] is True


@pytest.mark.parametrize("count", [1, 3])
async def test_without_group_read_all_a_deleted_group_is_unknown(opened: Opened, tenant: Tenant, count: int) -> None:
    groups = await tenant.groups()
    await tenant.tx(*({"op": "deleteGroup", "groupId": group, "permanent": False} for group in groups))
    found = await opened.source.find_groups(groups[:count])
    assert {each.lifecycle for each in found} == {Lifecycle.UNKNOWN}


async def test_a_user_is_not_taken_for_a_deleted_group(opened: Opened, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await tenant.tx({"op": "softDeleteUser", "userId": user})
    [found] = await opened.source.find_groups([user])
    assert found.lifecycle is Lifecycle.UNKNOWN


async def test_members_come_page_by_page_and_an_empty_group_is_said_to_be_empty(opened: Opened, tenant: Tenant) -> None:
    [created] = await tenant.tx({"op": "createGroup", "members": []})
    pages = [page async for page in opened.source.read_members(created["groupId"].upper())]
    [record] = [each for page in pages for each in orjson.loads(page.body)["value"]]
    assert record == {"id": created["groupId"], "members@delta": []}
    assert [page async for page in opened.source.read_members("00000000-0000-4000-8000-000000000001")] == []


async def test_who_is_absent_from_a_listing_is_a_member_by_its_own_answer(opened: Opened, tenant: Tenant) -> None:
    direct, through, both, other, deleted, *_ = await tenant.users()
    made = await tenant.tx(*({"op": "createGroup", "members": held} for held in ([direct, both], [through, both], [])))
    outer, inner, empty = (one["groupId"] for one in made)
    await tenant.tx({"op": "addMember", "groupId": outer, "userId": inner}, {"op": "softDeleteUser", "userId": deleted})
    users = [direct, through, both, other, deleted, "00000000-0000-4000-8000-000000000001"]
    absent = [*(Member(user, nested=False) for user in users), Member(inner, nested=True), Member(empty, nested=True)]
    still = opened.source.find_members
    assert await still(outer, absent, through=[]) == {direct, through, both, inner}
    assert await still(outer, absent, through=[inner]) == {direct, inner}
    many = [f"00000000-0000-4000-8000-{number:012x}" for number in range(40)]
    assert await still(outer, absent, through=[*many, inner]) == {direct, inner}
    assert await still(empty, absent, through=[]) == set()
    assert await still(outer, absent[:1], through=[]) == {direct}
    assert await still(outer, [], through=[]) == set()


async def test_absent_members_are_asked_about_twenty_at_a_time(opened: Opened, tenant: Tenant) -> None:
    absent = [Member(user, nested=False) for user in (await tenant.users())[:25]]
    [group, *_] = await tenant.groups()
    await opened.source.find_members(group, absent, through=[])
    assert opened.source.traffic.take().by_kind == {"$batch": 2}


@pytest.mark.parametrize("stream", list(Stream))
async def test_every_page_but_the_last_says_where_the_full_read_goes_on(
    opened: Opened, tenant: Tenant, stream: Stream
) -> None:
    await tenant.knobs(pageSize=7, pageMembers=5, memberSlice=3)
    pages = list(await opened.round(stream))
    assert len(pages) > 2
    assert all(page.following and not page.link for page in pages[:-1])
    assert pages[-1].link
    assert not pages[-1].following
    again = await opened.round(stream, None, page=pages[0].following)
    assert [orjson.loads(page.body)["value"] for page in again] == [
        orjson.loads(page.body)["value"] for page in pages[1:]
    ]
    assert (await opened.round(stream, pages[-1].link))[-1].records == 0


async def test_the_count_of_users_is_an_estimate_that_never_fails(opened: Opened, tenant: Tenant) -> None:
    assert await opened.source.count_users() == 60
    for fault in (
        {"kind": "status", "status": 500},
        {"kind": "reset", "times": 2},
        {"kind": "truncate"},
        {"kind": "html502"},
    ):
        await tenant.fault("count$", **fault)
        assert await opened.source.count_users() is None, fault
    await tenant.fault("count$", "status", status=403)
    assert await opened.source.count_users() is None


async def test_background_reads_let_every_other_request_go_first(opened: Opened, tenant: Tenant) -> None:
    users, groups = await tenant.users(), await tenant.groups()
    await opened.source.find_users(users[:1], in_background=True)
    assert [page async for page in opened.source.read_members(groups[0], in_background=True)]
    await opened.source.find_users(users[:1])
    low = ["x-ms-throttle-priority" in headers for method, _, headers, _ in opened.http.sent if method == "GET"]
    assert low == [True, True, False]


async def test_requests_are_counted_by_what_was_asked_for(opened: Opened, tenant: Tenant) -> None:
    users = await tenant.users()
    await opened.source.read_roles()
    await opened.rows()
    await opened.round(Stream.USERS)
    await opened.source.find_users(users[:2])
    taken = opened.source.traffic.take()
    assert taken.by_kind == {"servicePrincipal": 1, "appRoleAssignedTo": 1, "users/delta": 1, "$batch": 1}
    assert opened.source.traffic.by_kind == {}


async def test_a_wrong_service_principal_id_is_explained(tenant: Tenant) -> None:
    async with a_graph_source(tenant, service_principal_id="00000000-0000-4000-8000-000000000001") as other:
        with pytest.raises(SourceMisconfiguredError, match="does not exist in this tenant") as caught:
            await other.source.read_roles()
    assert "object id" in caught.value.failure.advice
    async with a_graph_source(tenant, service_principal_id=tenant.config["appId"]) as other:
        with pytest.raises(SourceMisconfiguredError, match=tenant.config["servicePrincipalId"]):
            await other.source.read_roles()


@pytest.mark.parametrize(
    ("path", "permission"),
    [
        ("servicePrincipals/[^/]+$", "Application.Read.All"),
        ("appRoleAssignedTo", "Application.Read.All"),
        ("users/delta", "User.Read.All"),
        ("groups/delta", "GroupMember.Read.All"),
        ("groups/[^/]+/members", "GroupMember.Read.All"),
        ("users/[0-9a-f-]{36}$", "User.Read.All"),
    ],
)
async def test_a_refusal_names_the_permission(opened: Opened, tenant: Tenant, path: str, permission: str) -> None:
    await tenant.fault(path, "status", status=403)
    with pytest.raises(SourceRefusedError) as caught:
        await read_everything(opened, tenant)
    assert permission in str(caught.value)
    assert permission in caught.value.failure.advice
    await read_everything(opened, tenant)


async def test_consent_withdrawn_in_the_middle_of_a_round_stops_it_and_its_return_is_noticed_at_once(
    opened: Opened, tenant: Tenant
) -> None:
    await tenant.knobs(pageSize=20)
    pages = opened.source.read_changes(Stream.USERS, None)
    await anext(pages)
    await tenant.knobs(consentRevoked=True)
    with pytest.raises(SourceRefusedError, match=r"User\.Read\.All, or its consent was withdrawn"):
        await anext(pages)
    await tenant.knobs(consentRevoked=False)
    assert len(await opened.round(Stream.USERS)) == 3


async def read_everything(opened: Opened, tenant: Tenant) -> None:
    await opened.source.read_roles()
    await opened.rows()
    for stream in Stream:
        await opened.round(stream)
    group = (await tenant.groups())[0]
    assert [page async for page in opened.source.read_members(group)]
    assert (await opened.source.find_users((await tenant.users())[:1]))[0].lifecycle is Lifecycle.LIVE


async def test_a_404_that_microsoft_graph_did_not_write_does_not_mean_gone(tenant: Tenant) -> None:
    async with a_graph_source(tenant, graph_root=tenant.url + "/elsewhere", login_root=tenant.url) as other:
        with pytest.raises((SourceUnavailableError, SourceMisconfiguredError, SourceRefusedError)):
            await other.source.find_users((await tenant.users())[:1])
