"""Users, licenses, failures and the provisioning log, as the API shows them."""

import pytest

from shared.contracts.changes import LicenseDecision
from shared.contracts.control import OperatorRequest
from shared.contracts.failure_codes import ADVICE, Code
from shared.contracts.outcomes import ConditionState, CyclePhase, LicenseState, Result
from tests.support.builders_console import (
    Console,
    assignment,
    at,
    change,
    command,
    condition,
    cycle,
    deliver,
    license_fact,
    outcome,
    received,
)
from tests.support.frames import outbox


@pytest.fixture
async def job(console: Console) -> str:
    """A job with one user in each status."""
    job = await console.new_job()
    said = [
        *(
            assignment(f"u-{name}", job=job)
            for name in ("done", "wait-1", "wait-2", "failed", "skipped", "disabled", "new")
        ),
        *(change(f"u-{name}", job=job) for name in ("done", "wait-1", "wait-2", "failed", "disabled")),
        command("u-done", job=job, decision=LicenseDecision.RESERVED, ticket=1),
        outcome("u-done", job=job),
        license_fact("u-done", LicenseState.GRANTED, ticket=1, job=job),
        license_fact("u-wait-2", LicenseState.WAITING, ticket=4, job=job),
        license_fact("u-wait-1", LicenseState.WAITING, ticket=3, job=job),
        command("u-failed", job=job, decision=LicenseDecision.RESERVED, ticket=2),
        outcome("u-failed", 1, Result.FAILED, code=Code.CONFLICT, job=job),
        outcome("u-skipped", 0, Result.SKIPPED, job=job, reasons=("1) not in role User",)),
        outcome("u-disabled", 2, active=False, job=job),
        cycle(CyclePhase.COMPLETED, job=job, objects=7),
        condition("targetCredentials", ConditionState.RAISED, job=job),
    ]
    await deliver(console.frame, [received(message) for message in said])
    return job


async def test_a_failed_user_can_be_tried_again_and_the_same_key_asks_once(console: Console, job: str) -> None:
    path = f"/api/v1/jobs/{job}/users/u-failed/retry"
    for _ in range(2):
        asked = await console.call("POST", path, headers={"Idempotency-Key": "once"})
        assert (asked.status, asked.json) == (202, {"id": "u-failed", "status": "failed"})
    rows = [row for row in await outbox(console.frame) if row["headers"]["ce_type"] == OperatorRequest.type]
    assert {(row["payload"]["kind"], row["payload"]["objectId"]) for row in rows} == {("retry", "u-failed")}
    assert len({row["headers"]["ce_id"] for row in rows}) == 1
    assert (await console.call("POST", f"/api/v1/jobs/{job}/users/nobody/retry")).status == 404


async def test_status_counts_cycle_and_conditions(console: Console, job: str) -> None:
    status = (await console.call("GET", f"/api/v1/jobs/{job}")).json["status"]
    assert status["counts"] == {
        "pending": 1,
        "provisioned": 1,
        "waiting": 2,
        "failed": 1,
        "skipped": 1,
        "disabled": 1,
        "total": 7,
    }
    assert status["currentCycle"] is None
    assert (status["lastCycle"]["kind"], status["lastCycle"]["objects"]) == ("initial", 7)
    (raised,) = status["conditions"]
    assert (raised["condition"], raised["failure"]["advice"]) == ("targetCredentials", ADVICE[Code.UNAUTHORIZED])
    await deliver(console.frame, [received(condition("targetCredentials", ConditionState.CLEARED, 2, job=job))])
    assert (await console.call("GET", f"/api/v1/jobs/{job}")).json["status"]["conditions"] == []


async def test_a_running_cycle_counts_what_it_has_found(console: Console, job: str) -> None:
    await console.call("PUT", f"/api/v1/jobs/{job}/secrets", {"secretToken": "x", "clientSecret": "y"})
    await console.call("POST", f"/api/v1/jobs/{job}/start")
    found = [assignment(f"n-{n}", job=job, cycle_id="cycle-2") for n in range(3)]
    await deliver(
        console.frame,
        [received(cycle(CyclePhase.STARTED, cycle_id="cycle-2", job=job, started_at=at(60))), *map(received, found)],
    )
    status = (await console.call("GET", f"/api/v1/jobs/{job}")).json["status"]
    current = status["currentCycle"]
    assert (current["cycleId"], current["phase"], current["objects"]) == ("cycle-2", "started", 3)
    assert status["lastCycle"]["cycleId"] == "cycle-1"


