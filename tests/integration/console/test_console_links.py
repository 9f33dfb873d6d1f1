"""Links and users on demand over the API: one request and one audit row whatever is repeated, and the answers as messages come in."""

import itertools
from typing import Any

import pytest

from shared.contracts.changes import ModifiedAttribute, Operation
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.failure_codes import Code
from shared.contracts.links import LinkFact, LinkState
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact, DemandResult, DemandStage
from shared.contracts.outcomes import Result
from shared.runtime.transaction import Received
from tests.support.builders_console import Console, Reply, assignment, at, change, command, deliver, outcome, received

WHY = {"reason": "linked to the wrong account"}


async def linked(console: Console, *users: str) -> str:
    """A job whose users have accounts."""
    job = await console.new_job()
    for user in users:
        await deliver(console.frame, [received(assignment(user, job=job)), received(outcome(user, job=job))])
    return job


async def requests(console: Console) -> list[OperatorRequest]:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
    return [OperatorRequest.model_validate_json(row["payload"]) for row in rows]


async def call(console: Console, method: str, job: str, path: str = "", body: Any = None, **more: Any) -> Reply:
    more.setdefault("role", "operator")
    return await console.call(method, f"/api/v1/jobs/{job}/objectConnections{path}", body, **more)


def link_fact(job: str, user: str, generation: int, state: LinkState, target_id: str | None = None) -> LinkFact:
    return LinkFact(
        job_id=job,
        object_type=ObjectType.USER,
        object_id=user,
        sequence=generation,
        state=state,
        reason="on request",
        generation=generation,
        target_id=target_id,
        request_id=f"key-{generation}",
        requested_by="an operator",
        request_reason="because",
        at=at(100 + generation),
    )


async def test_links_are_listed_by_pages_and_by_either_end(console: Console) -> None:
    job = await linked(console, "u1", "u2", "u3")
    first = (await call(console, "GET", job, "?limit=2", role="viewer")).json
    assert [link["objectId"] for link in first["value"]] == ["u1", "u2"]
    rest = (await call(console, "GET", job, f"?limit=2&cursor={first['nextCursor']}")).json
    assert ([link["objectId"] for link in rest["value"]], rest["nextCursor"]) == (["u3"], None)
    link = first["value"][0]
    assert link | {"confirmedAt": None} == {
        "objectId": "u1",
        "sourceAnchor": "u1",
        "targetAnchor": "target-u1",
        "objectTypeName": "User",
        "displayName": "Name of u1",
        "status": "provisioned",
        "confirmedAt": None,
        "comparedAt": None,
        "comparison": None,
        "differences": [],
        "requested": None,
    }
    for query in ("?sourceId=u2", "?targetId=target-u2"):
        assert [one["objectId"] for one in (await call(console, "GET", job, query)).json["value"]] == ["u2"]
    assert (await call(console, "GET", job, "/target-u3")).json["objectId"] == "u3"
    assert (await call(console, "GET", job, "/nobody")).status == 404
    assert (await call(console, "GET", job, "/%00")).status == 404


@pytest.mark.parametrize(
    ("method", "body", "kind", "target"),
    [
        ("DELETE", WHY, RequestKind.DELETE_LINK, None),
        ("PATCH", WHY | {"targetAnchor": "target-9"}, RequestKind.REPAIR_LINK, "target-9"),
    ],
    ids=["delete", "repair"],
)
async def test_a_change_of_a_link_is_one_request_with_its_audit_row(
    console: Console, method: str, body: Any, kind: RequestKind, target: str | None
) -> None:
    job = await linked(console, "u1")
    key = {"Idempotency-Key": "key-1"}
    replies = [await call(console, method, job, "/u1", body, headers=key) for _ in range(2)]
    assert [reply.status for reply in replies] == [202, 202]
    assert replies[0].json["requested"]["reason"] == WHY["reason"]
    (request,) = await requests(console)
    assert (request.kind, request.object_id, request.target_id) == (kind, "u1", target)
    assert (request.reason, request.requested_by) == (WHY["reason"], "a operator")
    listed = (await console.call("GET", "/api/v1/auditLogs/operators")).json["value"]
    assert len([entry for entry in listed if entry["action"].startswith("objectConnections.")]) == 1
    other = body | {"reason": "another"}
    assert (await call(console, method, job, "/u1", other, headers=key)).status == 409


