"""Each fault, proven through the socket: what the caller sees, and that it goes away."""

import asyncio
import email.utils
import json
import time
from typing import Any

import aiohttp
import pytest
from yarl import URL

from simulators.graph.server import GraphSimulator
from tests.conformance.graph.client import Graph

USERS = "/v1.0/users/delta?$select=displayName"


async def arm(graph: Graph, match: str, kind: str, **fields: Any) -> str:
    fault: str = (await graph.sim("POST", "faults", {"match": match, "kind": kind, **fields}))["id"]
    return fault


async def test_status_fault_fires_once_by_default_and_only_where_it_matches(graph: Graph) -> None:
    await arm(graph, "users/delta", "status", status=503, retryAfter="2.5")
    assert (await graph.get("/v1.0/groups/delta")).status == 200
    answer = await graph.get(USERS)
    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "serviceNotAvailable", "2.5")
    assert "request-id" in answer.headers
    assert (await graph.get(USERS)).status == 200


async def test_fault_counts_from_the_nth_call_and_lasts_as_often_as_asked(graph: Graph) -> None:
    fault = await arm(graph, "users", "status", status=500, nth=2, times=2)
    assert [(await graph.get(USERS)).status for _ in range(4)] == [200, 500, 500, 200]
    assert (await graph.sim("GET", f"faults/{fault}"))["fired"] == 2
    endless = await arm(graph, "users", "status", status=504, times=None)
    assert [(await graph.get(USERS)).status for _ in range(3)] == [504] * 3
    await graph.sim("DELETE", f"faults/{endless}")
    assert (await graph.get(USERS)).status == 200
    assert len((await graph.sim("GET", "faults"))["faults"]) == 1


@pytest.mark.parametrize(("asked", "sent"), [({"retryAfter": "2"}, "2"), ({"retryAfter": 2.128}, "2.128"), ({}, None)])
async def test_throttle_sends_an_integer_a_fraction_or_no_retry_after(
    graph: Graph, asked: dict[str, Any], sent: str | None
) -> None:
    await arm(graph, "users", "throttle", **asked)
    answer = await graph.get(USERS)
    assert (answer.status, answer.code, answer.headers.get("Retry-After")) == (429, "TooManyRequests", sent)


async def test_throttle_sends_an_http_date_not_before_the_wait_is_over(graph: Graph) -> None:
    before = time.time()
    await arm(graph, "users", "throttle", retryAfter="date", seconds=3)
    sent = (await graph.get(USERS)).headers["Retry-After"]
    assert sent.endswith(" GMT")
    assert before + 2.9 <= email.utils.parsedate_to_datetime(sent).timestamp() <= time.time() + 4


async def test_resource_unit_bucket_throttles_when_switched_on(graph: Graph, simulator: GraphSimulator) -> None:
    await graph.sim("POST", "knobs", {"throttling": "S"})
    sim = simulator.simulation
    sim.bucket.spend(3400, sim.clock.now(), "S")
    near = await graph.get("/v1.0/users")
    assert (near.status, near.headers["x-ms-throttle-limit-percentage"]) == (200, "0.97")
    sim.bucket.spend(100, sim.clock.now(), "S")
    over = await graph.get("/v1.0/users")
    assert (over.status, over.code) == (429, "TooManyRequests")
    assert 0 < float(over.headers["Retry-After"]) <= 10
    assert over.headers["x-ms-throttle-scope"].startswith("Tenant_Application/ReadWrite/")
    await graph.sim("POST", "clock/advance", {"seconds": 11})
    assert (await graph.get("/v1.0/users")).status == 200


async def test_reset_drops_the_connection_before_any_header(graph: Graph) -> None:
    await arm(graph, "appRoleAssignedTo", "reset")
    where = URL(graph.root)
    reader, writer = await asyncio.open_connection(where.host, where.port)  # aiohttp itself would try again
    writer.write(f"GET {graph.assigned_to} HTTP/1.1\r\nHost: sim\r\n\r\n".encode())
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(), 5)
    writer.close()
    assert (await graph.get(graph.assigned_to)).status == 200
    journal = await graph.sim("GET", "journal")
    assert journal["requests"]["appRoleAssignedTo"] == {"count": 2, "status": {"reset": 1, "200": 1}}


