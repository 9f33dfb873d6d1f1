"""Every fault, through the socket: what the client sees, what was committed, and when the fault is used up."""

import asyncio
import time
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp
import pytest

from tests.conformance.linkedin.conftest import Service
from tests.support.eventually import eventually


async def _users(service: Service) -> int:
    return int((await service.state())["users"])


async def test_reject_names_users_by_external_id_or_part_of_the_user_name(service: Service) -> None:
    created = (await service.create(3)).json["id"]
    await service.fault(
        "reject", externalIds=["person-1", "person-3"], detail="No such department.", scimType="invalidValue"
    )
    await service.fault("reject", userNameContains="PERSON2", status=403)
    reply = await service.create(1)
    assert (reply.status, reply.json["detail"], reply.json["scimType"]) == (400, "No such department.", "invalidValue")
    assert (await service.create(2)).status == 403
    assert (await service.patch(created, {"op": "replace", "path": "title", "value": "x"})).status == 400
    assert (await service.create(4)).status == 201
    assert await _users(service) == 2


async def test_latency_is_added_to_what_it_concerns(service: Service) -> None:
    await service.fault("latency", milliseconds=80, jitterMilliseconds=10, method="POST")
    started = time.perf_counter()
    await service.find("nobody")
    assert time.perf_counter() - started < 0.08
    started = time.perf_counter()
    await asyncio.gather(*(service.create(number) for number in range(5)))
    assert 0.08 <= time.perf_counter() - started < 0.08 * 5
    assert (await service.state())["inFlightMax"] == 5


async def test_the_latency_setting_is_added_to_everything(service: Service) -> None:
    await service.settings(latencyMs=60)
    started = time.perf_counter()
    await service.find("nobody")
    assert time.perf_counter() - started >= 0.06


async def test_throttle_is_a_token_bucket_and_429_has_the_gateways_shape(service: Service) -> None:
    await service.fault("throttle", requestsPerSecond=20, burst=5, retryAfter="1")
    replies = await asyncio.gather(*(service.scim("GET", '/Users?filter=externalId eq "x"') for _ in range(10)))
    refused = [reply for reply in replies if reply.status == 429]
    assert 4 <= len(refused) <= 5
    assert refused[0].headers["Retry-After"] == "1"
    assert refused[0].json.keys() == {"message", "serviceErrorCode", "status"}
    assert refused[0].headers["Content-Type"] == "application/json"

    async def one_more() -> bool:
        return (await service.scim("GET", '/Users?filter=externalId eq "x"')).status == 200

    await eventually(one_more, within=1.0)
    statuses = (await service.state())["statuses"]
    assert statuses["429"] >= len(refused)


async def test_throttle_refills_at_its_rate(service: Service) -> None:
    await service.fault("throttle", requestsPerSecond=100, burst=1)
    started = time.perf_counter()
    passed = 0
    while time.perf_counter() - started < 0.5:
        passed += (await service.scim("GET", '/Users?filter=externalId eq "x"')).status == 200
    assert 20 <= passed <= 52