@pytest.mark.parametrize("name", ["u1", "target-u1"], ids=["by its user", "by its account"])
async def test_a_repeat_is_answered_after_the_link_was_deleted(console: Console, name: str) -> None:
    job = await linked(console, "u1", "u2")
    key = {"Idempotency-Key": "key-1"}
    assert (await call(console, "DELETE", job, f"/{name}", WHY, headers=key)).status == 202
    await deliver(console.frame, [received(link_fact(job, "u1", 5, LinkState.DELETED))])
    again = await call(console, "DELETE", job, f"/{name}", WHY, headers=key)
    assert (again.status, again.json["objectId"], again.json["targetAnchor"]) == (202, "u1", None)
    assert len(await requests(console)) == 1
    assert (await call(console, "DELETE", job, f"/{name}", WHY)).status == 404, "another request finds no link"
    assert (await call(console, "DELETE", job, "/u2", WHY, headers=key)).status == 409
    assert (await call(console, "GET", job, "/u1")).status == 404


async def test_a_repeated_comparison_is_answered_after_the_link_was_deleted(console: Console) -> None:
    job = await linked(console, "u1")
    key = {"Idempotency-Key": "key-1"}
    assert (await call(console, "POST", job, "/compare", {"objectId": "u1"}, headers=key)).status == 202
    await deliver(console.frame, [received(link_fact(job, "u1", 5, LinkState.DELETED))])
    again = await call(console, "POST", job, "/compare", {"objectId": "u1"}, headers=key)
    assert (again.status, again.json["objectId"]) == (202, "u1")
    assert len(await requests(console)) == 1


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "field"),
    [
        ("DELETE", "/u1", {"reason": " "}, 422, "reason"),
        ("PATCH", "/u1", {"targetAnchor": "target-9"}, 422, "reason"),
        ("PATCH", "/u1", WHY, 422, "targetAnchor"),
        ("PATCH", "/u1", WHY | {"targetAnchor": "can\nary"}, 422, "targetAnchor"),
        ("PATCH", "/u1", WHY | {"targetAnchor": "target-u2"}, 409, None),
        ("DELETE", "/nobody", WHY, 404, None),
        ("POST", "/compare", {"objectId": "nobody"}, 404, None),
    ],
)
async def test_what_cannot_be_done_is_refused_by_name_and_nothing_goes_out(
    console: Console, method: str, path: str, body: Any, status: int, field: str | None
) -> None:
    job = await linked(console, "u1", "u2")
    reply = await call(console, method, job, path, body)
    assert reply.status == status, reply.raw
    assert [error["field"] for error in reply.json.get("errors", [])] == ([field] if field else [])
    assert "can\\nary" not in reply.text
    assert await requests(console) == []
    assert (await call(console, method, job, path, body, role="viewer")).status == 403


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))), ids=str)
async def test_a_deleted_link_is_gone_and_a_new_match_shows_whatever_the_order_of_messages(
    console: Console, order: tuple[int, ...]
) -> None:
    job = await console.new_job()
    said = [
        outcome("u1", 1, job=job),
        link_fact(job, "u1", 2, LinkState.DELETED),
        outcome("u1", 3, job=job, target_id="target-new"),
    ]
    for number in order:
        await deliver(console.frame, [received(said[number])])
        await deliver(console.frame, [received(said[number])])
    assert (await call(console, "GET", job, "/u1")).json["targetAnchor"] == "target-new"
    user = (await console.call("GET", f"/api/v1/jobs/{job}/users/u1")).json
    assert user["targetId"] == "target-new"
    assert any("link deleted" in entry["what"] for entry in user["timeline"])


async def test_a_deleted_link_is_no_longer_listed(console: Console) -> None:
    job = await linked(console, "u1")
    await deliver(console.frame, [received(link_fact(job, "u1", 2, LinkState.DELETED))])
    assert (await call(console, "GET", job)).json["value"] == []
    assert (await console.call("GET", f"/api/v1/jobs/{job}/users/u1")).json["targetId"] is None


async def test_a_comparison_leaves_the_status_and_shows_what_differs(console: Console) -> None:
    job = await linked(console, "u1", "u2", "u3")
    drift = (ModifiedAttribute(path="title", old="a", new="b"),)
    for user, more in (
        ("u1", {"modified": ()}),
        ("u2", {"modified": drift}),
        ("u3", {"result": Result.FAILED, "code": Code.INVALID_ANCHOR}),
    ):
        asked = {"job": job, "operation": Operation.COMPARE, "active": False}
        await deliver(console.frame, [received(change(user, 2, **asked)), received(command(user, 2, **asked))])
        told = outcome(user, 2, job=job, operation=Operation.COMPARE, **more)
        await deliver(console.frame, [received(told)])
    listed = (await call(console, "GET", job)).json
    assert [(link["comparison"], link["differences"], link["status"]) for link in listed["value"]] == [
        ("same", [], "provisioned"),
        ("differs", ["title"], "provisioned"),
        ("gone", [], "provisioned"),
    ]
    assert listed["comparisons"] == {"same": 1, "differs": 1, "gone": 1}
    differing = (await call(console, "GET", job, "?differing=true")).json["value"]
    assert [link["objectId"] for link in differing] == ["u2", "u3"]
    log = (await console.call("GET", "/api/v1/auditLogs/provisioning")).json["value"]
    compared = [entry["sourceIdentity"]["id"] for entry in log if entry["provisioningAction"] == "compare"]
    assert sorted(compared) == ["u2", "u3"], "what is equal makes no row"


