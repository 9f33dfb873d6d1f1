"""Replicas that lag and reads that go backward, snapshots, and the clock."""

from itertools import pairwise
from typing import Any

from tests.conformance.graph.client import Graph

USERS = "/v1.0/users/delta?$select=displayName"
GROUPS = "/v1.0/groups/delta?$select=displayName,members"


async def lag(graph: Graph, **lags: dict[str, Any]) -> None:
    await graph.sim("POST", "replica", {"lag": lags})


async def listed(graph: Graph) -> set[str]:
    return {row["principalId"] for page in await graph.pages(graph.assigned_to) for row in page.rows}


async def test_what_a_frozen_replica_has_not_seen_comes_later_and_nothing_is_skipped(graph: Graph) -> None:
    seeded = await graph.seed(users=2, groups=1)
    (one, two), group = seeded["users"], seeded["groups"][0]["id"]
    await graph.assign("User", one)
    links = {url: (await graph.round(url))[1] for url in (USERS, GROUPS)}
    await lag(graph, users={"frozen": True}, groups={"frozen": True}, assignments={"frozen": True})
    (assigned,) = (await graph.assign("User", two))["results"]
    made = (await graph.tx({"op": "createUser"}, {"op": "unassign", "principalId": one}))["results"][0]["userId"]
    await graph.tx(
        {"op": "addMember", "groupId": group, "userId": made},
        {"op": "softDeleteUser", "userId": two},
        {"op": "updateUser", "userId": one, "properties": {"displayName": "New"}},
    )
    for url, link in links.items():
        rows, links[url] = await graph.round(link)
        assert rows == []
    assert await listed(graph) == {one}
    assert (await graph.get(f"{graph.assigned_to}/{assigned['assignmentId']}")).status == 404
    assert (await graph.get(f"/v1.0/users/{made}")).status == 404
    assert (await graph.get(f"/v1.0/users/{two}")).status == 200
    assert (await graph.get(f"/v1.0/users/{one}?$select=displayName")).body["displayName"] != "New"
    assert {row["id"] for row in (await graph.get("/v1.0/users")).rows} == {one, two}
    assert made not in {row["id"] for row in (await graph.get(f"/v1.0/groups/{group}/members")).rows}
    assert {row["id"] for row in (await graph.round(USERS))[0]} == {one, two}
    await lag(graph, users={}, groups={}, assignments={})
    users, _ = await graph.round(links[USERS])
    assert {row["id"]: row.get("@removed", {}).get("reason") for row in users} == {
        one: None,
        two: "changed",
        made: None,
    }
    groups, _ = await graph.round(links[GROUPS])
    assert [member["id"] for row in groups for member in row["members@delta"]] == [made]
    assert await listed(graph) == set()
    assert (await graph.get(f"/v1.0/users/{made}")).status == 200


async def test_a_frozen_replica_shows_what_was_true_then_and_no_more(graph: Graph) -> None:
    seeded = await graph.seed(users=2, groups=1)
    (one, two), group = seeded["users"], seeded["groups"][0]["id"]
    for user in (one, two):
        await graph.assign("User", user)
    members = {row["id"] for row in (await graph.get(f"/v1.0/groups/{group}/members")).rows}
    await graph.tx({"op": "unassign", "principalId": one})
    await graph.tx({"op": "updateUser", "userId": one, "properties": {"displayName": "Then"}})
    await lag(graph, users={"frozen": True}, groups={"frozen": True}, assignments={"frozen": True})
    await graph.tx(
        {"op": "unassign", "principalId": two},
        {"op": "updateUser", "userId": one, "properties": {"displayName": "Later"}},
        *({"op": "removeMember", "groupId": group, "userId": member} for member in members),
    )
    assert await listed(graph) == {two}
    assert (await graph.get(f"/v1.0/users/{one}")).body["displayName"] == "Then"
    assert members
    assert {row["id"] for row in (await graph.get(f"/v1.0/groups/{group}/members")).rows} == members


async def test_each_type_lags_by_itself_and_by_the_clock(graph: Graph) -> None:
    one, two = (await graph.seed(users=2, groups=0))["users"]
    await lag(graph, assignments={"seconds": 30})
    await graph.assign("User", one)
    await graph.tx({"op": "updateUser", "userId": two, "properties": {"displayName": "New"}})
    assert await listed(graph) == set()
    assert (await graph.get(f"/v1.0/users/{two}?$select=displayName")).body["displayName"] == "New"
    await graph.sim("POST", "clock/advance", {"seconds": 31})
    assert await listed(graph) == {one}


