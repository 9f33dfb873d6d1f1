"""Groups: push, find by displayName, members in both PATCH dialects."""

from typing import Any

import pytest

from tests.conformance.linkedin.conftest import GROUP, Service


async def _group(service: Service, name: str = "Sales EMEA", **changes: Any) -> Any:
    reply = await service.scim(
        "POST", "/Groups", {"schemas": [GROUP], "displayName": name, "externalId": f"group-{name}", **changes}
    )
    assert reply.status == 201, reply.text
    return reply.json


async def _members(service: Service, group_id: str) -> list[str]:
    found = (await service.scim("GET", f"/Groups/{group_id}")).json
    return [member["value"] for member in found.get("members", [])]


async def _people(service: Service, count: int) -> list[str]:
    return [(await service.create(number)).json["id"] for number in range(count)]


async def test_a_group_is_created_and_found_by_name_without_its_members(service: Service) -> None:
    people = await _people(service, 2)
    created = await _group(service, members=[{"value": each} for each in people])
    assert await _members(service, created["id"]) == people
    reply = await service.scim("GET", '/Groups?excludedAttributes=members&filter=displayName eq "sales emea"')
    assert [each["id"] for each in reply.json["Resources"]] == [created["id"]]
    assert "members" not in reply.json["Resources"][0]
    full = await service.scim("GET", '/Groups?filter=displayName eq "Sales EMEA"')
    assert full.json["Resources"] == [created]
    assert "members" not in (await service.scim("GET", f"/Groups/{created['id']}?excludedAttributes=members")).json


@pytest.mark.parametrize("dialect", ["legacy", "rfc"])
async def test_members_come_and_go_in_both_dialects(service: Service, dialect: str) -> None:
    people = await _people(service, 3)
    group_id = (await _group(service))["id"]
    value = (
        [{"$ref": None, "value": each} for each in people]
        if dialect == "legacy"
        else [{"value": each} for each in people]
    )
    verb = "Add" if dialect == "legacy" else "add"
    for _ in range(2):
        assert (
            await service.patch(group_id, {"op": verb, "path": "members", "value": value}, resource="Groups")
        ).status == 204
        assert await _members(service, group_id) == people
    if dialect == "legacy":
        removal: dict[str, Any] = {"op": "Remove", "path": "members", "value": [{"$ref": None, "value": people[1]}]}
    else:
        removal = {"op": "remove", "path": f'members[value eq "{people[1]}"]'}
    for _ in range(2):
        assert (await service.patch(group_id, removal, resource="Groups")).status == 204
        assert await _members(service, group_id) == [people[0], people[2]]
    assert (await service.patch(group_id, {"op": "remove", "path": "members"}, resource="Groups")).status == 204
    assert await _members(service, group_id) == []


async def test_members_are_replaced_by_patch_and_by_put(service: Service) -> None:
    people = await _people(service, 3)
    group_id = (await _group(service, members=[{"value": people[0]}]))["id"]
    await service.patch(group_id, {"op": "replace", "value": {"members": [{"value": people[1]}]}}, resource="Groups")
    assert await _members(service, group_id) == [people[1]]
    body = {"schemas": [GROUP], "displayName": "Renamed", "members": [{"value": people[2]}]}
    assert (await service.scim("PUT", f"/Groups/{group_id}", body)).json["displayName"] == "Renamed"
    assert await _members(service, group_id) == [people[2]]


async def test_leaving_a_group_frees_no_seat(service: Service) -> None:
    people = await _people(service, 1)
    group_id = (await _group(service, members=[{"value": people[0]}]))["id"]
    assert (await service.scim("DELETE", f"/Groups/{group_id}")).status == 204
    assert (await service.scim("GET", f"/Groups/{group_id}")).status == 404
    assert (await service.state())["licensesInUse"] == 1


