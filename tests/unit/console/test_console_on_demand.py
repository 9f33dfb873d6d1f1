"""The answer to "provision on demand", from whatever messages have come so far, and how many requests a job takes."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console.links.noting import Finding, comparison_told, link_told, worth_a_row
from services.console.on_demand.answering import MOST_IN_WINDOW, WINDOW_SECONDS, Demand, answer, finished, retry_after
from shared.contracts.changes import ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact, DemandResult, DemandStage, DemandStep
from shared.contracts.outcomes import LicenseState, Result, StepStatus, StepType
from tests.support.builders_console import JOB, at, license_fact, outcome


def fact(stage: DemandStage, result: DemandResult | None = None, **more: Any) -> DemandFact:
    kind = StepType.IMPORT if stage is DemandStage.SOURCE else StepType.SCOPING
    step = DemandStep(name="EntryImport", type=kind, status=StepStatus.SUCCESS, description="read", details={"a": 1})
    values: dict[str, Any] = {"steps": (step,), "result": result, "reason": f"because {stage}", "at": at(1)}
    return DemandFact(
        job_id=JOB,
        object_type=ObjectType.USER,
        object_id="user-1",
        sequence=1,
        request_id="request-1",
        stage=stage,
        **(values | more),
    )


SOURCE = fact(DemandStage.SOURCE)
DECISION = fact(DemandStage.DECISION, action="create", generation=1)


def demand(**more: Any) -> Demand:
    values: dict[str, Any] = {"job_id": JOB, "request_id": "request-1", "user_name": "ann", "object_id": "user-1"}
    return Demand(**(values | {"at": at(0)} | more))


@pytest.mark.parametrize(
    ("said", "result", "status", "ended"),
    [
        ({}, None, "pending", False),
        ({"source": SOURCE}, None, "pending", False),
        ({"source": fact(DemandStage.SOURCE, DemandResult.FAILURE)}, "Failure", "failure", True),
        ({"source": SOURCE, "decision": DECISION}, None, "pending", False),
        ({"decision": DECISION}, None, "pending", False),
        ({"decision": fact(DemandStage.DECISION, DemandResult.SKIPPED)}, "Skipped", "skipped", True),
        ({"decision": DECISION, "waiting": license_fact("user-1", LicenseState.WAITING)}, None, "pending", True),
        ({"decision": DECISION, "outcome": outcome("user-1")}, "Success", "success", True),
        ({"outcome": outcome("user-1", result=Result.ADOPTED)}, "Success", "success", True),
        ({"outcome": outcome("user-1", result=Result.SUPERSEDED)}, "Skipped", "skipped", True),
        ({"outcome": outcome("user-1", result=Result.RETRY_LATER, code=Code.TIMEOUT)}, "Failure", "failure", True),
        ({"outcome": outcome("user-1", result=Result.FAILED, code=Code.CONFLICT)}, "Failure", "failure", True),
    ],
    ids=[
        "nothing yet",
        "imported",
        "not imported",
        "decided",
        "the facts came swapped",
        "skipped",
        "waits for a license",
        "written",
        "adopted",
        "overtaken",
        "tried again later",
        "refused",
    ],
)
def test_the_answer_says_where_it_stands(said: dict[str, Any], result: str | None, status: str, *, ended: bool) -> None:
    asked = demand(**said)
    shown = answer(asked)
    assert (shown["result"], shown["statusInfo"]["status"], finished(asked)) == (result, status, ended)
    assert shown["statusInfo"]["reason"]
    assert (shown["endTime"] is not None) is (result is not None)


def test_the_steps_stand_in_the_order_of_the_pipeline_with_what_was_written() -> None:
    asked = demand(source=SOURCE, decision=DECISION, outcome=outcome("user-1"), display_name="Ann")
    shown = answer(asked)
    assert [step["type"] for step in shown["steps"]] == ["import", "scoping", "export"]
    assert [step["title"] for step in shown["steps"]] == [
        "Import user",
        "Determine if user is in scope",
        "Perform action",
    ]
    assert shown["steps"][0]["details"] == {"a": 1}
    assert shown["modifiedProperties"] == [{"displayName": "active", "oldValue": None, "newValue": "true"}]
    assert (shown["sourceIdentity"]["displayName"], shown["targetIdentity"]["id"]) == ("Ann", "target-user-1")


def test_a_failure_tells_code_status_and_what_to_do() -> None:
    shown = answer(demand(outcome=outcome("user-1", result=Result.FAILED, code=Code.CONFLICT)))
    status = shown["statusInfo"]
    assert (status["errorCode"], status["additionalDetails"]) == (Code.CONFLICT, "HTTP 400")
    assert status["recommendedAction"]


@given(st.lists(st.floats(0, 60), max_size=30))
def test_no_ten_seconds_ever_take_more_than_five(offsets: list[float]) -> None:
    """Requests that are taken exactly when the answer says so never exceed the rate, and the wait that is told is enough."""
    taken: list[float] = []
    for offset in sorted(offsets):
        times = [at(0) + timedelta(seconds=one) for one in taken]
        seconds = retry_after(times, at(0) + timedelta(seconds=offset))
        if seconds is None:
            taken.append(offset)
        else:
            assert 1 <= seconds <= WINDOW_SECONDS
            assert retry_after(times, at(0) + timedelta(seconds=offset + seconds)) is None
    for first in taken:
        assert sum(first <= one < first + WINDOW_SECONDS for one in taken) <= MOST_IN_WINDOW


def test_a_comparison_tells_no_link_and_only_differences_are_worth_a_row() -> None:
    same = outcome("u", 2, operation=Operation.COMPARE, modified=())
    differing = same.model_copy(update={"modified": (ModifiedAttribute(path="title", old="a", new="b"),)})
    gone = outcome("u", 2, Result.FAILED, code=Code.INVALID_ANCHOR, operation=Operation.COMPARE)
    assert [link_told(item) for item in (same, differing, gone)] == [None] * 3
    found = [comparison_told(item) for item in (same, differing, gone)]
    assert [item.finding for item in found if item] == [Finding.SAME, Finding.DIFFERS, Finding.GONE]
    assert [worth_a_row(item) for item in (same, differing, gone)] == [False, True, True]


def test_outcomes_tell_where_a_link_points() -> None:
    linked = link_told(outcome("u", 3))
    assert linked is not None
    assert (linked.generation, linked.target_id) == (3, "target-u")
    vanished = link_told(outcome("u", 3, Result.FAILED, code=Code.INVALID_ANCHOR))
    assert vanished is not None
    assert vanished.target_id is None
    assert link_told(outcome("u", 3, Result.FAILED, code=Code.CONFLICT)) is None
    assert link_told(outcome("u", 3, Result.SKIPPED)) is None
