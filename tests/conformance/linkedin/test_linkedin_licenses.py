"""Tokens, configurations, and the license ledger that they work as a side effect."""

from typing import Any

import pytest

from tests.conformance.linkedin.conftest import Service

ACTIVE: dict[str, Any] = {"op": "replace", "path": "active", "value": True}
INACTIVE: dict[str, Any] = {"op": "replace", "path": "active", "value": False}


async def _licensed(service: Service) -> dict[str, bool]:
    return {each["externalId"]: each["licensed"] for each in (await service.sim("GET", "/users")).json}


@pytest.mark.parametrize(
    ("authorization", "code"), [(None, 401), ("Bearer", 401), ("Basic abc", 401), ("Bearer not-a-real-token", 65600)]
)
async def test_a_missing_or_unknown_token_is_refused_in_the_gateways_shape(
    service: Service, authorization: str | None, code: int
) -> None:
    headers = {"Authorization": authorization} if authorization else None
    reply = await service.request("GET", f"{service.simulator.tenant_url}/Users", headers=headers)
    assert (reply.status, reply.json["status"], reply.json["serviceErrorCode"]) == (401, 401, code)
    assert reply.json.keys() == {"message", "serviceErrorCode", "status"}
    assert reply.headers["Content-Type"] == "application/json"


async def test_a_token_is_shown_once_and_looks_simulated(service: Service) -> None:
    assert service.token.startswith("simulated-token-1-")
    assert service.token not in (await service.sim("GET", "/configurations")).text
    assert service.token not in (await service.sim("GET", "/state")).text


async def test_a_reissued_expired_or_removed_token_is_dead_at_once(service: Service) -> None:
    old = service.token
    reissued = await service.sim("POST", f"/configurations/{service.configuration}/reissue")
    service.token = reissued.json["token"]
    assert (await service.create()).status == 201
    dead = {"Authorization": f"Bearer {old}"}
    reply = await service.request("GET", f"{service.simulator.tenant_url}/Users", headers=dead)
    assert (reply.status, reply.json["serviceErrorCode"]) == (401, 65601)
    await service.sim("PATCH", f"/configurations/{service.configuration}", {"expired": True})
    assert (await service.create(2)).json["serviceErrorCode"] == 65602
    await service.sim("PATCH", f"/configurations/{service.configuration}", {"expired": False, "entitled": False})
    assert (await service.create(2)).status == 403
    assert (await service.sim("DELETE", f"/configurations/{service.configuration}")).status == 204
    assert (await service.create(2)).json["serviceErrorCode"] == 65601
    assert (await service.state())["licensesInUse"] == 1


async def test_i2_seats_go_to_the_first_and_then_silently_to_nobody(service: Service) -> None:
    await service.configure(licenseType="Two seats", seats=2)
    replies = [await service.create(number) for number in range(3)]
    assert [reply.status for reply in replies] == [201, 201, 201]
    assert [reply.json.keys() for reply in replies] == [replies[0].json.keys()] * 3
    assert await _licensed(service) == {"person-0": True, "person-1": True, "person-2": False}
    assert (await service.state())["licensesInUse"] == 2


async def test_deactivating_frees_the_seat_and_only_a_later_update_takes_it(service: Service) -> None:
    await service.configure(licenseType="One seat", seats=1)
    first, second = [(await service.create(number)).json["id"] for number in (1, 2)]
    await service.patch(first, INACTIVE)
    assert await _licensed(service) == {"person-1": False, "person-2": False}
    await service.patch(second, {"op": "replace", "path": "title", "value": "New"})
    assert await _licensed(service) == {"person-1": False, "person-2": True}
    await service.patch(first, ACTIVE)
    assert await _licensed(service) == {"person-1": False, "person-2": True}
    shown = (await service.sim("GET", "/users?externalId=person-2")).json[0]
    assert shown["licensedAt"] >= shown["createdAt"]
    assert shown["active"] is True


async def test_an_inactive_user_and_a_configuration_without_auto_assign_take_no_seat(service: Service) -> None:
    await service.create(1, active=False)
    await service.configure(autoAssign=False, applicationInstance=None, licenseType=None, seats=None)
    await service.create(2)
    assert (await service.state())["licensesInUse"] == 0


async def test_an_update_without_need_takes_no_second_seat(service: Service) -> None:
    created = (await service.create()).json["id"]
    await service.configure(licenseType="Another")
    await service.patch(created, {"op": "replace", "path": "title", "value": "New"})
    state = await service.state()
    assert (state["licensesInUse"], state["seats"]) == (1, 200)


async def test_configurations_of_one_instance_and_type_share_a_pool_that_can_be_resized(service: Service) -> None:
    await service.configure(name="Second", seats=1)
    assert (await service.state())["seats"] == 1
    for number in range(3):
        await service.create(number)
    await service.sim("PATCH", f"/configurations/{service.configuration}", {"seats": 2})
    state = await service.state()
    assert (state["seats"], state["licensesInUse"]) == (2, 1)
    assert state["pools"][0]["inUse"] == 1


@pytest.mark.parametrize("status", [403, 400])
async def test_an_exhausted_pool_can_be_an_error(service: Service, status: int) -> None:
    await service.configure(licenseType="No seat", seats=0)
    kept = (await service.create(1, active=False)).json["id"]
    await service.fault("noSeatIsError", status=status)
    assert (await service.create(2)).status == status
    assert (await service.patch(kept, ACTIVE)).status == status
    state = await service.state()
    assert (state["users"], state["active"]) == (1, 0)
    assert (await service.create(3, active=False)).status == 201


async def test_the_monthly_cap_stops_assignments_although_seats_are_free(service: Service) -> None:
    await service.configure(licenseType="One seat", seats=1)
    await service.settings(monthlyAssignmentCap=True)
    created = (await service.create()).json["id"]
    await service.patch(created, INACTIVE)
    await service.patch(created, ACTIVE)
    assert await _licensed(service) == {"person-1": False}
    await service.settings(monthlyAssignmentCap=False)
    await service.patch(created, {"op": "replace", "path": "title", "value": "New"})
    assert await _licensed(service) == {"person-1": True}
