"""JSON batching ("Combine multiple HTTP requests using JSON batching")."""

from typing import Any

from tests.conformance.graph.client import Graph


def by_id(answer: Any) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in answer.body["responses"]}


async def test_each_request_of_a_batch_is_answered_on_its_own(graph: Graph) -> None:
    users = (await graph.seed(users=2, groups=0))["users"]
    fault = {"match": users[1], "kind": "throttle", "retryAfter": "3"}
    await graph.sim("POST", "faults", fault)
    answer = await graph.batch(
        {"id": "1", "url": f"/users/{users[0]}?$select=id,accountEnabled"},
        {"id": "2", "url": "users/0a0a0a0a-0000-4000-8000-000000000009"},
        {"id": "3", "url": f"/users/{users[1]}"},
        {"id": "4", "url": "/users?$select=id&$top=1"},
    )
    assert answer.status == 200
    found = by_id(answer)
    assert {name: one["status"] for name, one in found.items()} == {"1": 200, "2": 404, "3": 429, "4": 200}
    assert found["1"]["body"]["id"] == users[0]
    assert found["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"
    assert found["3"]["headers"]["Retry-After"] == "3"
    link = found["4"]["body"]["@odata.nextLink"]
    assert [row["id"] for row in (await graph.get(link)).rows] == [users[1]]
    journal = (await graph.sim("GET", "journal"))["requests"]
    assert journal["$batch"]["count"] == 1
    assert journal["$batch user"]["status"] == {"200": 1, "404": 1, "429": 1}


async def test_answers_of_a_batch_come_in_an_order_of_their_own(graph: Graph) -> None:
    await graph.seed(users=1, groups=0)
    names = [str(number) for number in range(20)]
    orders = []
    for _ in range(3):
        answer = await graph.batch(*[{"id": name, "url": "/users?$top=1"} for name in names])
        orders.append([one["id"] for one in answer.body["responses"]])
        assert sorted(orders[-1], key=int) == names
    assert any(order != names for order in orders)


async def test_a_malformed_batch_is_refused_as_a_whole(graph: Graph) -> None:
    one = {"id": "a", "url": "/users"}
    for requests in (
        [{"id": str(number), "url": "/users"} for number in range(21)],
        [one, {**one, "id": "A"}],
        [{"url": "/users"}],
        [{**one, "url": f"{graph.root}/v1.0/users"}],
        [{**one, "url": "/$batch", "method": "POST"}],
    ):
        assert (await graph.batch(*requests)).code == "Request_BadRequest"
    assert (await graph.call("POST", "/v1.0/$batch", json={"requests": []})).status == 401
    assert (await graph.send("POST", "/v1.0/$batch", {"nothing": 1})).status == 400


async def test_a_request_that_depends_on_a_failed_one_is_not_made(graph: Graph) -> None:
    answer = await graph.batch({"id": "1", "url": "/users/nobody"}, {"id": "2", "url": "/users", "dependsOn": ["1"]})
    assert {name: found["status"] for name, found in by_id(answer).items()} == {"1": 404, "2": 424}
