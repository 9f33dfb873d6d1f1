"""The control plane: state, journal, accounts placed by hand, settings, and bad input that names its field."""

import time
from typing import Any

import pytest

from tests.conformance.linkedin.conftest import ENTERPRISE, Service


async def test_state_counts_accounts_requests_and_statuses(service: Service) -> None:
    created = (await service.create(1)).json["id"]
    await service.create(2, active=False)
    await service.create(2)
    await service.find("person-1")
    await service.patch(created, {"op": "replace", "path": "title", "value": "x"})
    await service.scim("DELETE", f"/Users/{created}")
    state = await service.state()
    assert state["cpuSeconds"] > 0
    assert {name: state[name] for name in ("users", "active", "duplicates", "licensesInUse", "seats", "groups")} == {
        "users": 2,
        "active": 1,
        "duplicates": 0,
        "licensesInUse": 1,
        "seats": 100,
        "groups": 0,
    }
    assert state["requests"] == {"GET": 1, "POST": 3, "PATCH": 1, "PUT": 0, "DELETE": 1}
    assert state["statuses"] == {"201": 2, "409": 1, "200": 2, "405": 1}
    assert state["inFlightMax"] == 1


async def test_the_journal_holds_writes_in_order_with_their_arrival(service: Service) -> None:
    before = time.time()
    created = (await service.create(1)).json["id"]
    await service.find("person-1")
    await service.create(1)
    await service.patch(created, {"op": "replace", "path": "title", "value": "x"})
    writes = (await service.sim("GET", "/writes?since=0")).json
    assert [(each["seq"], each["method"], each["externalId"], each["status"], each["accepted"]) for each in writes] == [
        (1, "POST", "person-1", 201, True),
        (2, "POST", "person-1", 409, False),
        (3, "PATCH", "person-1", 200, True),
    ]
    assert [(each["resource"], each["id"]) for each in (writes[0], writes[2])] == [("Users", created)] * 2
    assert before <= writes[0]["at"] <= writes[1]["at"] <= writes[2]["at"] <= time.time()
    assert [each["seq"] for each in (await service.sim("GET", "/writes?since=1&limit=1")).json] == [2]
    assert (await service.sim("GET", "/writes?since=3")).json == []


async def test_a_write_arrived_when_it_came_not_when_it_was_answered(service: Service) -> None:
    await service.settings(latencyMs=100)
    before = time.time()
    await service.create()
    assert (await service.sim("GET", "/writes")).json[0]["at"] - before < 0.09


async def test_resetting_the_journal_keeps_sequence_and_accounts(service: Service) -> None:
    await service.create(1)
    assert (await service.sim("DELETE", "/journal")).status == 204
    state = await service.state()
    assert (state["users"], state["requests"]["POST"], state["statuses"], state["inFlightMax"]) == (1, 0, {}, 0)
    await service.create(2)
    assert [each["seq"] for each in (await service.sim("GET", "/writes?since=1")).json] == [2]
    assert [each["seq"] for each in (await service.sim("GET", "/writes")).json] == [2]


async def test_users_are_shown_with_attributes_times_and_license(service: Service) -> None:
    created = (await service.create()).json
    shown = (await service.sim("GET", "/users")).json[0]
    assert (shown["id"], shown["externalId"], shown["userName"]) == (created["id"], "person-1", "person1@example.com")
    assert (shown["active"], shown["licensed"], shown["title"]) == (True, True, "Account Executive")
    assert shown["createdAt"] <= shown["updatedAt"] <= shown["licensedAt"] <= time.time()
    assert shown[ENTERPRISE] == {"department": "Sales"}


async def test_users_come_in_order_of_creation_and_in_pieces(service: Service) -> None:
    users = [{"userName": f"p{number}@example.com", "externalId": f"p{number}"} for number in range(1203)]
    placed = (await service.sim("POST", "/users", {"users": users})).json["ids"]
    assert [each["id"] for each in (await service.sim("GET", "/users")).json] == placed
    assert [each["id"] for each in (await service.sim("GET", "/users?offset=1200&limit=2")).json] == placed[1200:1202]
    assert (await service.sim("DELETE", "/users")).status == 204
    assert (await service.sim("GET", "/users")).json == []