async def test_a_listing_can_go_backward_while_another_does_not(graph: Graph) -> None:
    users = (await graph.seed(users=2, groups=0))["users"]
    for user in users:
        await graph.assign("User", user)
    await graph.sim("POST", "replica", {"backward": {"assignments": {"probability": 0.5, "transactions": 1}}})
    seen = [len(await listed(graph)) for _ in range(30)]
    assert set(seen) == {1, 2}
    assert any(before > after for before, after in pairwise(seen))
    await graph.sim("DELETE", "replica")
    assert await listed(graph) == set(users)


async def test_stale_fault_answers_one_request_from_the_past(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.assign("User", user)
    await graph.tx({"op": "unassign", "principalId": user})
    await graph.fault("appRoleAssignedTo", "stale", transactions=1)
    assert await listed(graph) == {user}
    assert await listed(graph) == set()


async def test_bad_replica_settings_are_refused_by_name(graph: Graph) -> None:
    for body, field in (
        ({"lag": {"devices": {}}}, "lag.devices"),
        ({"lag": {"users": {"seconds": -1}}}, "lag.users.seconds"),
        ({"lag": {"users": {"seconds": 1, "transactions": 1}}}, "lag.users"),
        ({"backward": {"users": {"chance": 1}}}, "backward.users"),
        ({"delay": 1}, "delay"),
    ):
        answer = await graph.call("POST", "/_sim/replica", json=body)
        assert (answer.status, answer.body["error"]["field"]) == (400, field)


async def test_restoring_a_snapshot_brings_the_tenant_back_and_kills_later_links(graph: Graph) -> None:
    seeded = await graph.seed(users=5, groups=2)
    await graph.assign("Group", seeded["groups"][0]["id"])
    _, before = await graph.round(GROUPS)
    told, rows = await graph.sim("GET", "truth"), (await graph.get(graph.assigned_to)).rows
    await graph.sim("POST", "snapshot", {"name": "first"})
    await graph.tx({"op": "unassign", "principalId": seeded["groups"][0]["id"]}, {"op": "createGroup"})
    _, after = await graph.round(before)
    await graph.sim("POST", "restore", {"name": "first"})
    assert await graph.sim("GET", "truth") == told
    assert (await graph.get(graph.assigned_to)).rows == rows
    assert (await graph.get(after)).status == 410
    made = (await graph.tx({"op": "createGroup"}))["results"][0]["groupId"]
    rows, link = await graph.round(before)
    assert [row["id"] for row in rows] == [made]
    assert (await graph.round(link))[0] == [], "links given out after the restore are good"
    await graph.seed(users=0, groups=0, seed=2)
    await graph.sim("POST", "restore", {"name": "first"})
    assert await graph.sim("GET", "truth") == told
    assert (await graph.call("POST", "/_sim/restore", json={"name": "second"})).status == 400


async def test_clock_can_stand_still_and_deleted_objects_are_purged_when_it_passes_30_days(graph: Graph) -> None:
    seeded = await graph.seed(users=2, groups=1)
    await graph.sim("POST", "clock", {"frozen": True})
    now = (await graph.sim("GET", "clock"))["now"]
    await graph.tx({"op": "softDeleteUser", "userId": seeded["users"][0]})
    await graph.tx({"op": "deleteGroup", "groupId": seeded["groups"][0]["id"]})
    assert (await graph.sim("GET", "clock"))["now"] == now
    _, link = await graph.round(USERS)
    assert (await graph.sim("POST", "clock/advance", {"seconds": 29 * 86_400}))["now"] == now + 29 * 86_400
    await graph.sim("POST", "knobs", {"deltaTokenDays": 99})
    await graph.authenticate()
    rows, link = await graph.round(link)
    assert rows == []
    await graph.sim("POST", "clock/advance", {"seconds": 2 * 86_400})
    await graph.authenticate()
    rows, _ = await graph.round(link)
    assert rows == [{"id": seeded["users"][0], "@removed": {"reason": "deleted"}}]
    assert (await graph.sim("GET", "groups"))["groups"][0]["state"] == "hard"
