"""Links and comparisons on a real PostgreSQL, through the frame: twice, swapped, a crash between the steps, bounded sweeps."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.diff.links.handling import LinkHandlers
from services.diff.links.store import Sweep
from services.diff.links.sweeping import due, most_under_way, step
from services.diff.settings import DiffSettings
from shared.contracts.changes import Change, ModifiedAttribute, Operation
from shared.contracts.control import JobRecord, OperatorRequest, RequestKind, ScheduleState
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import JOB_OBJECT
from shared.contracts.job import DriftCheck, DriftMode
from shared.contracts.links import LinkFact, LinkState
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact, DemandResult
from shared.contracts.outcomes import Result
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from tests.integration.diff.test_diff_handlers import HANDLERS, crash, emitted, give, row
from tests.support.builders_diff import (
    AT,
    DEFAULT_ACCESS,
    JOB,
    OBJECT,
    assignment,
    definition,
    job_record,
    outcome,
    received,
)
from tests.support.frames import opened_frame, outbox, settings_for

LINKS = LinkHandlers(handlers=HANDLERS)


@pytest.fixture
async def frame(database_url: str) -> AsyncIterator[Frame]:
    async with opened_frame("diff", settings_for(database_url, kind=DiffSettings)) as opened:
        async with opened.transaction() as tx:
            await store_jobs(tx, [received(job_record())])
        yield opened


def asked(
    kind: RequestKind, object_id: str | None = OBJECT, *, key: str = "key-1", target_id: str | None = None
) -> Any:
    return OperatorRequest(
        job_id=JOB,
        object_type=ObjectType.USER if object_id else ObjectType.JOB,
        object_id=object_id or JOB_OBJECT,
        sequence=1,
        kind=kind,
        reason="because",
        idempotency_key=key,
        target_id=target_id,
        requested_by="an operator",
        at=AT,
    )


async def provision(frame: Frame, *people: str) -> None:
    await give(frame, *(assignment(object_id=name) for name in people))
    for name in people:
        [creation] = await emitted(frame, object_id=name)
        await give(frame, outcome(creation, target_id=f"target-of-{name}"))


async def configure(
    frame: Frame, *, version: int = 2, rate: float = 25, schedule: ScheduleState = ScheduleState.ACTIVE, **drift: Any
) -> None:
    wanted = definition(drift_check=DriftCheck(**drift))
    wanted = wanted.model_copy(update={"target": wanted.target.model_copy(update={"requests_per_second": rate})})
    record: JobRecord = job_record(version=version, schedule=schedule).model_copy(update={"definition": wanted})
    async with frame.transaction() as tx:
        await store_jobs(tx, [received(record)])


async def sweep(frame: Frame) -> bool:
    [job] = await frame.list_jobs()
    return await step(frame, LINKS, job)


async def compares(frame: Frame) -> list[Change]:
    rows = [row["payload"] for row in await outbox(frame) if row["headers"]["ce_type"] == Change.type]
    return [found for payload in rows if (found := Change.model_validate(payload)).operation is Operation.COMPARE]


async def test_a_deleted_link_is_matched_anew_and_told_once(frame: Frame) -> None:
    await provision(frame, OBJECT)
    await give(frame, asked(RequestKind.DELETE_LINK), asked(RequestKind.DELETE_LINK))
    await give(frame, asked(RequestKind.DELETE_LINK))
    [fact] = await emitted(frame, LinkFact)
    assert (fact.state, fact.previous_target_id, fact.requested_by) == (
        LinkState.DELETED,
        f"target-of-{OBJECT}",
        "an operator",
    )
    assert [item.operation for item in await emitted(frame)] == ["create", "create"]
    assert (await row(frame))["linked"] is False


async def test_i4_swapped_with_the_answer_of_a_change_the_link_stays_as_the_operator_said(frame: Frame) -> None:
    await provision(frame, OBJECT)
    await give(frame, assignment(2, surname="Sample"))
    update = (await emitted(frame))[-1]
    await give(frame, asked(RequestKind.REPAIR_LINK, target_id="target-9"), outcome(update))
    stored = await row(frame)
    assert stored["target_id"] == "target-9"
    newest = (await emitted(frame))[-1]
    assert (newest.relinked, newest.target_id) == (True, "target-9")
    await give(frame, outcome(newest))
    assert (await row(frame))["status"] == "provisioned"


async def test_a_crash_before_the_commit_leaves_the_link_and_the_repeat_says_the_same(
    frame: Frame, database_url: str
) -> None:
    await provision(frame, OBJECT)
    await crashing(
        database_url,
        "consume.before_commit",
        "await consumer(frame).handle(records(received(own.asked(own.RequestKind.DELETE_LINK))))",
    )
    assert (await row(frame))["linked"] is True
    assert await emitted(frame, LinkFact) == []
    await give(frame, asked(RequestKind.DELETE_LINK))
    assert len(await emitted(frame, LinkFact)) == 1


async def crashing(database_url: str, point: str, step_: str) -> None:
    await crash(database_url, point, f"from tests.integration.diff import test_diff_links_handlers as own; {step_}")


async def test_requests_of_other_kinds_and_about_strangers_are_passed_over(frame: Frame) -> None:
    await give(frame, asked(RequestKind.PROVISION_ON_DEMAND), asked(RequestKind.DELETE_LINK, "stranger", key="2"))
    assert await outbox(frame) == []


async def test_a_sweep_compares_every_link_a_bounded_number_at_a_time(frame: Frame) -> None:
    people = [f"person-{number:02}" for number in range(7)]
    await provision(frame, *people)
    await give(frame, assignment(object_id="skipped", roles=[DEFAULT_ACCESS]))
    await configure(frame, rate=6)
    await give(frame, asked(RequestKind.COMPARE_LINKS, None))
    assert await sweep(frame)
    assert await sweep(frame), "nothing more before answers come"
    first = await compares(frame)
    assert [item.object_id for item in first] == people[:3]
    await give(frame, *(outcome(item) for item in first))
    while await sweep(frame):
        await give(frame, *(outcome(item) for item in await compares(frame)))
    assert sorted({item.object_id for item in await compares(frame)}) == people
    assert len(await compares(frame)) == len(people)
    assert not await sweep(frame), "it is finished"


async def test_a_crash_in_a_sweep_repeats_its_step_and_loses_nobody(frame: Frame, database_url: str) -> None:
    await provision(frame, "person-1", "person-2")
    await give(frame, asked(RequestKind.COMPARE_LINKS, None))
    await crashing(database_url, "diff.comparing.before_commit", "await own.sweep(frame)")
    assert await compares(frame) == []
    await sweep(frame)
    assert [item.object_id for item in await compares(frame)] == ["person-1", "person-2"]


async def test_what_is_under_way_is_not_compared(frame: Frame) -> None:
    await provision(frame, "person-1")
    await give(frame, assignment(2, object_id="person-1", surname="Moved"), assignment(object_id="person-2"))
    await give(frame, asked(RequestKind.COMPARE_LINKS, None))
    assert not await sweep(frame)
    assert await compares(frame) == []


@pytest.mark.parametrize(
    ("mode", "operations"), [(DriftMode.CORRECT, ["compare", "update"]), (DriftMode.REPORT, ["compare"])]
)
async def test_the_schedule_finds_drift_and_corrects_or_reports_it(
    frame: Frame, mode: DriftMode, operations: list[str]
) -> None:
    await provision(frame, OBJECT)
    await configure(frame, mode=mode)
    await sweep(frame)
    await sweep(frame)
    [sent] = await compares(frame)
    drifted = (ModifiedAttribute(path="name.familyName", old="Drifted", new="Example"),)
    await give(frame, outcome(sent, modified=drifted))
    await give(frame, outcome(sent, modified=drifted))
    assert [item.operation for item in await emitted(frame)][1:] == operations
    async with frame.connection() as connection:
        found = await connection.fetchrow("SELECT * FROM comparison")
    assert (found["finding"], found["under_way"]) == ("corrected" if mode is DriftMode.CORRECT else "differs", False)
    assert "Drifted" not in str(dict(found)), "values are not kept"


async def test_a_single_link_is_compared_on_request(frame: Frame) -> None:
    await provision(frame, OBJECT)
    await give(frame, asked(RequestKind.COMPARE_LINKS), asked(RequestKind.COMPARE_LINKS, key="key-2"))
    [sent] = await compares(frame)
    gone = outcome(sent, Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "it is gone", http_status=404))
    await give(frame, gone)
    assert (await row(frame))["linked"] is True, "without correction it is only reported"


async def test_a_paused_job_is_not_compared(frame: Frame) -> None:
    await configure(frame, schedule=ScheduleState.PAUSED, mode=DriftMode.REPORT)
    [job] = await frame.list_jobs()
    assert not job.active


def test_a_sweep_is_due_by_its_interval_and_never_while_one_goes_on() -> None:
    now = datetime.now(UTC)
    hourly = DriftCheck(mode=DriftMode.REPORT, interval=timedelta(hours=1))
    old = Sweep(correct=False, position="", started_at=now - timedelta(hours=2), finished_at=now - timedelta(hours=1))
    going_on = Sweep(correct=False, position="", started_at=old.started_at, finished_at=None)
    recent = Sweep(correct=False, position="", started_at=now, finished_at=now)
    assert due(hourly, None, now)
    assert due(hourly, old, now)
    assert not due(hourly, going_on, now)
    assert not due(hourly, recent, now)
    assert not due(DriftCheck(), None, now)


@pytest.mark.parametrize(("rate", "most"), [(0.5, 1), (1, 1), (25, 12), (1000, 20)])
def test_no_more_than_half_a_second_of_traffic_is_asked_for_at_once(rate: float, most: int) -> None:
    assert most_under_way(rate) == most


async def demand(frame: Frame, **more: Any) -> DemandFact:
    said = assignment(**more).model_copy(update={"request_id": "request-1"})
    await give(frame, said)
    await give(frame, said)
    [fact] = await emitted(frame, DemandFact)
    return fact  # type: ignore[no-any-return] # emitted() serves every message


async def test_somebody_new_on_demand_is_created_in_the_flow_of_the_request(frame: Frame) -> None:
    fact = await demand(frame)
    [creation] = await emitted(frame)
    assert (fact.result, fact.action, fact.generation) == (None, "create", creation.generation)
    correlations = {item["headers"]["correlation_id"] for item in await outbox(frame)}
    assert correlations == {f"flow of {OBJECT}"}


async def test_an_unchanged_user_on_demand_ends_as_skipped_and_stays_provisioned(frame: Frame) -> None:
    await provision(frame, OBJECT)
    fact = await demand(frame, sequence=2)
    assert (fact.result, fact.steps[-1].details) == (DemandResult.SKIPPED, {"skipReason": "RedundantExport"})
    assert (await row(frame))["status"] == "provisioned"


async def test_an_escrowed_user_on_demand_is_tried_at_once(frame: Frame) -> None:
    await give(frame, assignment())
    [creation] = await emitted(frame)
    await give(frame, outcome(creation, Result.FAILED))
    fact = await demand(frame, sequence=2)
    assert (fact.result, fact.generation) == (None, 2)
    assert (await row(frame))["next_attempt_at"] is None


async def test_a_change_under_way_is_sent_anew_for_the_request(frame: Frame) -> None:
    await give(frame, assignment())
    fact = await demand(frame, sequence=2)
    assert [item.generation for item in await emitted(frame)] == [1, 2]
    assert fact.generation == 2


async def test_somebody_out_of_scope_on_demand_is_explained_and_not_written(frame: Frame) -> None:
    fact = await demand(frame, roles=[DEFAULT_ACCESS])
    scope = fact.steps[0].details
    assert fact.result is DemandResult.SKIPPED
    assert scope["conditions"] == {
        "Active in the source system": True,
        "Assigned to the application": True,
        "User has the required role": False,
        "Scoping filter evaluation passed": True,
    }
    assert await emitted(frame) == []


async def test_a_disable_that_is_due_is_written_on_demand(frame: Frame) -> None:
    await provision(frame, OBJECT)
    fact = await demand(frame, sequence=2, accountEnabled=False)
    assert (fact.action, fact.result) == ("disable", None)


async def test_a_record_that_came_too_late_says_that_a_newer_one_decides(frame: Frame) -> None:
    await give(frame, assignment(3))
    fact = await demand(frame, sequence=2)
    assert fact.result is DemandResult.SKIPPED
    assert len(await emitted(frame)) == 1