async def test_users_by_status_and_page_by_page(console: Console, job: str) -> None:
    waiting = (await console.call("GET", f"/api/v1/jobs/{job}/users?status=waiting")).json
    assert [user["id"] for user in waiting["value"]] == ["u-wait-1", "u-wait-2"]
    assert waiting["nextCursor"] is None
    seen, cursor = [], ""
    while True:
        page = (await console.call("GET", f"/api/v1/jobs/{job}/users?limit=3&cursor={cursor}")).json
        seen += [user["id"] for user in page["value"]]
        if page["nextCursor"] is None:
            break
        cursor = page["nextCursor"]
    assert seen == sorted(seen)
    assert len(seen) == 7


async def test_one_user_with_everything_that_was_said(console: Console, job: str) -> None:
    by_id = (await console.call("GET", f"/api/v1/jobs/{job}/users/u-done")).json
    by_name = (await console.call("GET", f"/api/v1/jobs/{job}/users/U-Done@example.com")).json
    assert by_id == by_name
    assert (by_id["status"], by_id["targetId"], by_id["license"]["state"]) == (
        "provisioned",
        "target-u-done",
        "granted",
    )
    assert [entry["kind"] for entry in by_id["timeline"]] == ["assignment", "change", "license", "outcome", "command"]
    assert [entry["at"] for entry in by_id["timeline"]] == sorted(entry["at"] for entry in by_id["timeline"])
    assert all(entry["what"] for entry in by_id["timeline"])
    failed = (await console.call("GET", f"/api/v1/jobs/{job}/users/u-failed")).json
    assert (failed["code"], failed["advice"]) == ("Conflict", ADVICE[Code.CONFLICT])
    second = (await console.call("GET", f"/api/v1/jobs/{job}/users/u-wait-2")).json
    assert second["license"] == {"state": "waiting", "ticket": 4, "position": 2}


async def test_licenses_and_the_waiting_line_in_order(console: Console, job: str) -> None:
    pool = (await console.call("GET", f"/api/v1/jobs/{job}/licenses")).json
    assert (pool["capacity"], pool["granted"], pool["reserved"], pool["free"], pool["waiting"]) == (2, 1, 1, 0, 2)
    line = [(place["position"], place["ticket"], place["id"]) for place in pool["waitingLine"]]
    assert line == [(1, 3, "u-wait-1"), (2, 4, "u-wait-2")]
    states = {user["id"]: user["state"] for user in pool["users"]}
    assert states == {"u-done": "granted", "u-failed": "reserved", "u-wait-1": "waiting", "u-wait-2": "waiting"}
    await console.call("PATCH", f"/api/v1/jobs/{job}", {"licenses": {"capacity": 1}})
    assert (await console.call("GET", f"/api/v1/jobs/{job}/licenses")).json["overcommitted"] == 1


async def test_failures_by_cause(console: Console, job: str) -> None:
    (cause,) = (await console.call("GET", f"/api/v1/jobs/{job}/failures")).json["value"]
    assert (cause["code"], cause["count"], cause["examples"]) == ("Conflict", 1, ["u-failed"])
    assert cause["advice"] == ADVICE[Code.CONFLICT]


async def test_the_provisioning_log_is_filtered_and_paged(console: Console, job: str) -> None:
    path = "/api/v1/auditLogs/provisioning"
    everything = (await console.call("GET", path)).json["value"]
    assert len(everything) == 4
    failed = (
        await console.call(
            "GET",
            f"{path}?$filter=jobId eq '{job}' and statusInfo/status eq 'failure' and provisioningAction eq 'create'",
        )
    ).json["value"]
    assert [record["sourceIdentity"]["id"] for record in failed] == ["u-failed"]
    assert failed[0]["sourceIdentity"]["displayName"] == "Name of u-failed"
    one = (await console.call("GET", f"{path}?$filter=sourceIdentity/id eq 'u-disabled'")).json["value"]
    assert [(record["provisioningAction"], record["jobId"]) for record in one] == [("disable", job)]
    assert (await console.call("GET", f"{path}?$filter=jobId eq 'another'")).json == {"value": []}
    first = (await console.call("GET", f"{path}?$top=3&$filter=jobId eq '{job}'")).json
    rest = (await console.call("GET", first["@odata.nextLink"])).json
    assert [record["id"] for record in first["value"] + rest["value"]] == [record["id"] for record in everything]
    assert "@odata.nextLink" not in rest