async def test_a_comparison_of_every_link_is_asked_of_the_job(console: Console) -> None:
    job = await linked(console, "u1")
    assert (await call(console, "POST", job, "/compare", {})).status == 202
    assert (await call(console, "POST", job, "/compare", {"objectId": "target-u1"})).status == 202
    everything, one = await requests(console)
    assert (everything.object_type, one.object_type, one.object_id) == (ObjectType.JOB, ObjectType.USER, "u1")


# Users on demand


SECRETS = {"secretToken": "not-a-real-token", "clientSecret": "not-a-real-secret"}


async def ready(console: Console, *users: str) -> str:
    """A job with its credentials."""
    job = await linked(console, *users)
    assert (await console.call("PUT", f"/api/v1/jobs/{job}/secrets", SECRETS)).status < 300
    return job


async def demand(console: Console, job: str, body: Any, *, wait: float = 0, **more: Any) -> Reply:
    more.setdefault("role", "operator")
    return await console.call("POST", f"/api/v1/jobs/{job}/provisionOnDemand?wait={wait}", body, **more)


def fact(job: str, request: OperatorRequest, stage: DemandStage, user: str = "u1", **more: Any) -> Received[Any]:
    told = DemandFact(
        job_id=job,
        object_type=ObjectType.USER,
        object_id=user,
        sequence=1,
        request_id=request.idempotency_key,
        stage=stage,
        at=at(1),
        **more,
    )
    return received(told)


async def correlation(console: Console) -> str:
    rows = await console.rows(
        "SELECT headers::json ->> 'correlation_id' AS id FROM outbox WHERE topic = $1 ORDER BY outbox.id DESC LIMIT 1",
        OperatorRequest.topic,
    )
    found: str = rows[0]["id"]
    return found


async def test_a_user_on_demand_is_followed_to_the_outcome_by_its_correlation_id(console: Console) -> None:
    job = await ready(console, "u1")
    reply = await demand(console, job, {"user": "U1@EXAMPLE.com"}, headers={"Idempotency-Key": "key-1"})
    assert (reply.status, reply.json["result"]) == (202, None)
    (request,) = await requests(console)
    assert (request.kind, request.object_id, request.user) == (RequestKind.PROVISION_ON_DEMAND, "u1", "u1")
    where = reply.headers["Location"]
    await deliver(console.frame, [fact(job, request, DemandStage.DECISION, action="update", generation=2)])
    stranger = received(outcome("u1", 2, job=job, target_id="stranger"))
    mine = received(outcome("u1", 2, job=job, sequence=3))
    flow = await correlation(console)
    object.__setattr__(mine, "envelope", mine.envelope.__class__(**(_fields(mine.envelope) | {"correlation_id": flow})))
    await deliver(console.frame, [stranger])
    assert (await console.call("GET", where)).json["result"] is None, "another flow is another matter"
    await deliver(console.frame, [mine])
    done = (await console.call("GET", where)).json
    assert (done["result"], done["targetIdentity"]["id"]) == ("Success", "target-u1")
    assert (await console.call("GET", where)).status == 200


async def test_a_repeat_is_the_same_request_after_the_stranger_became_known(console: Console) -> None:
    job = await ready(console)
    key, ann = {"Idempotency-Key": "key-1"}, {"user": "u1@example.com"}
    first = await demand(console, job, ann, headers=key)
    await deliver(console.frame, [received(assignment("u1", job=job))])
    again = await demand(console, job, ann, headers=key)
    assert (again.status, again.headers["Location"]) == (202, first.headers["Location"]), again.raw
    assert len(await requests(console)) == 1
    assert (await demand(console, job, {"user": "somebody else"}, headers=key)).status == 409
    assert (await demand(console, job, ann | {"reason": "another"}, headers=key)).status == 409


