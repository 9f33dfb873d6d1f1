"""Service principal, assignments, users, groups and the rules that all answers keep."""

import pytest

from tests.conformance.graph.client import Graph


async def test_service_principal_by_id_and_by_app_id(graph: Graph) -> None:
    config = graph.config
    by_id = (await graph.get(f"/v1.0/servicePrincipals/{config['servicePrincipalId']}")).body
    by_app = (await graph.get(f"/v1.0/servicePrincipals(appId='{config['appId']}')")).body
    assert by_id["appRoles"] == by_app["appRoles"]
    assert [(role["id"], role["value"], role["displayName"]) for role in by_id["appRoles"]] == [
        (config["userRoleId"], "User", "User")
    ]
    selected = (await graph.get(f"/v1.0/servicePrincipals/{config['servicePrincipalId']}?$select=appId")).body
    assert set(selected) == {"@odata.context", "id", "appId"}
    assert (await graph.get(f"/v1.0/servicePrincipals/{config['appId']}")).code == "Request_ResourceNotFound"


async def test_assignments_are_listed_in_pages_of_100_and_up_to_999(graph: Graph) -> None:
    users = (await graph.seed(users=250, groups=0))["users"]
    await graph.tx(*[{"op": "assign", "principalType": "User", "principalId": user, "role": "User"} for user in users])
    assert [len(page.rows) for page in await graph.pages(graph.assigned_to)] == [100, 100, 50]
    pages = await graph.pages(f"{graph.assigned_to}?$top=120")
    assert [len(page.rows) for page in pages] == [120, 120, 10]
    assert "$top=120" in pages[0].body["@odata.nextLink"]
    assert {row["principalId"] for page in pages for row in page.rows} == set(users)
    for top in ("0", "1000", "x"):
        assert (await graph.get(f"{graph.assigned_to}?$top={top}")).status == 400


