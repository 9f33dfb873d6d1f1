"""Quarantine on a real PostgreSQL: counts that are exact without counting, refused credentials, few attempts, and how it is lifted."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from services.diff.health import store
from services.diff.health.quarantine import QuarantineReason
from services.diff.health.tally import Tally
from shared.contracts.assignments import CycleKind
from shared.contracts.outcomes import ConditionState, JobCondition, Result
from tests.support.builders_diff import JOB, assignment, outcome
from tests.support.diff_frames import HANDLERS, Diff, opened_diff, people
from tests.support.diff_quarantine import of_writer, refused

LATER = timedelta(hours=7)


@pytest.fixture
async def diff(database_url: str) -> AsyncIterator[Diff]:
    async with opened_diff(database_url) as opened:
        yield opened


async def said(diff: Diff) -> list[tuple[ConditionState, str | None]]:
    return [(item.state, item.failure.code if item.failure else None) for item in await diff.said(JobCondition)]


async def fail(diff: Diff, count: int) -> None:
    """Let the creations of so many users be refused."""
    await diff.give(*(assignment(object_id=name, cycle_kind=CycleKind.INCREMENTAL) for name in people(count)))
    sent = [(await diff.changes(name))[-1] for name in people(count)]
    await diff.give(*(outcome(change, Result.FAILED) for change in sent))


async def retry(diff: Diff, after: timedelta = LATER) -> int:
    tried: int = await diff.within(HANDLERS.retries, after=after)
    return tried


async def tally(diff: Diff) -> Tally:
    async with diff.frame.connection() as connection:
        return (await store.lock(connection, JOB)).health.tally


async def test_refused_credentials_quarantine_at_once_and_their_acceptance_ends_it(diff: Diff) -> None:
    raised = (ConditionState.RAISED, QuarantineReason.EXCEPTION)
    await diff.handle([of_writer(refused(1)), of_writer(refused(1), event="again")])
    assert await said(diff) == [raised]
    await diff.handle([of_writer(refused(3, over=True)), of_writer(refused(2))])
    assert await said(diff) == [raised, (ConditionState.CLEARED, None)]
    failure = (await diff.said(JobCondition))[0].failure
    assert failure is not None
    assert "secret token" in failure.message
    assert failure.advice


async def test_a_small_job_that_fails_altogether_is_tried_seldom_and_its_changes_go_on(diff: Diff) -> None:
    await fail(diff, 20)
    await diff.judge()
    assert await said(diff) == [(ConditionState.RAISED, QuarantineReason.PROPORTION)]
    await diff.judge()
    assert len(await said(diff)) == 1
    assert await retry(diff) == 0
    await diff.give(assignment(2, object_id=people(1)[0], surname="Other", cycle_kind=CycleKind.INCREMENTAL))
    assert len(await diff.changes(people(1)[0])) == 2


async def test_the_attempt_in_quarantine_tries_what_failed_and_a_success_lifts_it(diff: Diff) -> None:
    await fail(diff, 20)
    await diff.judge()
    await diff.judge(after=LATER)
    assert await retry(diff) == 20
    await diff.answer(people(1)[0])
    await diff.judge(after=LATER)
    assert (await said(diff))[-1] == (ConditionState.CLEARED, None)


async def test_too_few_failures_are_no_quarantine_and_are_tried_by_their_own_schedule(diff: Diff) -> None:
    await fail(diff, 19)
    await diff.judge()
    assert await said(diff) == []
    assert await retry(diff) == 19


async def test_during_an_initial_cycle_nothing_is_judged_before_its_end(diff: Diff) -> None:
    await fail(diff, 20)
    cycle = diff.next_cycle()
    await diff.give(assignment(object_id="new", cycle_id=cycle))
    await diff.judge()
    assert await said(diff) == []
    await diff.close(cycle, CycleKind.INITIAL)
    await diff.judge()
    assert await said(diff) == [(ConditionState.RAISED, QuarantineReason.PROPORTION)]


async def test_the_counts_are_those_of_the_table_whatever_order_batches_commit_in(diff: Diff) -> None:
    await fail(diff, 9)
    await asyncio.gather(
        *(diff.give(assignment(2, object_id=name, surname="Other")) for name in people(3)),
        *(diff.give(assignment(object_id=name)) for name in people(12)[9:]),
    )
    await asyncio.gather(*(diff.answer(name) for name in people(12)[2:5] + people(12)[10:]))
    await diff.judge()
    async with diff.frame.connection() as connection:
        counted = await connection.fetchrow(
            """SELECT count(*) FILTER (WHERE failing_since IS NOT NULL) AS failing, count(*) FILTER (WHERE status = 'provisioned') AS ok,
                count(*) FILTER (WHERE entered) AS scope FROM person"""
        )
    assert await tally(diff) == Tally(**dict(counted))
    assert counted["scope"] == 12
