"""Users: create, find, read, replace, and what is refused (RFC 7644 sections 3.3 to 3.6, 3.12)."""

from typing import Any

import pytest

from tests.conformance.linkedin.conftest import CORE, ENTERPRISE, Service, user

ERROR = "urn:ietf:params:scim:api:messages:2.0:Error"


async def test_a_created_user_is_returned_with_id_meta_and_location(service: Service) -> None:
    reply = await service.create()
    assert reply.status == 201
    assert reply.headers["Content-Type"] == "application/scim+json; charset=utf-8"
    created = reply.json
    assert {name: value for name, value in created.items() if name not in ("id", "meta")} == user()
    location = f"{service.simulator.tenant_url}/Users/{created['id']}"
    assert reply.headers["Location"] == created["meta"]["location"] == location
    assert reply.headers["ETag"] == created["meta"]["version"]
    assert created["meta"]["resourceType"] == "User"
    assert created["meta"]["created"] == created["meta"]["lastModified"]
    assert (await service.scim("GET", f"/Users/{created['id']}")).json == created


async def test_a_filter_finds_by_external_id_exactly(service: Service) -> None:
    created = (await service.create()).json
    assert await service.find("person-1") == [created]
    assert await service.find("PERSON-1") == []
    reply = await service.scim("GET", '/Users?filter=externalId eq "nobody"')
    assert reply.json == {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": 0,
        "itemsPerPage": 0,
        "startIndex": 1,
        "Resources": [],
    }


@pytest.mark.parametrize("external_id", ['quo"te', "back\\slash", "plus+and space", "ünïcode", "100%", "a&b=c#d"])
async def test_a_filter_value_may_hold_any_character(service: Service, external_id: str) -> None:
    await service.create(externalId=external_id)
    literal = external_id.replace("\\", "\\\\").replace('"', '\\"')
    async with service.http.get(
        f"{service.simulator.tenant_url}/Users",
        params={"filter": f'externalId eq "{literal}"'},
        headers={"Authorization": f"Bearer {service.token}"},
    ) as response:
        found = await response.json(content_type=None)
    assert [each["externalId"] for each in found["Resources"]] == [external_id]


@pytest.mark.parametrize(
    "text",
    [
        'userName eq "person1@example.com"',
        'externalId eq "a" and userName eq "b"',
        'externalId sw "person"',
        'externalId ne "person-1"',
        "externalId pr",
        "externalId eq person-1",
        "externalId eq true",
        'externalId eq "a',
        "",
    ],
)
async def test_any_other_filter_is_invalid(service: Service, text: str) -> None:
    reply = await service.scim("GET", f"/Users?filter={text}")
    assert (reply.status, reply.json["scimType"], reply.json["schemas"]) == (400, "invalidFilter", [ERROR])
    await service.settings(unsupportedFilter="emptyList")
    assert (await service.scim("GET", f"/Users?filter={text}")).json["totalResults"] == 0


async def test_filter_names_are_compared_without_regard_to_case(service: Service) -> None:
    await service.create()
    for text in ('EXTERNALID EQ "person-1"', f'{CORE}:externalId eq "person-1"'):
        assert (await service.scim("GET", f"/Users?filter={text}")).json["totalResults"] == 1


@pytest.mark.parametrize("attribute", ["userName", "emails.value", 'emails[type eq "work"].value', "id"])
async def test_other_filters_can_be_switched_on(service: Service, attribute: str) -> None:
    created = (await service.create()).json
    await service.settings(userFilters=["externalId", "userName", "emails", "id"])
    value = created["id"] if attribute == "id" else "PERSON1@example.com"
    reply = await service.scim("GET", f'/Users?filter={attribute} eq "{value}"')
    assert [each["id"] for each in reply.json["Resources"]] == [created["id"]]


@pytest.mark.parametrize("status", ["400", "403", "501"])
async def test_users_cannot_be_listed(service: Service, status: str) -> None:
    await service.settings(listWithoutFilter=status)
    assert (await service.scim("GET", "/Users")).status == int(status)


async def test_users_can_be_listed_page_by_page_when_it_is_switched_on(service: Service) -> None:
    for number in range(5):
        await service.create(number)
    await service.settings(listWithoutFilter="list")
    reply = await service.scim("GET", "/Users?startIndex=4&count=3")
    assert [each["externalId"] for each in reply.json["Resources"]] == ["person-3", "person-4"]
    assert (reply.json["totalResults"], reply.json["startIndex"], reply.json["itemsPerPage"]) == (5, 4, 2)
    assert (await service.scim("GET", "/Users?count=many")).status == 400