async def test_assignment_row_has_the_documented_properties(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    group = seeded["groups"][0]
    made = await graph.tx(
        {
            "op": "assign",
            "principalType": "Group",
            "principalId": group["id"],
            "role": "Default Access",
            "createdDateTime": "2025-11-04T09:00:00Z",
        }
    )
    (row,) = (await graph.get(graph.assigned_to)).rows
    assert row == {
        "id": made["results"][0]["assignmentId"],
        "deletedDateTime": None,
        "createdDateTime": "2025-11-04T09:00:00.0000000Z",
        "appRoleId": "00000000-0000-0000-0000-000000000000",
        "principalType": "Group",
        "principalId": group["id"],
        "principalDisplayName": group["displayName"],
        "resourceId": graph.config["servicePrincipalId"],
        "resourceDisplayName": "LinkedIn Sales Navigator",
    }
    point = await graph.get(f"{graph.assigned_to}/{row['id']}")
    assert {k: v for k, v in point.body.items() if k != "@odata.context"} == row
    await graph.tx({"op": "unassign", "principalType": "Group", "principalId": group["id"]})
    assert (await graph.get(f"{graph.assigned_to}/{row['id']}")).status == 404
    assert (await graph.get(graph.assigned_to)).rows == []


async def test_rows_of_soft_deleted_principals_are_hidden_and_come_back_with_the_same_id(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.assign("User", user)
    before = (await graph.get(graph.assigned_to)).rows
    await graph.tx({"op": "softDeleteUser", "userId": user})
    assert (await graph.get(graph.assigned_to)).rows == []
    assert (await graph.get(f"{graph.assigned_to}/{before[0]['id']}")).status == 404
    await graph.sim("POST", "knobs", {"hideSoftDeletedAssignments": False})
    assert (await graph.get(graph.assigned_to)).rows == before
    await graph.sim("POST", "knobs", {"hideSoftDeletedAssignments": True})
    await graph.tx({"op": "restoreUser", "userId": user})
    assert (await graph.get(graph.assigned_to)).rows == before


async def test_hard_delete_takes_the_assignments_of_the_principal_with_it(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    user, group = seeded["users"][0], seeded["groups"][0]["id"]
    made = [await graph.assign("User", user), await graph.assign("Group", group)]
    await graph.sim("POST", "knobs", {"hideSoftDeletedAssignments": False})
    await graph.tx({"op": "hardDeleteUser", "userId": user}, {"op": "deleteGroup", "groupId": group, "permanent": True})
    assert (await graph.get(graph.assigned_to)).rows == []
    for done in made:
        assert (await graph.get(f"{graph.assigned_to}/{done['results'][0]['assignmentId']}")).status == 404
    told = (await graph.sim("GET", "truth"))["users"][user]
    assert (told["assigned"], told["roles"], told["assignedAt"], told["state"]) == (False, [], None, "hard")


async def test_renamed_principal_shows_its_new_name_and_keeps_its_assignment(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    user, group = seeded["users"][0], seeded["groups"][0]["id"]
    await graph.assign("User", user)
    await graph.assign("Group", group)
    before = (await graph.get(graph.assigned_to)).rows
    await graph.tx(
        {"op": "updateUser", "userId": user, "properties": {"displayName": "Zoë Berg"}},
        {"op": "updateGroup", "groupId": group, "properties": {"displayName": "Ledger"}},
    )
    after = (await graph.get(graph.assigned_to)).rows
    assert [row["principalDisplayName"] for row in after] == ["Zoë Berg", "Ledger"]
    assert [row["id"] for row in after] == [row["id"] for row in before]


@pytest.mark.parametrize(("paging", "missed"), [("moving", 1), ("stable", 0)])
async def test_paging_of_assignments_is_no_snapshot(graph: Graph, paging: str, missed: int) -> None:
    users = (await graph.seed(users=6, groups=0))["users"]
    await graph.sim("POST", "knobs", {"listPaging": paging})
    await graph.tx(*[{"op": "assign", "principalType": "User", "principalId": user, "role": "User"} for user in users])
    first = await graph.get(f"{graph.assigned_to}?$top=3")
    await graph.tx({"op": "unassign", "principalId": users[0]})
    pages = [first, *await graph.pages(first.body["@odata.nextLink"])]
    seen = {row["principalId"] for page in pages for row in page.rows}
    assert len(set(users) - seen) == missed
    assert {row["principalId"] for row in (await graph.get(graph.assigned_to)).rows} == set(users[1:])


async def test_assignment_filter_takes_the_documented_properties_only(graph: Graph) -> None:
    users = (await graph.seed(users=3, groups=0))["users"]
    for user, name in zip(users, ("Ana O'Neil", "Ana Berg", "Cem Kaya"), strict=True):
        await graph.tx({"op": "updateUser", "userId": user, "properties": {"displayName": name}})
        await graph.assign("User", user)

    async def names(text: str) -> list[str]:
        return [row["principalDisplayName"] for row in (await graph.get(f"{graph.assigned_to}?$filter={text}")).rows]

    assert await names("principalDisplayName eq 'Ana O''Neil'") == ["Ana O'Neil"]
    assert await names("startswith(principalDisplayName,'Ana')") == ["Ana O'Neil", "Ana Berg"]
    assert len(await names(f"resourceId eq {graph.config['servicePrincipalId']}")) == 3
    answer = await graph.get(f"{graph.assigned_to}?$filter=appRoleId eq {graph.config['userRoleId']}")
    assert answer.code == "Request_UnsupportedQuery"


async def test_users_and_groups_can_be_read_and_listed(graph: Graph) -> None:
    seeded = await graph.seed(users=205, groups=2)
    pages = await graph.pages("/v1.0/users?$select=userPrincipalName&$top=100")
    assert [len(page.rows) for page in pages] == [100, 100, 5]
    user = pages[0].rows[0]
    assert (await graph.get(f"/v1.0/users/{user['userPrincipalName']}")).body["id"] == user["id"]
    assert (await graph.get(f"/v1.0/groups/{seeded['groups'][0]['id']}")).body["displayName"] == "Sales Nordics"
    await graph.tx({"op": "softDeleteUser", "userId": user["id"]})
    assert (await graph.get(f"/v1.0/users/{user['id']}")).code == "Request_ResourceNotFound"
    assert sum(len(page.rows) for page in await graph.pages("/v1.0/users")) == 204


async def test_group_members_are_paged_and_name_nested_groups_without_expanding_them(graph: Graph) -> None:
    seeded = await graph.seed(users=400, groups=2)
    outer, inner = seeded["groups"]
    pages = await graph.pages(f"/v1.0/groups/{outer['id']}/members?$select=id&$top=90")
    rows = [row for page in pages for row in page.rows]
    assert len(pages) > 1
    assert [row["id"] for row in rows if row["@odata.type"] == "#microsoft.graph.group"] == [inner["id"]]
    assert len(rows) == outer["members"] + 1


async def test_unknown_segment_option_property_and_method_fail_loudly(graph: Graph) -> None:
    await graph.seed(users=1, groups=0)
    for path in (
        "userz",
        "users/delta/x",
        "subscription",
        "$metadata",
        "users/delta?$selct=id",
        "users?$select=nickname",
    ):
        answer = await graph.get(f"/v1.0/{path}")
        assert (answer.status, answer.code) == (400, "Request_BadRequest"), path
    assert (await graph.send("POST", "/v1.0/users", {})).status == 405


async def test_every_answer_carries_the_graph_headers_and_errors_the_envelope(graph: Graph) -> None:
    own = "0a0a0a0a-0000-4000-8000-000000000001"
    for path, status in (("/v1.0/users", 200), ("/v1.0/users/nobody", 404)):
        answer = await graph.get(path, client_request_id=own)
        assert answer.status == status
        assert answer.headers["client-request-id"] == own
        assert answer.headers["x-ms-resource-unit"].isdigit()
        assert answer.headers["OData-Version"] == "4.0"
        assert {"request-id", "Date", "x-ms-ags-diagnostic"} <= set(answer.headers)
        assert answer.headers["Content-Type"].startswith("application/json")
        if status == 404:
            inner = answer.body["error"]["innerError"]
            assert set(inner) == {"date", "request-id", "client-request-id"}
            assert inner["request-id"] == answer.headers["request-id"]


@pytest.mark.parametrize(
    ("change", "status", "number"),
    [
        *(({"client_secret": "wrong"}, 401, 7000215), ({"client_secret": None}, 401, 7000218)),
        *(({"tenant": "nowhere"}, 400, 90002), ({"client_id": "other"}, 400, 700016)),
        *(({"scope": "User.Read.All"}, 400, 70011), ({"grant_type": "password"}, 400, 70003)),
        ({"client_id": None}, 400, 900144),
    ],
)
async def test_token_endpoint_refuses_with_an_aadsts_error(
    graph: Graph, change: dict[str, str | None], status: int, number: int
) -> None:
    answer = await graph.ask_token(**change)
    assert answer.status == status
    assert answer.body["error_codes"] == [number]
    assert answer.body["error_description"].startswith(f"AADSTS{number}: ")


async def test_access_token_is_needed_and_dies_of_age_and_by_order(graph: Graph) -> None:
    answer = await graph.call("GET", "/v1.0/users")
    assert (answer.status, answer.code) == (401, "InvalidAuthenticationToken")
    assert "WWW-Authenticate" in answer.headers
    await graph.sim("POST", "knobs", {"accessTokenLifetime": 60})
    token = (await graph.ask_token()).body
    assert token["expires_in"] == 60
    graph.token = token["access_token"]
    assert (await graph.get("/v1.0/users")).status == 200
    await graph.sim("POST", "clock/advance", {"seconds": 61})
    assert (await graph.get("/v1.0/users")).status == 401
    await graph.authenticate()
    assert (await graph.get("/v1.0/users")).status == 200
    await graph.sim("POST", "tokens/expire", {"kind": "access"})
    assert (await graph.get("/v1.0/users")).status == 401


async def test_missing_permission_is_403_and_for_member_details_only_nulls(graph: Graph) -> None:
    seeded = await graph.seed(users=30, groups=1)
    await graph.sim("POST", "knobs", {"permissions": ["GroupMember.Read.All"]})
    await graph.authenticate()
    assert (await graph.get("/v1.0/users/delta")).code == "Authorization_RequestDenied"
    assert (await graph.get(graph.assigned_to)).status == 403
    assert (await graph.get("/v1.0/groups/delta")).status == 200
    rows = (await graph.get(f"/v1.0/groups/{seeded['groups'][0]['id']}/members")).rows
    assert {frozenset(row) for row in rows} == {frozenset({"@odata.type", "id"})}
    await graph.sim("POST", "knobs", {"consentRevoked": True})
    assert (await graph.get("/v1.0/groups/delta")).status == 403
