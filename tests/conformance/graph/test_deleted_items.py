"""Deleted items, objects by their ids, and counts."""

import pytest

from tests.conformance.graph.client import Graph

NOBODY = "0a0a0a0a-0000-4000-8000-000000000009"
READ = ("User.Read.All", "Group.Read.All", "Application.Read.All")
WRITE = ("User.ReadWrite.All", "Group.ReadWrite.All")
DELETED = "/v1.0/directory/deletedItems"


@pytest.mark.parametrize("kind", ["user", "group"])
async def test_deleted_objects_are_listed_with_the_time_until_they_are_restored(graph: Graph, kind: str) -> None:
    seeded = await graph.seed(users=3, groups=3)
    ids = seeded["users"] if kind == "user" else [group["id"] for group in seeded["groups"]]
    await graph.allow(*READ, *WRITE)
    op = "softDeleteUser" if kind == "user" else "deleteGroup"
    await graph.tx({"op": op, f"{kind}Id": ids[0]}, {"op": op, f"{kind}Id": ids[2]})
    pages = await graph.pages(f"{DELETED}/microsoft.graph.{kind}?$select=id,deletedDateTime&$top=1")
    rows = [row for page in pages for row in page.rows]
    assert [row["id"] for row in rows] == [ids[0], ids[2]]
    assert all(row["deletedDateTime"].endswith("Z") for row in rows)
    item = (await graph.get(f"{DELETED}/{ids[0].upper()}")).body
    assert (item["@odata.type"], item["id"]) == (f"#microsoft.graph.{kind}", ids[0])
    for missing in (ids[1], NOBODY):
        assert (await graph.get(f"{DELETED}/{missing}")).status == 404
    restored = await graph.send("POST", f"{DELETED}/{ids[0]}/restore")
    assert (restored.status, restored.body["id"]) == (200, ids[0])
    assert (await graph.get(f"/v1.0/{kind}s/{ids[0]}")).status == 200
    assert (await graph.send("DELETE", f"{DELETED}/{ids[2]}")).status == 204
    assert (await graph.get(f"{DELETED}/microsoft.graph.{kind}")).rows == []
    assert (await graph.get(f"/v1.0/{kind}s/{ids[2]}")).status == 404


async def test_deleted_items_need_the_permissions_that_the_documentation_names(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    user = seeded["users"][0]
    await graph.tx({"op": "softDeleteUser", "userId": user})
    assert (await graph.get(f"{DELETED}/microsoft.graph.user")).status == 200
    assert (await graph.get(f"{DELETED}/microsoft.graph.group")).status == 403
    assert (await graph.send("POST", f"{DELETED}/{user}/restore")).status == 403


async def test_restoring_a_user_whose_name_was_taken_is_a_conflict(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    name = (await graph.get(f"/v1.0/users/{user}")).body["userPrincipalName"]
    await graph.tx({"op": "softDeleteUser", "userId": user})
    await graph.tx({"op": "createUser", "properties": {"displayName": "Second", "userPrincipalName": name}})
    await graph.allow(*WRITE)
    answer = await graph.send("POST", f"{DELETED}/{user}/restore")
    assert (answer.status, answer.code) == (409, "Request_Conflict")


async def test_objects_by_ids_leave_out_what_is_not_there(graph: Graph) -> None:
    seeded = await graph.seed(users=2, groups=1)
    (one, two), group = seeded["users"], seeded["groups"][0]["id"]
    await graph.tx({"op": "softDeleteUser", "userId": two})
    where, body = "/v1.0/directoryObjects/getByIds", {"ids": [one.upper(), two, group, NOBODY]}
    assert (await graph.send("POST", where, body)).status == 403
    await graph.allow("Directory.Read.All")
    answer = await graph.send("POST", where, body)
    assert [(row["@odata.type"], row["id"]) for row in answer.rows] == [
        ("#microsoft.graph.user", one),
        ("#microsoft.graph.group", group),
    ]
    assert answer.headers["x-ms-resource-unit"] == "3"
    only_users = await graph.send("POST", f"{where}?$select=id", {**body, "types": ["user"]})
    assert only_users.rows == [{"@odata.type": "#microsoft.graph.user", "id": one}]
    assert (await graph.send("POST", where, {"ids": [NOBODY] * 1001})).status == 400
    assert (await graph.send("POST", where, {"ids": "x"})).status == 400


async def test_count_is_plain_text_and_needs_the_eventual_index(graph: Graph) -> None:
    users = (await graph.seed(users=7, groups=2))["users"]
    await graph.tx({"op": "softDeleteUser", "userId": users[0]})
    answer = await graph.get("/v1.0/users/$count", ConsistencyLevel="eventual")
    assert (answer.status, answer.headers["Content-Type"], answer.body) == (200, "text/plain", b"6")
    assert (await graph.get("/v1.0/groups/$count", ConsistencyLevel="eventual")).body == b"2"
    await graph.assign("User", users[1])
    assert (await graph.get(f"{graph.assigned_to}/$count", ConsistencyLevel="eventual")).body == b"1"
    assert (await graph.get("/v1.0/users/$count")).code == "Request_BadRequest"
    counted = await graph.pages("/v1.0/users?$count=true&$top=3", ConsistencyLevel="eventual")
    assert [page.body.get("@odata.count") for page in counted] == [6, None]
    assert "@odata.count" not in (await graph.get("/v1.0/users?$count=true")).body