@pytest.mark.parametrize(
    ("taken", "changes"),
    [
        ("externalId", {"externalId": "person-1"}),
        ("userName", {"userName": "PERSON1@Example.com"}),
        ("emails", {"emails": [{"type": "work", "value": "Person1@example.com"}]}),
    ],
)
async def test_i5_what_is_unique_conflicts(service: Service, taken: str, changes: dict[str, Any]) -> None:
    await service.create()
    reply = await service.create(2, **changes)
    assert (reply.status, reply.json["scimType"]) == (409, "uniqueness")
    assert taken in reply.json["detail"]
    assert (await service.state())["users"] == 1
    other = (await service.create(3)).json
    for change in (
        await service.patch(other["id"], {"op": "replace", "value": changes}),
        await service.scim("PUT", f"/Users/{other['id']}", user(3, **changes)),
    ):
        assert (change.status, change.json["scimType"]) == (409, "uniqueness")
    assert (await service.scim("GET", f"/Users/{other['id']}")).json == other


async def test_i5_keys_stored_in_capitals_conflict_as_well(service: Service) -> None:
    capitals = [{"type": "work", "value": "PERSON1@example.com"}]
    assert (await service.create(userName="PERSON1@example.com", emails=capitals)).status == 201
    for changes in (
        {"userName": "person1@example.com"},
        {"emails": [{"type": "work", "value": "person1@example.com"}]},
    ):
        assert (await service.create(2, **changes)).status == 409


async def test_a_private_address_may_be_shared(service: Service) -> None:
    home = [{"type": "home", "value": "family@example.com"}]
    assert [(await service.create(number, emails=home)).status for number in (1, 2)] == [201, 201]


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"externalId": None}, "externalId"),
        ({"userName": None}, "userName"),
        ({"userName": ""}, "userName"),
        ({"userName": "not-an-address", "emails": None}, "e-mail"),
        ({"userName": 7}, "userName"),
        ({"active": "maybe"}, "active"),
        ({"emails": "person1@example.com"}, "emails"),
        ({"emails": [{"type": "work", "value": 7}]}, "emails.value"),
        ({"name": "Person"}, "name"),
        ({ENTERPRISE: "Sales"}, ENTERPRISE),
        ({ENTERPRISE: {"manager": {"value": "nobody"}}}, "manager"),
        ({"schemas": None}, "schemas"),
        ({"schemas": [ENTERPRISE]}, "schemas"),
    ],
)
async def test_a_user_that_is_not_complete_or_not_well_formed_is_refused(
    service: Service, changes: dict[str, Any], named: str
) -> None:
    reply = await service.create(**changes)
    assert (reply.status, reply.json["schemas"]) == (400, [ERROR])
    assert named in reply.json["detail"]
    assert "person1@example.com" not in reply.text
    assert (await service.state())["users"] == 0


async def test_a_work_address_is_enough_when_the_user_name_is_none(service: Service) -> None:
    assert (await service.create(userName="pers1")).status == 201


async def test_the_error_status_is_a_string_and_can_be_a_number(service: Service) -> None:
    assert (await service.scim("GET", "/Users/nobody")).json["status"] == "404"
    await service.settings(errorStatus="integer")
    assert (await service.scim("GET", "/Users/nobody")).json["status"] == 404


async def test_an_id_that_nobody_has_is_not_found(service: Service) -> None:
    assert (await service.patch("nobody", {"op": "add", "path": "title", "value": "x"})).status == 404
    assert (await service.scim("PUT", "/Users/nobody", user())).status == 404
    assert (await service.scim("GET", "/Users/nobody")).json["schemas"] == [ERROR]


async def test_attributes_that_are_not_kept_are_dropped_and_names_lose_their_case(service: Service) -> None:
    document = user(nickName="P", phoneNumbers=[{"value": "1"}], roles=[])
    document["DISPLAYNAME"] = document.pop("displayName")
    assert (await service.scim("POST", "/Users", document)).status == 201
    created = (await service.find("person-1"))[0]
    assert created["displayName"] == "Person 1"
    assert not {"nickName", "phoneNumbers", "roles", "DISPLAYNAME"} & created.keys()


async def test_an_inactive_user_is_still_found(service: Service) -> None:
    created = (await service.create(active="False")).json
    assert created["active"] is False
    assert await service.find("person-1") == [created]


async def test_put_clears_what_it_does_not_hold(service: Service) -> None:
    created = (await service.create()).json
    reply = await service.scim("PUT", f"/Users/{created['id']}", user(title=None, displayName="New"))
    assert reply.status == 200
    assert "title" not in reply.json
    assert (reply.json["displayName"], reply.json["id"]) == ("New", created["id"])
    assert reply.json["meta"]["created"] == created["meta"]["created"]