async def test_a_redacted_value_is_neither_kept_nor_shown_of_a_user_on_demand(console: Console) -> None:
    job = await ready(console, "u1")
    where = (await demand(console, job, {"user": "u1"})).headers["Location"]
    created = outcome("u1", 2, job=job).model_copy(
        update={"modified": (), "resource": {"userName": "canary", "title": "Buyer"}, "redacted": ("userName",)}
    )
    mine, flow = received(created), await correlation(console)
    object.__setattr__(mine, "envelope", mine.envelope.__class__(**(_fields(mine.envelope) | {"correlation_id": flow})))
    await deliver(console.frame, [mine])
    shown = (await console.call("GET", where)).json["modifiedProperties"]
    assert {item["displayName"]: item["newValue"] for item in shown} == {"userName": "[Redact]", "title": "Buyer"}
    (row,) = await console.rows("SELECT demand::text AS kept FROM demand WHERE job_id = $1", job)
    assert "canary" not in row["kept"]


def _fields(envelope: Any) -> dict[str, Any]:
    return {name: getattr(envelope, name) for name in envelope.__slots__}


async def test_the_body_of_microsoft_graph_is_taken_and_a_stranger_is_looked_for_in_the_directory(
    console: Console,
) -> None:
    job = await ready(console)
    body = {"parameters": [{"ruleId": "r", "subjects": [{"objectId": "ann@x.example", "objectTypeName": "User"}]}]}
    assert (await demand(console, job, body)).status == 202
    (request,) = await requests(console)
    assert request.user == "ann@x.example"
    assert "ann" not in request.key, "no name in the key of a record"


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({}, "user"),
        ({"user": "a", "parameters": [{"subjects": [{"objectId": "b"}]}]}, "user"),
        ({"parameters": [{"subjects": [{"objectId": "a"}, {"objectId": "b"}]}]}, "parameters.subjects.1"),
        (
            {"parameters": [{"subjects": [{"objectId": "a", "objectTypeName": "Group"}]}]},
            "parameters.subjects.0.objectTypeName",
        ),
        ({"user": "a\x00b"}, "user"),
        ({"usr": "a"}, "usr"),
    ],
    ids=["nobody", "both forms", "two users", "a group", "unprintable", "misspelt"],
)
async def test_who_is_not_said_well_is_refused_by_name(console: Console, body: Any, field: str) -> None:
    reply = await demand(console, await ready(console), body)
    assert reply.status == 422, reply.raw
    assert field in [error["field"] for error in reply.json["errors"]]


async def test_a_job_takes_five_in_ten_seconds_and_a_repeat_is_not_counted(console: Console) -> None:
    job = await ready(console)
    for number in range(5):
        headers = {"Idempotency-Key": f"key-{number}"}
        assert (await demand(console, job, {"user": f"u{number}"}, headers=headers)).status == 202
    refused = await demand(console, job, {"user": "one too many"})
    assert refused.status == 429
    assert 1 <= int(refused.headers["Retry-After"]) <= 10
    assert (await demand(console, job, {"user": "u0"}, headers={"Idempotency-Key": "key-0"})).status == 202
    assert len(await requests(console)) == 5
    assert (await demand(console, await ready(console), {"user": "u0"})).status == 202, "other jobs have their own"


async def test_a_job_without_its_credentials_is_refused(console: Console) -> None:
    reply = await demand(console, await console.new_job(), {"user": "a"})
    assert (reply.status, "secretToken" in reply.json["detail"]) == (409, True)
    assert await requests(console) == []


async def test_only_operators_may_ask_and_viewers_may_look(console: Console) -> None:
    job = await ready(console)
    assert (await demand(console, job, {"user": "a"}, role="viewer")).status == 403
    reply = await demand(console, job, {"user": "a"})
    assert (await console.call("GET", reply.headers["Location"], role="viewer")).status == 202
    assert (await console.call("GET", f"/api/v1/jobs/{job}/provisionOnDemand/unknown")).status == 404


async def test_facts_that_come_twice_or_after_the_end_change_nothing(console: Console) -> None:
    job = await ready(console)
    where = (await demand(console, job, {"user": "u1"})).headers["Location"]
    (request,) = await requests(console)
    skipped = fact(job, request, DemandStage.DECISION, result=DemandResult.SKIPPED, reason="nothing to do")
    await deliver(console.frame, [skipped], crash=True)
    assert (await console.call("GET", where)).json["result"] is None
    for item in (skipped, skipped, fact(job, request, DemandStage.SOURCE)):
        await deliver(console.frame, [item])
    assert (await console.call("GET", where)).json["result"] == "Skipped"