async def test_truncate_ends_the_body_early_or_sends_half_as_a_whole(graph: Graph) -> None:
    await graph.seed(users=50, groups=0)
    await arm(graph, "users", "truncate")
    with pytest.raises(aiohttp.ClientPayloadError):
        await graph.get(USERS)
    await arm(graph, "users", "truncate", whole=True)
    with pytest.raises(json.JSONDecodeError):
        await graph.get(USERS)
    assert (await graph.get(USERS)).status == 200


async def test_html502_is_no_json(graph: Graph) -> None:
    await arm(graph, "users", "html502")
    answer = await graph.get(USERS)
    assert (answer.status, answer.headers["Content-Type"].partition(";")[0]) == (502, "text/html")
    assert b"<html>" in answer.body


async def test_slow_answers_right_but_late(graph: Graph) -> None:
    await graph.seed(users=1, groups=0)
    await arm(graph, "users", "slow", seconds=0.3)
    began = time.monotonic()
    assert len((await graph.get(USERS)).rows) == 1
    assert time.monotonic() - began >= 0.3


async def test_empty_listing_looks_complete(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.assign("User", user)
    await arm(graph, "appRoleAssignedTo", "empty")
    answer = await graph.get(graph.assigned_to)
    assert (answer.status, answer.rows, "@odata.nextLink" in answer.body) == (200, [], False)
    assert len((await graph.get(graph.assigned_to)).rows) == 1


async def test_empty_delta_page_loses_nothing(graph: Graph) -> None:
    users = (await graph.seed(users=3, groups=0))["users"]
    await arm(graph, "users/delta", "empty")
    pages = await graph.pages(USERS)
    assert pages[0].rows == []
    assert [row["id"] for page in pages for row in page.rows] == users


async def test_loop_gives_the_same_page_with_another_link_each_time(graph: Graph) -> None:
    await graph.seed(users=3, groups=0)
    fault = await arm(graph, "users/delta", "loop", times=None)
    first = await graph.get(USERS)
    second = await graph.get(first.body["@odata.nextLink"])
    assert first.rows == second.rows
    assert "@odata.deltaLink" not in second.body
    assert first.body["@odata.nextLink"] != second.body["@odata.nextLink"]
    await graph.sim("DELETE", f"faults/{fault}")
    assert "@odata.deltaLink" in (await graph.get(second.body["@odata.nextLink"])).body


async def test_foreign_link_names_another_host_and_keeps_the_path(graph: Graph) -> None:
    await graph.seed(users=300, groups=0)
    await arm(graph, "users/delta", "foreignLink", times=2, origin="http://127.0.0.2:9")
    page = await graph.get(USERS)
    assert page.body["@odata.nextLink"].startswith("http://127.0.0.2:9/v1.0/users/delta?$skiptoken=")
    own = page.body["@odata.nextLink"].replace("http://127.0.0.2:9", graph.root)
    assert (await graph.get(own)).body["@odata.deltaLink"].startswith("http://127.0.0.2:9/")


async def test_drop_page_loses_one_page_of_a_listing_without_a_trace(graph: Graph) -> None:
    users = (await graph.seed(users=250, groups=0))["users"]
    await graph.tx(*[{"op": "assign", "principalType": "User", "principalId": user, "role": "User"} for user in users])
    await arm(graph, "appRoleAssignedTo", "dropPage", nth=2)
    pages = await graph.pages(graph.assigned_to)
    assert [len(page.rows) for page in pages] == [100, 50]
    await arm(graph, "appRoleAssignedTo", "dropPage", nth=3)
    assert [len(page.rows) for page in await graph.pages(graph.assigned_to)] == [100, 100, 0]
    await arm(graph, "users/delta", "dropPage")
    assert [len(page.rows) for page in await graph.pages(USERS)] == [50]


async def test_token_endpoint_can_fail_too(graph: Graph) -> None:
    await arm(graph, "oauth2", "status", status=503, retryAfter="1")
    answer = await graph.ask_token()
    assert (answer.status, answer.body["error"], answer.headers["Retry-After"]) == (503, "temporarily_unavailable", "1")
    assert (await graph.ask_token()).status == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("kind", "explode"),
        ("match", "("),
        ("match", 3),
        ("times", -1),
        ("seconds", "long"),
        ("stray", 1),
        ("status", "x"),
    ],
)
async def test_bad_fault_is_refused_by_the_name_of_the_field(graph: Graph, field: str, value: Any) -> None:
    answer = await graph.call("POST", "/_sim/faults", json={"match": "users", "kind": "status", field: value})
    assert (answer.status, answer.body["error"]["field"]) == (400, field)
    assert (await graph.call("GET", "/_sim/faults/nothing")).status == 404