async def test_a_member_who_does_not_exist_is_refused_dropped_or_kept(service: Service) -> None:
    group_id = (await _group(service))["id"]
    operation = {"op": "add", "path": "members", "value": [{"value": "nobody"}]}
    assert (await service.patch(group_id, operation, resource="Groups")).status == 400
    await service.settings(unknownMember="drop")
    assert (await service.patch(group_id, operation, resource="Groups")).status == 204
    assert await _members(service, group_id) == []
    await service.settings(unknownMember="keep")
    await service.patch(group_id, operation, resource="Groups")
    assert await _members(service, group_id) == ["nobody"]


async def test_a_member_who_is_removed_altogether_leaves_the_group(service: Service) -> None:
    people = await _people(service, 2)
    group_id = (await _group(service, members=[{"value": each} for each in people]))["id"]
    await service.sim("DELETE", f"/users/{people[0]}")
    assert await _members(service, group_id) == [people[1]]


async def test_names_and_external_ids_of_groups_are_unique(service: Service) -> None:
    await _group(service)
    other = await _group(service, "Other")
    for body in ({"displayName": "SALES emea"}, {"displayName": "Third", "externalId": "group-Other"}):
        reply = await service.scim("POST", "/Groups", {"schemas": [GROUP], **body})
        assert (reply.status, reply.json["scimType"]) == (409, "uniqueness")
    rename = {"op": "Replace", "path": "displayName", "value": "Sales EMEA"}
    assert (await service.patch(other["id"], rename, resource="Groups")).status == 409
    assert (await service.scim("GET", f"/Groups/{other['id']}")).json == other


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "remove", "path": "displayName"}, "mutability"),
        ({"op": "replace", "path": "displayName", "value": ""}, "invalidValue"),
        ({"op": "replace", "path": "colour", "value": "red"}, "invalidPath"),
        ({"op": "add", "path": "members", "value": [{"display": "x"}]}, "invalidValue"),
        ({"op": "remove", "path": 'members[type eq "User"]'}, "invalidFilter"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
    ],
)
async def test_an_operation_that_cannot_be_leaves_the_group_as_it_was(
    service: Service, operation: dict[str, Any], scim_type: str
) -> None:
    people = await _people(service, 2)
    created = await _group(service, members=[{"value": people[0]}])
    halves = (
        {"op": "replace", "path": "displayName", "value": "Half way"},
        {"op": "add", "path": "members", "value": [{"value": people[1]}]},
    )
    reply = await service.patch(created["id"], *halves, operation, resource="Groups")
    assert (reply.status, reply.json["scimType"]) == (400, scim_type)
    assert (await service.scim("GET", f"/Groups/{created['id']}")).json == created


async def test_groups_are_filtered_by_display_name_only_and_not_listed(service: Service) -> None:
    assert (await service.scim("GET", "/Groups")).status == 501
    reply = await service.scim("GET", '/Groups?filter=externalId eq "x"')
    assert (reply.status, reply.json["scimType"]) == (400, "invalidFilter")
    assert (await service.scim("GET", "/Groups/nobody")).status == 404
    assert (await service.scim("POST", "/Groups", {"schemas": [GROUP]})).status == 400
    await _group(service)
    await service.settings(listWithoutFilter="list")
    assert (await service.scim("GET", "/Groups")).json["totalResults"] == 1


async def test_the_control_plane_shows_groups(service: Service) -> None:
    people = await _people(service, 1)
    created = await _group(service, members=[{"value": people[0]}])
    shown = (await service.sim("GET", "/groups")).json
    assert [(each["id"], each["displayName"], each["members"]) for each in shown] == [
        (created["id"], "Sales EMEA", people)
    ]


