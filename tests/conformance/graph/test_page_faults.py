"""Faults of pages that look right: what is lost, repeated, strange, or leads nowhere."""

import asyncio
from typing import Any

import pytest
from yarl import URL

from tests.conformance.graph.client import Graph

USERS = "/v1.0/users/delta?$select=displayName"
GROUPS = "/v1.0/groups/delta?$select=displayName,members"


async def rename(graph: Graph, user: str, name: str) -> None:
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"displayName": name}})


async def test_lost_change_is_in_no_round_though_the_link_moves_on(graph: Graph) -> None:
    one, two = (await graph.seed(users=2, groups=0))["users"]
    _, link = await graph.round(USERS)
    await rename(graph, one, "A")
    await rename(graph, two, "B")
    await graph.fault("users/delta", "lostChange", query="deltatoken")
    rows, link = await graph.round(link)
    assert len(rows) == 1
    assert (await graph.round(link))[0] == []
    assert {(await graph.get(f"/v1.0/users/{user}")).body["displayName"] for user in (one, two)} == {"A", "B"}


async def test_replay_gives_records_of_the_window_before_as_they_are_now(graph: Graph) -> None:
    seeded = await graph.seed(users=2, groups=1)
    one, two = seeded["users"]
    group = seeded["groups"][0]["id"]
    await graph.tx({"op": "removeMember", "groupId": group, "userId": one})
    links = [(await graph.round(url))[1] for url in (USERS, GROUPS)]
    await graph.tx(
        {"op": "addMember", "groupId": group, "userId": one},
        {"op": "updateUser", "userId": one, "properties": {"displayName": "First"}},
    )
    links = [(await graph.round(link))[1] for link in links]
    await rename(graph, one, "Second")
    await graph.tx({"op": "removeMember", "groupId": group, "userId": one})
    await rename(graph, two, "Other")
    await graph.fault("delta", "replay", times=2, count=5)
    users, _ = await graph.round(links[0])
    assert [(row["id"], row["displayName"]) for row in users] == [(one, "Second"), (two, "Other"), (one, "Second")]
    groups, _ = await graph.round(links[1])
    gone = [{"@odata.type": "#microsoft.graph.user", "id": one, "@removed": {"reason": "deleted"}}]
    assert [row["members@delta"] for row in groups] == [gone, gone]


async def test_duplicate_gives_a_record_twice_in_one_round(graph: Graph) -> None:
    users = (await graph.seed(users=3, groups=0))["users"]
    await graph.fault("users/delta", "duplicate", count=2)
    rows, _ = await graph.round(USERS)
    assert [row["id"] for row in rows] == [*users, *users[:2]]


async def test_next_link_of_a_repeated_page_may_be_dead(graph: Graph) -> None:
    await graph.seed(users=700, groups=0)
    await graph.fault("users/delta", "deadNextLink", onRepeat=True)
    first = await graph.get(USERS)
    second = await graph.get(first.body["@odata.nextLink"])
    good = second.body["@odata.nextLink"]
    repeated = await graph.get(first.body["@odata.nextLink"])
    assert repeated.rows == second.rows
    dead = await graph.get(repeated.body["@odata.nextLink"])
    assert (dead.status, dead.code) == (400, "DirectoryPageTokenNotFoundException")
    assert (await graph.get(good)).status == 200


async def test_wrong_context_changes_nothing_else(graph: Graph) -> None:
    users = (await graph.seed(users=2, groups=0))["users"]
    await graph.fault("users", "wrongContext")
    answer = await graph.get(USERS)
    assert answer.body["@odata.context"].endswith("#directoryObjects/$entity")
    assert [row["id"] for row in answer.rows] == users


async def test_unknown_properties_stand_beside_those_that_were_asked_for(graph: Graph) -> None:
    await graph.seed(users=1, groups=0)
    await graph.fault("users", "unknownProperties")
    (row,) = (await graph.get(USERS)).rows
    assert {"id", "displayName", "laterProperty", "@odata.etag"} <= set(row)


