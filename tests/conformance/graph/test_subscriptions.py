"""Subscriptions and what is delivered to them ("Create subscription", "Receive change notifications through webhooks")."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.conformance.graph.client import Answer, Graph
from tests.conformance.graph.listener import Listener, listening
from tests.support.eventually import eventually

WHERE = "/v1.0/subscriptions"


@pytest.fixture
async def listener() -> AsyncIterator[Listener]:
    async with listening() as found:
        yield found


def ahead(minutes: float) -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()


async def subscribe(graph: Graph, listener: Listener, **changes: Any) -> Answer:
    asked = {
        "changeType": "updated,deleted",
        "resource": "users",
        "notificationUrl": f"{listener.url}/n",
        "lifecycleNotificationUrl": f"{listener.url}/l",
        "expirationDateTime": ahead(1000),
        "clientState": "not-a-real-state",
    }
    return await graph.send("POST", WHERE, {k: v for k, v in {**asked, **changes}.items() if v is not None})


async def test_each_url_is_asked_once_before_the_subscription_exists(graph: Graph, listener: Listener) -> None:
    made = await subscribe(graph, listener)
    assert made.status == 201, made.body
    assert listener.handshakes == ["/n", "/l"]
    assert made.body["clientState"] is None
    shown = (await graph.get(f"{WHERE}/{made.body['id']}")).body
    assert {k: v for k, v in shown.items() if k[0] != "@"} == {k: v for k, v in made.body.items() if k[0] != "@"}
    assert [row["id"] for row in (await graph.get(WHERE)).rows] == [made.body["id"]]
    assert (await graph.send("DELETE", f"{WHERE}/{made.body['id']}")).status == 204
    assert (await graph.get(f"{WHERE}/{made.body['id']}")).status == 404


async def test_an_endpoint_that_does_not_give_the_decoded_token_back_is_refused(
    graph: Graph, listener: Listener
) -> None:
    listener.token = "Validation%3A+still+encoded"
    assert (await subscribe(graph, listener)).code == "ValidationError"
    listener.token, listener.shake_status = None, 202
    assert (await subscribe(graph, listener)).code == "ValidationError"
    listener.shake_status, listener.shake_delay = 200, 5.0
    await graph.sim("POST", "knobs", {"handshakeSeconds": 0.1})
    assert (await subscribe(graph, listener)).code == "ValidationError"
    assert (await subscribe(graph, listener, notificationUrl="http://127.0.0.1:9/n")).code == "ValidationError"
    assert (await graph.get(WHERE)).rows == []


@pytest.mark.parametrize(
    "bad",
    [
        {"resource": "servicePrincipals"},
        {"resource": "users/nobody"},
        {"changeType": "created"},
        {"changeType": None},
        {"notificationUrl": "http://watch.example/n"},
        {"expirationDateTime": ahead(41_800)},
        {"expirationDateTime": ahead(-1)},
        {"expirationDateTime": "soon"},
        {"clientState": "x" * 129},
    ],
)
async def test_what_a_subscription_may_not_ask_is_400(graph: Graph, listener: Listener, bad: dict[str, Any]) -> None:
    assert (await subscribe(graph, listener, **bad)).status == 400
    assert listener.handshakes == []


async def test_quota_and_missing_permission_are_403(graph: Graph, listener: Listener) -> None:
    await graph.sim("POST", "knobs", {"subscriptionQuota": 1, "groupSubscriptionNeeds": "Group.Read.All"})
    assert (await subscribe(graph, listener, resource="/groups")).status == 403
    assert (await subscribe(graph, listener)).status == 201
    assert (await subscribe(graph, listener)).status == 403


async def test_a_subscription_is_renewed_and_expires(graph: Graph, listener: Listener) -> None:
    made = (await subscribe(graph, listener, expirationDateTime=ahead(10))).body
    where = f"{WHERE}/{made['id']}"
    renewed = await graph.send("PATCH", where, {"expirationDateTime": ahead(30)})
    assert renewed.body["expirationDateTime"] > made["expirationDateTime"]
    assert (await graph.send("PATCH", where, {"lifecycleNotificationUrl": f"{listener.url}/l2"})).status == 400
    assert (await graph.send("POST", f"{where}/reauthorize")).status == 204
    assert made["id"] in (await graph.sim("GET", "notifications"))["reauthorized"]
    await graph.sim("POST", "clock/advance", {"seconds": 31 * 60})
    await graph.authenticate()
    assert (await graph.send("PATCH", where, {"expirationDateTime": ahead(100)})).status == 404


async def test_changes_are_told_as_updated_and_only_hard_deletion_as_deleted(graph: Graph, listener: Listener) -> None:
    seeded = await graph.seed(users=2, groups=1)
    (one, two), group = seeded["users"], seeded["groups"][0]["id"]
    users = (await subscribe(graph, listener)).body["id"]
    groups = (await subscribe(graph, listener, resource="groups")).body["id"]
    made = (await graph.tx({"op": "createUser"}))["results"][0]["userId"]
    await graph.tx(
        {"op": "softDeleteUser", "userId": one}, {"op": "updateUser", "userId": two, "properties": {"city": "X"}}
    )
    await graph.tx({"op": "addMember", "groupId": group, "userId": made})
    await eventually(lambda: len(listener.told) >= 4)
    assert {(note["subscriptionId"], note["changeType"], note["resource"]) for note in listener.told} == {
        *((users, "updated", f"Users/{user}") for user in (one, two, made)),
        (groups, "updated", f"Groups/{group}"),
    }
    assert {note["clientState"] for note in listener.told} == {"not-a-real-state"}
    assert all(note["resourceData"]["id"] == note["resource"].partition("/")[2] for note in listener.told)
    listener.posts.clear()
    await graph.tx({"op": "hardDeleteUser", "userId": one})
    await eventually(lambda: [note["changeType"] for note in listener.told if one in note["resource"]] == ["deleted"])


async def test_many_changes_of_one_object_may_come_as_one(graph: Graph, listener: Listener) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.sim("POST", "knobs", {"notificationDelayMs": 200})
    await subscribe(graph, listener)
    for city in "ABCDE":
        await graph.tx({"op": "updateUser", "userId": user, "properties": {"city": city}})
    await eventually(lambda: listener.told)
    assert len(listener.told) < 5
    assert (await graph.sim("GET", "notifications"))["coalesced"] >= 1


async def test_what_was_not_accepted_is_sent_again(graph: Graph, listener: Listener) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    await graph.sim("POST", "knobs", {"notificationRetrySeconds": 60})
    await subscribe(graph, listener)
    listener.status = 503
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"city": "A"}})
    await eventually(lambda: len(listener.posts) == 1)
    listener.status = 202
    await eventually(lambda: pending(graph))
    await graph.sim("POST", "clock/advance", {"seconds": 61})
    await eventually(lambda: len(listener.posts) == 2)
    assert listener.posts[0] == listener.posts[1]


async def pending(graph: Graph) -> bool:
    return bool((await graph.sim("GET", "notifications"))["pending"])


async def change(graph: Graph, user: str, city: str) -> None:
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"city": city}})


@pytest.mark.parametrize("kind", ["Lost", "Doubled", "Late", "Reordered", "WrongClientState"])
async def test_a_notification_can_go_wrong_by_order(graph: Graph, listener: Listener, kind: str) -> None:
    one, two = (await graph.seed(users=2, groups=0))["users"]
    await subscribe(graph, listener)
    await graph.sim("POST", "faults", {"match": f"Users/{one}", "kind": f"notification{kind}", "seconds": 3600})
    await change(graph, one, "A")
    if kind == "Doubled":
        await eventually(lambda: [note["resource"] for note in listener.told] == [f"Users/{one}"] * 2)
        assert len(listener.posts) == 2
        return
    if kind == "WrongClientState":
        await eventually(lambda: [note["clientState"] for note in listener.told] == ["not-the-client-state"])
        return
    await change(graph, two, "A")
    await eventually(lambda: f"Users/{two}" in [note["resource"] for note in listener.told])
    if kind == "Late":
        assert len(listener.told) == 1
        await graph.sim("POST", "clock/advance", {"seconds": 3601})
    if kind == "Lost":
        assert not await pending(graph)
        assert len(listener.told) == 1
    else:
        await eventually(lambda: [note["resource"] for note in listener.told] == [f"Users/{two}", f"Users/{one}"])


async def test_lifecycle_events_go_to_their_own_url(graph: Graph, listener: Listener) -> None:
    made = (await subscribe(graph, listener)).body["id"]
    assert await graph.sim("POST", "notifications/lifecycle", {"event": "reauthorizationRequired"}) == {
        "subscriptions": 1
    }
    await eventually(lambda: listener.told)
    assert (listener.told[0]["lifecycleEvent"], listener.told[0]["subscriptionId"]) == ("reauthorizationRequired", made)
    await graph.sim("POST", "notifications/lifecycle", {"event": "subscriptionRemoved"})
    await eventually(lambda: len(listener.told) == 2)
    assert (await graph.get(WHERE)).rows == []
