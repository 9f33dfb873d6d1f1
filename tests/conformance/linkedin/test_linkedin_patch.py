"""PATCH of users, in the words of RFC 7644 section 3.5.2 and in both dialects of Microsoft Entra."""

from typing import Any

import pytest

from tests.conformance.linkedin.conftest import ENTERPRISE, PATCH_OP, Service, user

WORK = 'emails[type eq "work"].value'


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "replace", "path": "active", "value": False},
        {"op": "Add", "path": "active", "value": "False"},
        {"op": "REPLACE", "path": "ACTIVE", "value": "false"},
        {"op": "replace", "value": {"active": False}},
        {"op": "Replace", "path": "active", "value": [{"$ref": None, "value": "False"}]},
        {"op": "replace", "path": "urn:ietf:params:scim:schemas:core:2.0:User:active", "value": False},
    ],
)
async def test_every_way_to_disable_disables(service: Service, operation: dict[str, Any]) -> None:
    created = (await service.create()).json
    reply = await service.patch(created["id"], operation)
    assert (reply.status, reply.json["active"]) == (200, False)
    assert (await service.find("person-1"))[0]["active"] is False


@pytest.mark.parametrize(
    ("operation", "changes"),
    [
        ({"op": "Add", "path": "title", "value": "Director"}, {"title": "Director"}),
        (
            {"op": "Replace", "path": "name.givenName", "value": "Ada"},
            {"name": {"givenName": "Ada", "familyName": "1"}},
        ),
        (
            {"op": "replace", "value": {"name.familyName": "Byron"}},
            {"name": {"givenName": "Person", "familyName": "Byron"}},
        ),
        ({"op": "replace", "value": {"name": {"givenName": "Ada"}}}, {"name": {"givenName": "Ada", "familyName": "1"}}),
        ({"op": "replace", "path": f"{ENTERPRISE}:department", "value": "IT"}, {ENTERPRISE: {"department": "IT"}}),
        ({"op": "replace", "path": "department", "value": "IT"}, {ENTERPRISE: {"department": "IT"}}),
        ({"op": "replace", "value": {f"{ENTERPRISE}:department": "IT"}}, {ENTERPRISE: {"department": "IT"}}),
        ({"op": "add", "value": {ENTERPRISE: {"department": "IT"}}}, {ENTERPRISE: {"department": "IT"}}),
        ({"op": "replace", "path": ENTERPRISE, "value": {"department": "IT"}}, {ENTERPRISE: {"department": "IT"}}),
        (
            {"op": "Replace", "path": WORK, "value": "new@example.com"},
            {"emails": [{"type": "work", "value": "new@example.com", "primary": True}]},
        ),
        (
            {"op": "replace", "value": {WORK: "new@example.com"}},
            {"emails": [{"type": "work", "value": "new@example.com", "primary": True}]},
        ),
        (
            {"op": "replace", "path": 'emails[type eq "work" and primary eq true].value', "value": "new@example.com"},
            {"emails": [{"type": "work", "value": "new@example.com", "primary": True}]},
        ),
        (
            {"op": "Replace", "path": 'addresses[type eq "work"].locality', "value": "Bergen"},
            {"addresses": [{"type": "work", "locality": "Bergen"}]},
        ),
        (
            {"op": "replace", "path": "emails", "value": [{"type": "work", "value": "new@example.com"}]},
            {"emails": [{"type": "work", "value": "new@example.com"}]},
        ),
        ({"op": "Remove", "path": "title"}, {"title": None}),
        ({"op": "Remove", "path": "title", "value": "Account Executive"}, {"title": None}),
        ({"op": "remove", "path": 'addresses[type eq "work"]'}, {"addresses": None}),
        ({"op": "remove", "path": "addresses", "value": [{"type": "work"}]}, {"addresses": None}),
        ({"op": "remove", "path": "name.givenName"}, {"name": {"familyName": "1"}}),
        ({"op": "replace", "path": "title", "value": None}, {"title": None}),
        ({"op": "Add", "path": "nickName", "value": "Babs"}, {}),
        ({"op": "replace", "path": f"{ENTERPRISE}:employeeNumber", "value": "7"}, {}),
    ],
)
async def test_each_dialect_changes_what_it_says_and_nothing_else(
    service: Service, operation: dict[str, Any], changes: dict[str, Any]
) -> None:
    created = (await service.create()).json
    reply = await service.patch(created["id"], operation)
    assert reply.status == 200, reply.text
    now = {name: value for name, value in reply.json.items() if name not in ("id", "meta")}
    assert now == user(**changes)
    assert (await service.scim("GET", f"/Users/{created['id']}")).json == reply.json


async def test_a_value_path_that_selects_nothing_adds_the_item(service: Service) -> None:
    created = (await service.create()).json
    reply = await service.patch(
        created["id"], {"op": "Replace", "path": 'emails[type eq "home"].value', "value": "h@example.com"}
    )
    assert reply.json["emails"][1] == {"type": "home", "value": "h@example.com"}


