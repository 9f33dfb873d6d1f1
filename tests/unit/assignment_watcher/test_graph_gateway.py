"""The gateway on a wire that says what a test wants: clocks that differ, challenges, strange records."""

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import orjson
import pytest
from multidict import CIMultiDict

from services.assignment_watcher.graph.gateway import MOST_AT_ONCE, Asked, Graph
from services.assignment_watcher.graph.retries import Gate, Patience
from services.assignment_watcher.sources.microsoft_graph import MicrosoftGraph
from services.assignment_watcher.sources.source import (
    Found,
    Member,
    SourceError,
    SourceRefusedError,
    SourceUnavailableError,
    Stream,
)
from shared.contracts.assignments import Lifecycle
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.http import Answer

ROOT = "https://graph.example"
QUICK = Patience(tries=4, seconds=5, first_wait_seconds=0.001)


class Wire:
    """Answers what it was given, in order, and the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.sent: list[dict[str, Any]] = []
        self.at_once = self.most_at_once = 0

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        self.sent.append({"method": method, "url": url, "at": time.monotonic(), **more})
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        self.at_once -= 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return answer if isinstance(answer, Answer) else good(answer)


class Tokens:
    def __init__(self) -> None:
        self.claims: list[str | None] = []

    async def token(self) -> str:
        return f"token-{len(self.claims)}"

    def forget(self, claims: str | None = None) -> None:
        self.claims.append(claims)


def good(content: Any) -> Answer:
    return Answer(status=200, headers=CIMultiDict(), body=orjson.dumps(content), duration_ms=1)


def bad(status: int, code: str = "x", **headers: str) -> Answer:
    body = orjson.dumps({"error": {"code": code, "message": ""}})
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status=status, headers=CIMultiDict(named), body=body, duration_ms=1)


def a_gateway(wire: Wire, tokens: Tokens | None = None) -> Graph:
    return Graph(ROOT, tokens=tokens or Tokens(), http=wire, gate=Gate(), patience=QUICK)  # type: ignore[arg-type] # as much of a client as is needed


def a_source(wire: Wire) -> MicrosoftGraph:
    definition = MicrosoftGraphSource(tenant_id="t", client_id="c", service_principal_id="s", graph_root=ROOT)
    return MicrosoftGraph(a_gateway(wire), definition, ["city"])


@pytest.mark.parametrize("skew", [timedelta(days=-400), timedelta(0), timedelta(days=400)])
async def test_a_date_in_retry_after_counts_by_the_clock_of_who_wrote_it(skew: timedelta) -> None:
    now = (datetime.now(UTC) + skew).replace(microsecond=0)
    due = format_datetime(now + timedelta(seconds=1), usegmt=True)
    wire = Wire(bad(429, Date=format_datetime(now, usegmt=True), Retry_After=due), {"ok": 1})
    await a_gateway(wire).read(f"{ROOT}/v1.0/x", Asked(kind="x"))
    assert 1 <= wire.sent[1]["at"] - wire.sent[0]["at"] < 2


async def test_a_claims_challenge_is_carried_to_the_next_token() -> None:
    tokens = Tokens()
    challenge = 'Bearer realm="", error="insufficient_claims", claims="eyJhIjoxfQ=="'
    wire = Wire(bad(401, WWW_Authenticate=challenge), {"ok": 1})
    await a_gateway(wire, tokens).read(f"{ROOT}/v1.0/x", Asked(kind="x"))
    assert tokens.claims == ['{"a":1}']
    assert [sent["headers"]["Authorization"] for sent in wire.sent] == ["Bearer token-0", "Bearer token-1"]


async def test_a_gate_that_closes_while_a_token_is_fetched_holds_the_request() -> None:
    wire, gate = Wire({"ok": 1}), Gate()

    class Slow(Tokens):
        async def token(self) -> str:
            if not self.claims:
                self.claims.append(None)
                gate.hold(0.05)
            return "token"

    graph = Graph(ROOT, tokens=Slow(), http=wire, gate=gate, patience=QUICK)  # type: ignore[arg-type] # as above
    began = time.monotonic()
    await graph.read(f"{ROOT}/v1.0/x", Asked(kind="x"))
    assert wire.sent[0]["at"] - began >= 0.05


@pytest.mark.parametrize("answer", [bad(403), bad(401)], ids=["403", "401"])
async def test_a_refused_token_is_not_used_again_so_that_a_new_consent_is_seen(answer: Answer) -> None:
    tokens = Tokens()
    with pytest.raises(SourceRefusedError):
        await a_gateway(Wire(answer), tokens).read(f"{ROOT}/v1.0/x", Asked(kind="users/delta"))
    assert tokens.claims == [None] * (1 if answer.status == 403 else 2)


async def test_the_requests_under_way_are_bounded() -> None:
    wire = Wire({"ok": 1})
    graph = a_gateway(wire)
    await asyncio.gather(*(graph.read(f"{ROOT}/v1.0/x", Asked(kind="x")) for _ in range(3 * MOST_AT_ONCE)))
    assert wire.most_at_once == MOST_AT_ONCE


@pytest.mark.parametrize("body", [b"[]", b"<html>", b"", b'{"value":', b"7"])
async def test_a_200_that_is_not_what_was_asked_for_is_tried_again_and_then_given_up(body: bytes) -> None:
    wire = Wire(Answer(status=200, headers=CIMultiDict(), body=body, duration_ms=1))
    with pytest.raises(SourceUnavailableError, match="x with something that is not what was asked for; tried 4 times"):
        await a_gateway(wire).read(f"{ROOT}/v1.0/x", Asked(kind="x"))
    assert len(wire.sent) == 4


async def test_a_request_that_changes_something_may_answer_without_content() -> None:
    wire = Wire(Answer(status=204, headers=CIMultiDict(), body=b"", duration_ms=1))
    assert await a_gateway(wire).send("DELETE", f"{ROOT}/v1.0/subscriptions/1", "subscription") == {}
    assert wire.sent[0]["method"] == "DELETE"
    assert wire.sent[0]["body"] is None


async def changes(*records: Any, stream: Stream = Stream.USERS) -> list[Any]:
    source = a_source(Wire({"value": list(records), "@odata.deltaLink": f"{ROOT}/v1.0/users/delta?$deltatoken=1"}))
    [page] = [page async for page in source.read_changes(stream, None)]
    found = orjson.loads(page.body)["value"] if page.body else []
    assert page.records == len(found)
    assert page.link
    return list(found)


async def test_strange_attributes_cost_the_attribute_and_not_the_user() -> None:
    good_user: dict[str, Any] = {"id": "B1", "displayName": "Noor", "mail": None, "accountEnabled": True}
    strange = good_user | {"city": 7, "userPrincipalName": ["x"], "huge": "x" * 200_000, "surname": {}}
    assert await changes(strange, {"id": "B2"}) == [good_user, {"id": "B2"}]


async def test_an_unknown_odata_type_is_ignored_and_unknown_properties_do_no_harm() -> None:
    extra = {"id": "B1", "somethingNew": {"a": [1]}, "@odata.type": "#microsoft.graph.user"}
    assert await changes(extra, {"id": "X", "@odata.type": "#microsoft.graph.somethingNew"}) == [extra]


async def test_characters_that_postgresql_does_not_take_do_not_stop_a_round() -> None:
    raw = rb'{"value":[{"id":"b1","displayName":"a\u0000b","city":"\ud800"}],"@odata.deltaLink":"https://graph.example/d"}'
    source = a_source(Wire(Answer(status=200, headers=CIMultiDict(), body=raw, duration_ms=1)))
    [page] = [page async for page in source.read_changes(Stream.USERS, None)]
    assert orjson.loads(page.body)["value"] == [{"id": "b1", "displayName": "ab", "city": "\ufffd"}]


@pytest.mark.parametrize(
    "record",
    [{"displayName": "nobody"}, {"id": 7}, "text", {"id": "x", "@removed": "yes"}, {"id": "x", "members@delta": {}}],
)
@pytest.mark.parametrize("stream", list(Stream))
async def test_a_record_that_cannot_be_understood_is_a_clear_state(record: Any, stream: Stream) -> None:
    with pytest.raises(SourceUnavailableError, match=f"a page of {stream}/delta that cannot be understood") as caught:
        await changes(record, stream=stream)
    assert "nobody" not in str(caught.value)


@pytest.mark.parametrize(
    "item",
    [
        {},
        None,
        {"id": "a", "principalType": None, "principalId": "p", "appRoleId": "r"},
        {"id": 7, "principalType": "User", "principalId": "p", "appRoleId": "r"},
        {"id": "a", "principalType": "User", "principalId": "", "appRoleId": "r"},
    ],
)
async def test_an_assignment_that_cannot_be_understood_is_a_clear_state(item: Any) -> None:
    with pytest.raises(SourceUnavailableError, match="an assignment without id, principal or role"):
        [page async for page in a_source(Wire({"value": [item]})).read_assignments()]


async def test_assignments_of_every_kind_of_principal_are_told_apart() -> None:
    def an_item(kind: str, created: Any = None) -> Mapping[str, Any]:
        return {"id": kind, "principalType": kind, "principalId": "P", "appRoleId": "R", "createdDateTime": created}

    good_time = "2025-11-03T08:15:30.1234567Z"
    items = [an_item("User", good_time), an_item("GROUP", "yesterday"), an_item("ServicePrincipal", 7), an_item("New")]
    [rows] = [page async for page in a_source(Wire({"value": items})).read_assignments()]
    assert [(row.principal_type, row.principal_id, row.role_id, row.assigned_at) for row in rows] == [
        ("user", "p", "r", good_time),
        ("group", "p", "r", None),
        ("servicePrincipal", "p", "r", None),
    ]


async def test_another_user_than_was_asked_for_is_not_believed() -> None:
    source = a_source(Wire({"id": "b2"}))
    with pytest.raises(SourceUnavailableError, match="another user"):
        await source.find_users(["b1"])


async def test_reads_that_a_batch_leaves_unanswered_are_asked_for_again() -> None:
    missing = {"error": {"code": "Request_ResourceNotFound"}}
    first = {"responses": [{"id": "2", "status": 200, "body": {"id": "b2"}}, {"id": "9", "status": 200, "body": {}}]}
    second = {"responses": [{"id": "1", "status": 404, "body": missing}]}
    wire = Wire(first, second, bad(404, "Request_ResourceNotFound"))
    found = await a_source(wire).find_users(["b1", "b2"])
    assert [(each.object_id, each.lifecycle) for each in found] == [("b1", Lifecycle.UNKNOWN), ("b2", Lifecycle.LIVE)]
    assert [len(orjson.loads(sent["body"])["requests"]) for sent in wire.sent[:2]] == [2, 1]


async def test_an_answer_about_memberships_without_a_list_denies_none() -> None:
    with pytest.raises(SourceUnavailableError, match="checkMemberGroups without a list"):
        await a_source(Wire({"value": "g1"})).find_members("g1", [Member("b1", nested=False)], through=[])


async def test_an_answer_about_groups_of_a_user_without_a_list_is_none() -> None:
    user = Found(object_id="b1", lifecycle=Lifecycle.LIVE, record={"id": "b1"})
    with pytest.raises(SourceUnavailableError, match="checkMemberGroups without a list"):
        await a_source(Wire({"value": "g1"})).read_ways(user, ["g1"])


async def test_groups_of_a_user_are_asked_about_twenty_at_a_time() -> None:
    user, groups = Found(object_id="b1", lifecycle=Lifecycle.LIVE, record={"id": "b1"}), [f"g{n}" for n in range(41)]
    wire = Wire({"value": []})
    assert (await a_source(wire).read_ways(user, groups)).groups == []
    assert [orjson.loads(sent["body"])["groupIds"] for sent in wire.sent] == [groups[:20], groups[20:40], groups[40:]]


async def test_a_batch_that_answers_nothing_ends() -> None:
    with pytest.raises(SourceError, match="left reads of user in a batch unanswered; tried 4 times"):
        await a_source(Wire({"responses": []})).find_users(["b1", "b2"])