async def test_a_merged_replace_without_a_path_renames_as_entra_sends_it(service: Service) -> None:
    group_id = (await _group(service))["id"]
    for operation, name in (
        ({"op": "replace", "value": {"displayName": "First", "externalId": "x"}}, "First"),
        ({"op": "Replace", "value": {"id": group_id, "displayName": "Second"}}, "Second"),
        ({"op": "Add", "path": f"{GROUP}:displayName", "value": "Third"}, "Third"),
    ):
        assert (await service.patch(group_id, operation, resource="Groups")).status == 204
        assert (await service.scim("GET", f"/Groups/{group_id}")).json["displayName"] == name
    assert (await service.scim("GET", f"/Groups/{group_id}")).json["externalId"] == "x"


async def test_a_member_who_does_not_exist_may_also_be_answered_404(service: Service) -> None:
    people = await _people(service, 1)
    group_id = (await _group(service))["id"]
    await service.settings(unknownMember="notFound")
    operation = {"op": "add", "path": "members", "value": [{"value": people[0]}, {"value": "nobody"}]}
    assert (await service.patch(group_id, operation, resource="Groups")).status == 404
    assert await _members(service, group_id) == [], "all or none"


async def test_a_request_may_name_a_limited_number_of_members(service: Service) -> None:
    people = await _people(service, 3)
    group_id = (await _group(service))["id"]
    await service.settings(mostMembers=2)
    operation = {"op": "add", "path": "members", "value": [{"value": each} for each in people]}
    assert (await service.patch(group_id, operation, resource="Groups")).status == 413
    selections = [{"op": "remove", "path": f'members[value eq "{each}"]'} for each in people]
    assert (await service.patch(group_id, *selections, resource="Groups")).status == 413
    assert (await service.patch(group_id, *selections[:2], resource="Groups")).status == 204
    body = {"schemas": [GROUP], "displayName": "Large", "members": operation["value"]}
    assert (await service.scim("POST", "/Groups", body)).status == 413


@pytest.mark.parametrize("status", ["405", "501"])
async def test_the_deletion_of_groups_may_be_refused(service: Service, status: str) -> None:
    group_id = (await _group(service))["id"]
    await service.settings(deleteGroup=status)
    assert (await service.scim("DELETE", f"/Groups/{group_id}")).status == int(status)
    assert (await service.scim("GET", f"/Groups/{group_id}")).status == 200


async def test_faults_concern_groups_alone_when_they_say_so(service: Service) -> None:
    group_id = (await _group(service))["id"]
    await service.fault("status", status=503, resource="Groups", method="PATCH", times=1)
    await service.fault("reject", userNameContains="emea", resource="Groups", status=422)
    await service.fault("staleFilter", seconds=60, resource="Groups")
    assert (await service.create()).status == 201
    assert len(await service.find("person-1")) == 1
    rename = {"op": "replace", "path": "displayName", "value": "Sales"}
    assert (await service.patch(group_id, rename, resource="Groups")).status == 503
    assert (await service.patch(group_id, rename, resource="Groups")).status == 422
    reply = await service.scim("GET", '/Groups?filter=displayName eq "Sales EMEA"')
    assert reply.json["Resources"] == []


async def test_the_control_plane_counts_names_and_takes_away_groups(service: Service) -> None:
    people = await _people(service, 2)
    first, second = await _group(service), await _group(service, "Other")
    operation = {"op": "add", "path": "members", "value": [{"value": each} for each in people]}
    await service.patch(first["id"], operation, resource="Groups")
    state = await service.state()
    assert (state["groups"], state["memberships"]) == (2, 2)
    writes = [each for each in (await service.sim("GET", "/writes")).json if each["resource"] == "Groups"]
    assert [(each["method"], each["members"]) for each in writes] == [("POST", 0), ("POST", 0), ("PATCH", 2)]
    assert (await service.sim("GET", f"/groups/{first['id']}")).json["members"] == people
    assert (await service.sim("DELETE", f"/groups/{first['id']}")).status == 204
    assert (await service.sim("GET", f"/groups/{first['id']}")).status == 404
    assert [each["id"] for each in (await service.sim("GET", "/groups")).json] == [second["id"]]