async def test_a_new_key_is_found_and_the_old_one_is_free(service: Service) -> None:
    created = (await service.create()).json
    await service.scim("PUT", f"/Users/{created['id']}", user(2))
    assert await service.find("person-1") == []
    assert (await service.create(1)).status == 201
    assert (await service.create(2)).status == 409


async def test_delete_is_refused_or_deactivates_or_removes(service: Service) -> None:
    created = (await service.create()).json
    path = f"/Users/{created['id']}"
    assert (await service.scim("DELETE", path)).status == 405
    await service.settings(deleteUser="501")
    assert (await service.scim("DELETE", path)).status == 501
    await service.settings(deleteUser="deactivate")
    assert (await service.scim("DELETE", path)).status == 204
    assert (await service.scim("GET", path)).json["active"] is False
    await service.settings(deleteUser="remove")
    assert (await service.scim("DELETE", path)).status == 204
    assert (await service.scim("GET", path)).status == 404
    assert await service.find("person-1") == []


async def test_attributes_and_excluded_attributes_select(service: Service) -> None:
    created = (await service.create()).json
    path = f"/Users/{created['id']}"
    reply = await service.scim("GET", f"{path}?attributes=userName,name.givenName,emails.value,{ENTERPRISE}:department")
    assert reply.json == {
        "schemas": [CORE, ENTERPRISE],
        "id": created["id"],
        "userName": "person1@example.com",
        "name": {"givenName": "Person"},
        "emails": [{"value": "person1@example.com"}],
        ENTERPRISE: {"department": "Sales"},
    }
    without = (await service.scim("GET", f"{path}?excludedAttributes=emails.primary,title,id")).json
    assert "title" not in without
    assert without["emails"] == [{"type": "work", "value": "person1@example.com"}]
    assert without["id"] == created["id"]


async def test_entity_tags_guard_reads_and_writes(service: Service) -> None:
    created = (await service.create()).json
    path, tag = f"/Users/{created['id']}", created["meta"]["version"]
    assert (await service.scim("GET", path, If_None_Match=tag)).status == 304
    changed = await service.scim("PUT", path, user(title="New"), If_Match=tag)
    assert changed.status == 200
    assert changed.json["meta"]["version"] != tag
    assert (await service.scim("PUT", path, user(title="Newer"), If_Match=tag)).status == 412
    assert (await service.scim("GET", path)).json["title"] == "New"


async def test_a_body_that_is_not_json_is_refused(service: Service) -> None:
    async with service.http.post(
        f"{service.simulator.tenant_url}/Users", data=b"{", headers={"Authorization": f"Bearer {service.token}"}
    ) as response:
        assert response.status == 400
        assert (await response.json(content_type=None))["scimType"] == "invalidSyntax"


async def test_other_endpoints_are_not_offered(service: Service) -> None:
    assert (await service.scim("POST", "/Bulk", {})).status == 501
    assert (await service.scim("POST", "/Users/.search", {})).status == 501
    assert (await service.scim("GET", "/Devices")).status == 404
    assert (await service.scim("PATCH", "/Users", {})).status == 405
    assert (await service.request("GET", f"{service.simulator.url}/Users")).status == 404


async def test_discovery_can_be_switched_off(service: Service) -> None:
    assert (await service.scim("GET", "/ServiceProviderConfig")).json["patch"] == {"supported": True}
    await service.settings(discovery=False)
    for endpoint in ("ServiceProviderConfig", "Schemas", "ResourceTypes"):
        assert (await service.scim("GET", f"/{endpoint}")).status == 404


async def test_an_account_without_external_id_conflicts_or_is_taken_over(service: Service) -> None:
    placed = (await service.sim("POST", "/users", {"userName": "person1@example.com", "title": "By hand"})).json["id"]
    assert await service.find("person-1") == []
    assert (await service.create()).status == 409
    await service.settings(preexisting="link")
    taken = await service.create()
    assert (taken.status, taken.json["id"], taken.json["title"]) == (201, placed, "Account Executive")
    assert (await service.state())["users"] == 1
    assert (await service.create(2, userName="person1@example.com")).status == 409


@pytest.mark.parametrize(("how", "status", "kept"), [("drop", 201, False), ("keep", 201, True)])
async def test_a_manager_who_does_not_exist_can_be_dropped_or_kept(
    service: Service, how: str, status: int, kept: bool
) -> None:
    await service.settings(unknownManager=how)
    reply = await service.create(**{ENTERPRISE: {"department": "Sales", "manager": {"value": "nobody"}}})
    assert reply.status == status
    assert ("manager" in reply.json[ENTERPRISE]) is kept
