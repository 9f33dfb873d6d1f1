"""Guests, disabled accounts, service principals, groups that are not security-enabled, and the application itself."""

import pytest

from tests.conformance.graph.client import Graph

ROLES = "/v1.0/servicePrincipals/delta?$select=displayName,accountEnabled,appRoles"


async def test_members_of_groups_that_are_not_security_enabled_are_not_assigned(graph: Graph) -> None:
    seeded = await graph.seed(users=4, groups=2, memberships=8, assignments=2, insecureGroups=1)
    first, second = seeded["groups"]
    assert (first["securityEnabled"], second["securityEnabled"]) == (True, False)
    assert len((await graph.get(graph.assigned_to)).rows) == 2
    await graph.tx({"op": "updateGroup", "groupId": first["id"], "properties": {"securityEnabled": False}})
    assert (await graph.sim("GET", "truth"))["users"] == {}
    rows, _ = await graph.round("/v1.0/groups/delta?$select=securityEnabled")
    assert [row["securityEnabled"] for row in rows] == [False, False]


async def test_truth_follows_nested_groups_only_when_asked_to(graph: Graph) -> None:
    users = (await graph.seed(users=4, groups=0))["users"]
    made = await graph.tx(*[{"op": "createGroup", "members": [user]} for user in users])
    outer, inner, innermost, insecure = (result["groupId"] for result in made["results"])
    await graph.tx(
        {"op": "addMember", "groupId": outer, "userId": inner},
        {"op": "addMember", "groupId": inner, "userId": innermost},
        {"op": "addMember", "groupId": innermost, "userId": outer},
        {"op": "addMember", "groupId": outer, "userId": insecure},
        {"op": "updateGroup", "groupId": insecure, "properties": {"securityEnabled": False}},
    )
    await graph.assign("Group", outer)

    async def assigned(query: str) -> set[str]:
        return set((await graph.sim("GET", f"truth?{query}"))["users"])

    assert await assigned("") == {users[0]}
    assert await assigned(f"nested=true&sp={graph.config['servicePrincipalId']}&role=User") == set(users[:3])
    await graph.tx({"op": "deleteGroup", "groupId": inner})
    assert await assigned("nested=true") == {users[0]}
    assert (await graph.call("GET", "/_sim/truth?sp=other")).body["error"]["field"] == "sp"


async def test_guests_have_names_of_another_tenant(graph: Graph) -> None:
    await graph.seed(users=100, groups=0)
    made = await graph.tx({"op": "createUser", "properties": {"userType": "Guest", "accountEnabled": False}})
    guest = made["results"][0]["userId"]
    found = (await graph.get(f"/v1.0/users/{guest}?$select=userPrincipalName,userType,accountEnabled,mail")).body
    assert "#EXT#@" in found["userPrincipalName"]
    assert (found["userType"], found["accountEnabled"], found["mail"].endswith("@fabrikam.example")) == (
        "Guest",
        False,
        True,
    )
    rows, _ = await graph.round("/v1.0/users/delta?$select=userPrincipalName,userType")
    assert sum(row["userType"] == "Guest" and "#EXT#" in row["userPrincipalName"] for row in rows) == 2


async def test_service_principals_can_be_assigned_and_other_objects_be_members(graph: Graph) -> None:
    group = (await graph.seed(users=0, groups=1))["groups"][0]["id"]
    made = await graph.tx({"op": "createObject", "kind": "servicePrincipal"}, {"op": "createObject", "kind": "device"})
    service, device = (result["objectId"] for result in made["results"])
    await graph.assign("ServicePrincipal", service)
    await graph.tx(*[{"op": "addMember", "groupId": group, "userId": one} for one in (service, device)])
    assert [row["principalType"] for row in (await graph.get(graph.assigned_to)).rows] == ["ServicePrincipal"]
    types = {service: "#microsoft.graph.servicePrincipal", device: "#microsoft.graph.device"}
    rows, _ = await graph.round("/v1.0/groups/delta?$select=members")
    assert {member["id"]: member["@odata.type"] for member in rows[0]["members@delta"]} == types
    listed = (await graph.get(f"/v1.0/groups/{group}/members?$select=id")).rows
    assert {row["id"]: row["@odata.type"] for row in listed} == types
    assert (await graph.sim("GET", "truth"))["users"] == {}
    refused = {"op": "assign", "principalType": "ServicePrincipal", "principalId": device, "role": "User"}
    assert (await graph.call("POST", "/_sim/tx", json={"mutations": [refused]})).status == 400


