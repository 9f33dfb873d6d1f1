"""Approving and rejecting held removals: one request, one audit row, whatever is repeated; and a clear no when it is too late."""

import asyncio
import json
from typing import Any

import pytest

from services.console.api import shapes
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.message import ObjectType
from shared.contracts.source import HoldState
from tests.support.builders_console import Console, Reply, deliver, received
from tests.support.builders_source import HOLD, hold_fact

REASON = "the sales team was dissolved, čert ví proč"


async def requests(console: Console) -> list[OperatorRequest]:
    rows = await console.rows("SELECT payload FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
    return [OperatorRequest.model_validate_json(row["payload"]) for row in rows]


async def event_ids(console: Console) -> list[str]:
    rows = await console.rows("SELECT headers FROM outbox WHERE topic = $1 ORDER BY id", OperatorRequest.topic)
    return [json.loads(row["headers"])["ce_id"] for row in rows]


async def audit(console: Console) -> list[dict[str, Any]]:
    listed = (await console.call("GET", "/api/v1/auditLogs/operators")).json["value"]
    return [entry for entry in listed if entry["action"].startswith("holds.")]


async def held(console: Console) -> str:
    """A job with one hold."""
    job = await console.new_job()
    await deliver(console.frame, [received(hold_fact(job=job))])
    return job


async def decide(
    console: Console,
    job: str,
    decision: str,
    *,
    hold: str = HOLD,
    reason: str | None = REASON,
    key: str = "",
    role: str = "operator",
) -> Reply:
    headers = {"Idempotency-Key": key} if key else {}
    body = None if reason is None else {"reason": reason}
    return await console.call("POST", f"/api/v1/jobs/{job}/holds/{hold}/{decision}", body, role=role, headers=headers)


@pytest.mark.parametrize(
    ("decision", "kind"), [("approve", RequestKind.APPROVE_HOLD), ("reject", RequestKind.REJECT_HOLD)]
)
async def test_a_decision_goes_to_the_watcher_with_its_audit_row(
    console: Console, decision: str, kind: RequestKind
) -> None:
    job = await held(console)
    reply = await decide(console, job, decision, key="key-1")
    assert reply.status == 202, reply.raw
    shapes.Hold.model_validate_json(reply.raw)
    assert reply.json["state"] == "held"
    assert (reply.json["requested"]["decision"], reply.json["requested"]["by"]) == (decision, "a operator")
    (request,) = await requests(console)
    assert (request.kind, request.object_type, request.object_id, request.hold_id) == (
        kind,
        ObjectType.HOLD,
        HOLD,
        HOLD,
    )
    assert (request.job_id, request.reason, request.requested_by) == (job, REASON, "a operator")
    assert (request.idempotency_key, request.sequence, request.key) == ("key-1", 1, f"{job}/{HOLD}")
    (entry,) = await audit(console)
    assert (entry["action"], entry["jobId"], entry["reason"]) == (f"holds.{decision}", job, REASON)
    assert entry["details"] == {"holdId": HOLD}


async def test_the_same_key_again_asks_for_nothing_new_even_after_it_was_done(console: Console) -> None:
    job = await held(console)
    first = await decide(console, job, "approve", key="key-1")
    again = await decide(console, job, "approve", key="key-1")
    assert (first.status, again.status, again.json) == (202, 202, first.json)
    both = await asyncio.gather(*(decide(console, job, "approve", key="key-1") for _ in range(4)))
    assert {reply.status for reply in both} == {202}
    await deliver(console.frame, [received(hold_fact(2, HoldState.APPROVED, job=job))])
    late = await decide(console, job, "approve", key="key-1")
    assert (late.status, late.json["state"]) == (202, "approved")
    assert len(await requests(console)) == len(await audit(console)) == 1
    other = await decide(console, job, "reject", key="key-1")
    assert (other.status, other.json["title"]) == (409, "Idempotency-Key was used before")


async def test_the_same_decision_with_another_key_goes_out_again_and_the_other_one_does_not(console: Console) -> None:
    job = await held(console)
    await decide(console, job, "approve", key="key-1")
    assert (await decide(console, job, "approve", key="key-2")).status == 202
    assert (await decide(console, job, "approve")).status == 202
    assert [request.sequence for request in await requests(console)] == [1, 2, 3]
    assert len(set(await event_ids(console))) == 3
    refused = await decide(console, job, "reject", key="key-3")
    assert refused.status == 409
    assert "The approval was asked for by a operator already" in refused.json["detail"]
    assert len(await requests(console)) == len(await audit(console)) == 3


@pytest.mark.parametrize(
    ("state", "words"),
    [(HoldState.APPROVED, "approved by"), (HoldState.REJECTED, "rejected by"), (HoldState.DROPPED, "dropped")],
)
async def test_what_is_no_longer_held_is_refused_in_a_sentence(console: Console, state: HoldState, words: str) -> None:
    job = await held(console)
    await deliver(console.frame, [received(hold_fact(2, state, job=job))])
    for decision in ("reject",) if state is HoldState.REJECTED else ("approve", "reject"):
        reply = await decide(console, job, decision)
        assert (reply.status, reply.headers["Content-Type"]) == (409, "application/problem+json")
        assert words in reply.json["detail"]
    assert await requests(console) == []
    assert await audit(console) == []


async def test_what_was_rejected_can_be_approved_after_all(console: Console) -> None:
    job = await held(console)
    await decide(console, job, "reject")
    await deliver(console.frame, [received(hold_fact(2, HoldState.REJECTED, job=job))])
    reply = await decide(console, job, "approve")
    assert (reply.status, reply.json["state"], reply.json["requested"]["decision"]) == (202, "rejected", "approve")
    assert [(request.kind, request.sequence) for request in await requests(console)] == [
        ("rejectHold", 1),
        ("approveHold", 2),
    ]


async def test_unknown_holds_and_jobs_are_not_found(console: Console) -> None:
    job = await held(console)
    unknown = await decide(console, job, "approve", hold="unknown")
    assert (unknown.status, unknown.json["title"]) == (404, "No such hold")
    assert (await decide(console, "unknown", "approve")).json["title"] == "No such job"
    another = await console.new_job()
    assert (await decide(console, another, "approve")).status == 404, "a hold of another job"
    await console.call("DELETE", f"/api/v1/jobs/{job}")
    assert (await decide(console, job, "approve")).status == 404
    assert await requests(console) == []


async def test_an_approval_needs_a_reason_and_a_rejection_does_not(console: Console) -> None:
    job = await held(console)
    for reason in (None, "", "  "):
        reply = await decide(console, job, "approve", reason=reason)
        assert (reply.status, [error["field"] for error in reply.json["errors"]]) == (422, ["reason"])
    for body in ({"reason": "canary" * 100}, {"reason": 5}, {"reson": "canary"}, {"reason": "a\x00b"}):
        bad = await console.call("POST", f"/api/v1/jobs/{job}/holds/{HOLD}/approve", body)
        assert bad.status == 422, body
        assert "canary" not in bad.text
    assert await requests(console) == []
    assert (await decide(console, job, "reject", reason=None)).status == 202
    header = await console.call(
        "POST", f"/api/v1/jobs/{await held(console)}/holds/{HOLD}/approve", headers={"X-Seatkeeper-Reason": "by header"}
    )
    assert header.status == 202
    assert [request.reason for request in await requests(console)] == ["", "by header"]


async def test_a_viewer_decides_nothing(console: Console) -> None:
    job = await held(console)
    for decision in ("approve", "reject"):
        assert (await decide(console, job, decision, role="viewer")).status == 403
    assert await requests(console) == []


async def test_the_openapi_document_describes_source_and_holds(console: Console) -> None:
    document = (await console.call("GET", "/api/v1/openapi.json", role=None)).json
    paths = document["paths"]
    source = paths["/api/v1/jobs/{job}/source"]["get"]["responses"]
    assert source["200"]["content"]["application/json"]["schema"]["$ref"].endswith("/Source")
    assert "linkAgeSeconds" in document["components"]["schemas"]["Stream"]["properties"]
    assert "200" in paths["/api/v1/jobs/{job}/holds"]["get"]["responses"]
    for decision in ("approve", "reject"):
        operation = paths[f"/api/v1/jobs/{{job}}/holds/{{hold}}/{decision}"]["post"]
        assert {"202", "404", "409", "422"} <= operation["responses"].keys()
        assert {"job", "hold", "Idempotency-Key"} <= {parameter["name"] for parameter in operation["parameters"]}