async def test_unknown_types_come_as_members_principals_and_list_entries(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    group, user = seeded["groups"][0]["id"], seeded["users"][0]
    await graph.tx({"op": "createGroup", "members": [user]})
    await graph.assign("Group", group)
    await graph.fault("", "unknownType", times=None)
    members = [m for row in (await graph.get(GROUPS)).rows for m in row.get("members@delta", [])]
    assert "#microsoft.graph.laterObject" in {member["@odata.type"] for member in members}
    rows = (await graph.get(graph.assigned_to)).rows
    assert [row["principalType"] for row in rows] == ["Group", "LaterPrincipal"]


async def test_ids_in_upper_case_are_understood_on_the_way_back(graph: Graph) -> None:
    seeded = await graph.seed(users=2, groups=1)
    await graph.assign("User", seeded["users"][0])
    await graph.sim("POST", "knobs", {"upperCaseIds": True})
    rows, link = await graph.round(GROUPS)
    assert [row["id"] for row in rows] == [seeded["groups"][0]["id"].upper()]
    assert all(member["id"].isupper() for row in rows for member in row["members@delta"])
    assert (await graph.round(link))[0] == []
    (row,) = (await graph.get(graph.assigned_to)).rows
    assert row["principalId"] == seeded["users"][0].upper()
    assert row["resourceId"] == graph.config["servicePrincipalId"].upper()
    assert (await graph.get(f"/v1.0/users/{row['principalId']}")).status == 200
    assert (await graph.get(f"{graph.assigned_to}/{row['id']}")).status == 200


async def test_body_can_be_reset_half_way(graph: Graph) -> None:
    await graph.seed(users=200, groups=0)
    await graph.fault("users", "resetBody")
    where = URL(graph.root)
    reader, writer = await asyncio.open_connection(where.host, where.port)  # aiohttp itself would try again
    request = f"GET /v1.0/users HTTP/1.1\r\nHost: sim\r\nAuthorization: Bearer {graph.token}\r\n\r\n"
    writer.write(request.encode())
    received = b""
    with pytest.raises(ConnectionResetError):
        while part := await asyncio.wait_for(reader.read(65536), 5):
            received += part
    assert b"200 OK" in received or received == b""
    writer.close()
    assert (await graph.get("/v1.0/users")).status == 200


async def test_fault_can_be_addressed_by_method_query_and_probability(graph: Graph) -> None:
    await graph.seed(users=300, groups=0)
    await graph.fault("users", "status", query="skiptoken", status=500)
    first = await graph.get("/v1.0/users")
    assert first.status == 200
    assert (await graph.get(first.body["@odata.nextLink"])).status == 500
    await graph.fault("subscriptions", "status", method="POST", status=500)
    assert (await graph.get("/v1.0/subscriptions")).status == 200
    assert (await graph.send("POST", "/v1.0/subscriptions", {})).status == 500
    await graph.fault("groups", "status", status=500, times=None, probability=0.5)
    statuses = [(await graph.get("/v1.0/groups")).status for _ in range(60)]
    assert 10 < statuses.count(500) < 50


async def test_top_above_999_is_refused_or_clamped(graph: Graph) -> None:
    users = (await graph.seed(users=1200, groups=0))["users"]
    assert (await graph.get("/v1.0/users?$top=1100")).code == "Request_UnsupportedQuery"
    await graph.sim("POST", "knobs", {"overlargeTop": "clamp"})
    assert [len(page.rows) for page in await graph.pages("/v1.0/users?$top=1100")] == [999, len(users) - 999]


async def test_moving_the_tenant_kills_every_delta_token(graph: Graph) -> None:
    await graph.seed(users=1, groups=1)
    links = [(await graph.round(url))[1] for url in (USERS, GROUPS)]
    await graph.sim("POST", "tokens/expire", {"kind": "generation"})
    for link in links:
        answer = await graph.get(link)
        assert (answer.status, answer.headers["Location"].endswith("$deltatoken=")) == (410, True)
    assert (await graph.round(USERS))[0]


@pytest.mark.parametrize(("field", "value"), [("probability", "x"), ("query", "("), ("onRepeat", 1), ("count", -1)])
async def test_bad_address_of_a_fault_is_refused(graph: Graph, field: str, value: Any) -> None:
    answer = await graph.call("POST", "/_sim/faults", json={"match": "users", "kind": "status", field: value})
    assert answer.status == 400
    assert answer.body["error"]["field"].replace("_r", "R") == field