async def test_roles_change_and_assignments_to_a_vanished_role_stay_listed(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.assign("User", user)
    _, link = await graph.round(ROLES)
    role = graph.config["userRoleId"]
    await graph.tx(
        {"op": "updateServicePrincipal", "properties": {"appRoles": [{"value": "Admin"}], "accountEnabled": False}}
    )
    (row,) = (await graph.get(graph.assigned_to)).rows
    assert row["appRoleId"] == role
    (changed,), link = await graph.round(link)
    assert ([one["value"] for one in changed["appRoles"]], changed["accountEnabled"]) == (["Admin"], False)
    assert (await graph.sim("GET", "truth?role=User"))["users"][user]["assigned"]
    back = {"appRoles": [{"value": "User", "isEnabled": False}]}
    await graph.tx({"op": "updateServicePrincipal", "properties": back})
    (changed,), link = await graph.round(link)
    assert [(one["id"], one["isEnabled"]) for one in changed["appRoles"]] == [(role, False)]
    await graph.assign("User", user, "Default Access")
    assert (await graph.round(link))[0] == [], "assignments are no property of the service principal"


async def test_service_principal_that_was_deleted_is_gone_with_its_assignments_until_it_is_restored(
    graph: Graph,
) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.assign("User", user)
    _, link = await graph.round(ROLES)
    await graph.tx({"op": "deleteServicePrincipal"})
    for path in (f"/v1.0/servicePrincipals/{graph.config['servicePrincipalId']}", graph.assigned_to):
        assert (await graph.get(path)).status == 404
    (row,), link = await graph.round(link)
    assert row["@removed"] == {"reason": "changed"}
    await graph.tx({"op": "restoreServicePrincipal"})
    assert len((await graph.get(graph.assigned_to)).rows) == 1


async def test_properties_of_a_wrong_type_can_be_written_when_unchecked(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    odd = {"displayName": 7, "mail": {"a": 1}, "city": "x" * 10_000, "accountEnabled": "yes"}
    await graph.tx({"op": "updateUser", "userId": user, "properties": odd, "unchecked": True})
    found = (await graph.get(f"/v1.0/users/{user}?$select=displayName,mail,city,accountEnabled")).body
    assert {name: found[name] for name in odd} == odd


async def test_directory_objects_delta_is_not_there(graph: Graph) -> None:
    where = "/v1.0/directoryObjects/delta?$filter=isof('microsoft.graph.appRoleAssignment')"
    assert (await graph.get(where)).status == 501


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"users": 1, "groups": 1, "assignments": 2}, "assignments"),
        ({"users": 1, "groups": 2, "memberships": 3}, "memberships"),
        ({"users": 1, "directAssignments": 2}, "directAssignments"),
        ({"members": 1}, "members"),
    ],
)
async def test_an_impossible_seed_is_refused(graph: Graph, body: dict[str, int], field: str) -> None:
    answer = await graph.call("POST", "/_sim/seed", json=body)
    assert (answer.status, answer.body["error"]["field"]) == (400, field)


async def test_memberships_are_as_many_as_asked_for(graph: Graph) -> None:
    seeded = await graph.seed(users=300, groups=7, memberships=901, assignments=3, directAssignments=5)
    sizes = [group["members"] for group in seeded["groups"]]
    assert sum(sizes) == 901
    assert len(set(sizes)) > 1
    assert len((await graph.get(graph.assigned_to)).rows) == 8