@pytest.mark.parametrize(
    ("option", "header"),
    [({"retryAfter": 2}, "2"), ({"retryAfter": "0.5"}, "0.5"), ({"retryAfter": None}, None), ({}, None)],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_a_number_a_fraction_or_absent(
    service: Service, option: dict[str, Any], header: str | None, status: int
) -> None:
    await service.fault("status", status=status, times=1, **option)
    reply = await service.create()
    assert (reply.status, reply.headers.get("Retry-After")) == (status, header)
    assert ("serviceErrorCode" in reply.json) is (status == 429)


async def test_retry_after_is_a_date(service: Service) -> None:
    await service.fault("status", status=503, retryAfter="date:30", times=1)
    reply = await service.create()
    assert 28 <= parsedate_to_datetime(reply.headers["Retry-After"]).timestamp() - time.time() <= 31


async def test_retry_after_can_be_the_real_wait(service: Service) -> None:
    await service.fault("throttle", requestsPerSecond=2, burst=1, retryAfter="auto")
    replies = [await service.find_raw() for _ in range(2)]
    assert 0.3 <= float(replies[1].headers["Retry-After"]) <= 0.5


async def test_status_concerns_one_method_so_many_times(service: Service) -> None:
    await service.fault("status", status=503, retryAfter="1", method="POST", times=2)
    assert await service.find("nobody") == []
    assert [(await service.create()).status for _ in range(3)] == [503, 503, 201]
    assert (await service.sim("GET", "/faults")).json == []


async def test_commit_then_drop_commits_and_answers_nothing(service: Service) -> None:
    await service.fault("commitThenDrop", method="POST", times=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await service.create()
    assert len(await service.find("person-1")) == 1
    assert (await service.create()).status == 409
    writes = (await service.sim("GET", "/writes")).json
    assert [(each["status"], each["accepted"]) for each in writes] == [(0, True), (409, False)]
    assert (await service.state())["statuses"]["dropped"] == 1


async def test_commit_then_drop_does_not_touch_what_commits_nothing(service: Service) -> None:
    await service.create()
    await service.fault("commitThenDrop", times=1)
    assert (await service.create()).status == 409
    assert len(await service.find("person-1")) == 1
    assert len((await service.sim("GET", "/faults")).json) == 1


async def test_commit_then_drop_by_probability(service: Service) -> None:
    await service.fault("commitThenDrop", method="POST", probability=0.5)
    dropped = 0
    for number in range(40):
        try:
            await service.create(number)
        except aiohttp.ClientConnectionError:
            dropped += 1
    assert 8 <= dropped <= 32
    assert await _users(service) == 40


async def test_commit_then_status_commits_and_answers_falsely(service: Service) -> None:
    await service.fault("commitThenStatus", status=504, times=1)
    assert (await service.create()).status == 504
    assert len(await service.find("person-1")) == 1
    write = (await service.sim("GET", "/writes")).json[0]
    assert (write["status"], write["accepted"]) == (504, True)


async def test_drop_before_commit_leaves_nothing(service: Service) -> None:
    await service.fault("dropBeforeCommit", method="POST", times=1)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await service.create()
    assert await service.find("person-1") == []
    assert (await service.sim("GET", "/writes")).json[0]["accepted"] is False
    assert (await service.create()).status == 201


@pytest.mark.parametrize(("when", "committed"), [("before", 0), ("after", 1)])
async def test_stall_holds_the_answer_before_or_after_the_commit(service: Service, when: str, committed: int) -> None:
    await service.fault("stall", seconds=0.4, when=when, method="POST", times=1)
    answer = asyncio.create_task(service.create())

    async def arrived() -> bool:
        return (await service.sim("GET", "/faults")).json == []

    await eventually(arrived)
    assert await _users(service) == committed
    assert not answer.done()
    assert (await answer).status == 201
    assert await _users(service) == 1


async def test_stale_filter_hides_new_users_from_filters_only(service: Service) -> None:
    fault = await service.fault("staleFilter", seconds=30)
    created = (await service.create()).json
    assert await service.find("person-1") == []
    assert (await service.scim("GET", f"/Users/{created['id']}")).status == 200
    assert (await service.create()).status == 409
    await service.sim("DELETE", f"/faults/{fault}")
    assert len(await service.find("person-1")) == 1


async def test_stale_filter_ends_by_itself(service: Service) -> None:
    await service.fault("staleFilter", seconds=0.2)
    await service.create()
    assert await service.find("person-1") == []
    await eventually(lambda: service.find("person-1"), within=2.0)


async def test_not_json_answers_with_a_page(service: Service) -> None:
    await service.fault("notJson", times=1)
    reply = await service.create()
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/html")
    assert reply.text.startswith("<html>")
    assert await _users(service) == 0


async def test_a_fault_can_concern_one_resource(service: Service) -> None:
    await service.fault("status", status=500, resource="Groups")
    assert await service.find("nobody") == []
    assert (await service.scim("GET", '/Groups?filter=displayName eq "x"')).status == 500


async def test_faults_are_shown_and_lifted(service: Service) -> None:
    first = await service.fault("latency", milliseconds=1, times=3)
    second = await service.fault("notJson", method="DELETE")
    await service.find("nobody")
    shown = (await service.sim("GET", "/faults")).json
    assert [(each["id"], each["kind"], each["times"], each["hits"]) for each in shown] == [
        (first, "latency", 2, 1),
        (second, "notJson", None, 0),
    ]
    assert (await service.sim("GET", f"/faults/{first}")).json["milliseconds"] == 1
    assert (await service.sim("DELETE", f"/faults/{first}")).status == 204
    assert (await service.sim("DELETE", f"/faults/{first}")).status == 404
    assert (await service.sim("DELETE", "/faults")).status == 204
    assert (await service.sim("GET", "/faults")).json == []


@pytest.mark.parametrize(
    ("fault", "field"),
    [
        ({}, "kind"),
        ({"kind": "explode"}, "kind"),
        ({"kind": "latency"}, "milliseconds"),
        ({"kind": "latency", "milliseconds": -1}, "milliseconds"),
        ({"kind": "latency", "milliseconds": "50"}, "milliseconds"),
        ({"kind": "throttle"}, "requestsPerSecond"),
        ({"kind": "throttle", "requestsPerSecond": 0}, "requestsPerSecond"),
        ({"kind": "throttle", "requestsPerSecond": 1, "burst": 0}, "burst"),
        ({"kind": "throttle", "requestsPerSecond": 1, "retryAfter": "soon"}, "retryAfter"),
        ({"kind": "throttle", "requestsPerSecond": 1, "retryAfter": "1.2.3"}, "retryAfter"),
        ({"kind": "status"}, "status"),
        ({"kind": "status", "status": 99}, "status"),
        ({"kind": "status", "status": 503, "times": 0}, "times"),
        ({"kind": "status", "status": 503, "method": "FETCH"}, "method"),
        ({"kind": "status", "status": 503, "resource": "Devices"}, "resource"),
        ({"kind": "status", "status": 503, "seconds": 1}, "seconds"),
        ({"kind": "reject"}, "externalIds"),
        ({"kind": "reject", "externalIds": "person-1"}, "externalIds"),
        ({"kind": "reject", "userNameContains": ""}, "userNameContains"),
        ({"kind": "commitThenDrop", "probability": 0}, "probability"),
        ({"kind": "commitThenDrop", "probability": 2}, "probability"),
        ({"kind": "stall"}, "seconds"),
        ({"kind": "stall", "seconds": 1, "when": "later"}, "when"),
        ({"kind": "staleFilter"}, "seconds"),
    ],
)
async def test_a_fault_that_cannot_be_names_its_field(service: Service, fault: dict[str, Any], field: str) -> None:
    reply = await service.sim("POST", "/faults", fault)
    assert (reply.status, reply.json["field"]) == (400, field)
    assert reply.json["error"].startswith(f"{field}: ")
    assert (await service.sim("GET", "/faults")).json == []