async def test_a_placed_account_has_no_license_and_may_be_a_duplicate(service: Service) -> None:
    await service.create()
    again = {"userName": "person1@example.com", "externalId": "person-1"}
    reply = await service.sim("POST", "/users", again)
    assert (reply.status, reply.json["field"]) == (400, "externalId")
    assert (await service.sim("POST", "/users", {**again, "allowDuplicate": True})).status == 201
    state = await service.state()
    assert (state["users"], state["duplicates"], state["licensesInUse"]) == (2, 2, 1)
    assert len(await service.find("person-1")) == 2


async def test_i5_duplicates_are_counted_when_the_service_lets_them_in(service: Service) -> None:
    await service.settings(uniqueness="allow")
    for _ in range(3):
        assert (await service.create()).status == 201
    assert (await service.state())["duplicates"] == 2
    first, second = [each["id"] for each in await service.find("person-1")][:2]
    for user_id in (first, second):
        await service.sim("DELETE", f"/users/{user_id}")
    assert (await service.state())["duplicates"] == 0


async def test_an_account_can_change_and_vanish_behind_the_clients_back(service: Service) -> None:
    created = (await service.create()).json["id"]
    changed = await service.sim(
        "PATCH", f"/users/{created}", {"title": "By hand", "displayName": None, "active": False}
    )
    assert (changed.json["title"], changed.json["licensed"]) == ("By hand", False)
    found = (await service.find("person-1"))[0]
    assert (found["title"], found["active"], "displayName" in found) == ("By hand", False, False)
    assert (await service.sim("DELETE", f"/users/{created}")).status == 204
    assert (await service.scim("GET", f"/Users/{created}")).status == 404
    assert (await service.state())["requests"]["DELETE"] == 0


@pytest.mark.parametrize(
    ("configuration", "field"),
    [
        ({}, "name"),
        ({"name": "x"}, "applicationInstance"),
        ({"name": "x", "applicationInstance": "i"}, "licenseType"),
        ({"name": "x", "autoAssign": "yes"}, "autoAssign"),
        ({"name": "x", "applicationInstance": "i", "licenseType": "t", "seats": -1}, "seats"),
        ({"name": "x", "applicationInstance": "i", "licenseType": "t", "seats": 1.5}, "seats"),
        ({"name": "x", "applicationInstance": "i", "licenseType": "t", "colour": "red"}, "colour"),
        ([], "body"),
    ],
)
async def test_a_configuration_that_cannot_be_names_its_field(service: Service, configuration: Any, field: str) -> None:
    reply = await service.sim("POST", "/configurations", configuration)
    assert (reply.status, reply.json["field"]) == (400, field)
    assert len((await service.sim("GET", "/configurations")).json) == 1


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"listWithoutFilter": "404"}, "listWithoutFilter"),
        ({"userFilters": ["title"]}, "userFilters"),
        ({"required": "externalId"}, "required"),
        ({"latencyMs": -1}, "latencyMs"),
        ({"discovery": "no"}, "discovery"),
        ({"patchUserStatus": 202}, "patchUserStatus"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_setting_that_cannot_be_changes_nothing(service: Service, settings: dict[str, Any], field: str) -> None:
    before = (await service.sim("GET", "/settings")).json
    reply = await service.sim("PATCH", "/settings", {"deleteUser": "remove", **settings})
    assert (reply.status, reply.json["field"]) == (400, field)
    assert (await service.sim("GET", "/settings")).json == before


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("GET", "/nothing", None, 404),
        ("PUT", "/users", {}, 405),
        ("POST", "/configurations/nobody/reissue", None, 404),
        ("DELETE", "/configurations/nobody", None, 404),
        ("PATCH", "/configurations/nobody", {}, 404),
        ("PATCH", "/users/nobody", {}, 404),
        ("DELETE", "/users/nobody", None, 404),
        ("GET", "/faults/nobody", None, 404),
        ("GET", "/writes?since=first", None, 400),
        ("GET", "/users?limit=all", None, 400),
        ("POST", "/users", {"users": "x"}, 400),
        ("POST", "/users", {"users": ["x"]}, 400),
        ("POST", "/users", {"title": "x"}, 400),
        ("GET", "/health", None, 200),
    ],
)
async def test_other_bad_input_is_one_clear_answer(
    service: Service, method: str, path: str, body: Any, status: int
) -> None:
    reply = await service.sim(method, path, body)
    assert reply.status == status
    assert status == 200 or reply.json["error"]