async def test_a_new_primary_item_takes_over(service: Service) -> None:
    created = (await service.create()).json
    other = {"type": "home", "value": "h@example.com", "primary": True}
    reply = await service.patch(created["id"], {"op": "add", "path": "emails", "value": [other]})
    assert [each["primary"] for each in reply.json["emails"]] == [False, True]


@pytest.mark.parametrize("path", ["manager", f"{ENTERPRISE}:manager", f"{ENTERPRISE}:manager.value"])
async def test_the_manager_is_set_in_each_shape_and_removed(service: Service, path: str) -> None:
    boss = (await service.create(1)).json["id"]
    created = (await service.create(2)).json
    shapes: list[Any] = [boss]
    if not path.endswith(".value"):
        shapes += [[{"$ref": "..", "value": boss}], {"value": boss}]
    for shape in shapes:
        reply = await service.patch(created["id"], {"op": "Add", "path": path, "value": shape})
        assert reply.json[ENTERPRISE]["manager"]["value"] == boss
        removed = await service.patch(created["id"], {"op": "Remove", "path": path})
        assert "manager" not in removed.json[ENTERPRISE]
    assert (await service.patch(created["id"], {"op": "Add", "path": path, "value": "nobody"})).status == 400


async def test_several_operations_are_carried_out_in_order(service: Service) -> None:
    created = (await service.create()).json
    reply = await service.patch(
        created["id"],
        {"op": "Replace", "path": "title", "value": "One"},
        {"op": "Replace", "path": "title", "value": "Two"},
        {"op": "Replace", "path": WORK, "value": "new@example.com"},
    )
    assert (reply.json["title"], reply.json["emails"][0]["value"]) == ("Two", "new@example.com")


@pytest.mark.parametrize(
    ("operation", "scim_type"),
    [
        ({"op": "move", "path": "title", "value": "x"}, "invalidSyntax"),
        ({"path": "title", "value": "x"}, "invalidSyntax"),
        ({"op": "replace", "path": "shoeSize", "value": 43}, "invalidPath"),
        ({"op": "replace", "path": "emails[", "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": 'title[type eq "work"]', "value": "x"}, "invalidPath"),
        ({"op": "replace", "path": 'emails[type sw "w"].value', "value": "x"}, "invalidFilter"),
        ({"op": "replace", "path": "title"}, "invalidValue"),
        ({"op": "replace", "value": "x"}, "invalidValue"),
        ({"op": "replace", "path": "title", "value": 7}, "invalidValue"),
        ({"op": "replace", "path": "active", "value": "perhaps"}, "invalidValue"),
        ({"op": "replace", "path": "name", "value": "x"}, "invalidValue"),
        ({"op": "add", "path": "emails", "value": ["x"]}, "invalidValue"),
        ({"op": "remove"}, "noTarget"),
        ({"op": "remove", "path": 'emails[type eq "home"]'}, "noTarget"),
        ({"op": "remove", "path": "externalId"}, "mutability"),
        ({"op": "remove", "path": "userName"}, "mutability"),
        ({"op": "replace", "path": "id", "value": "x"}, "mutability"),
    ],
)
async def test_an_operation_that_cannot_be_leaves_the_user_as_it_was(
    service: Service, operation: dict[str, Any], scim_type: str
) -> None:
    created = (await service.create()).json
    reply = await service.patch(created["id"], {"op": "replace", "path": "title", "value": "Half way"}, operation)
    assert (reply.status, reply.json["scimType"]) == (400, scim_type)
    assert (await service.scim("GET", f"/Users/{created['id']}")).json == created


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"Operations": [{"op": "add", "path": "title", "value": "x"}]},
        {"schemas": [PATCH_OP]},
        {"schemas": [PATCH_OP], "Operations": []},
        {"schemas": [PATCH_OP], "Operations": ["x"]},
    ],
)
async def test_a_message_that_is_no_patch_is_refused(service: Service, body: Any) -> None:
    created = (await service.create()).json
    reply = await service.scim("PATCH", f"/Users/{created['id']}", body)
    assert (reply.status, reply.json["scimType"]) == (400, "invalidSyntax")


async def test_a_patch_that_changes_nothing_leaves_version_and_time(service: Service) -> None:
    created = (await service.create()).json
    reply = await service.patch(created["id"], {"op": "replace", "path": "title", "value": "Account Executive"})
    assert (reply.status, reply.json) == (200, created)


async def test_patch_can_answer_without_a_body(service: Service) -> None:
    created = (await service.create()).json
    await service.settings(patchUserStatus=204)
    reply = await service.patch(created["id"], {"op": "replace", "path": "title", "value": "New"})
    assert (reply.status, reply.text) == (204, "")
    assert (await service.find("person-1"))[0]["title"] == "New"
