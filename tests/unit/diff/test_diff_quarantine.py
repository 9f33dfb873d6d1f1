"""Quarantine: the vectors of the reference, the floor that scales, how seldom it is tried, and how it ends."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.core import assignment_arrived, retry_due
from services.diff.health.quarantine import UNSCALED, Health, Policy, QuarantineReason, Thresholds, judge, lifted, step
from services.diff.health.tally import NOTHING, Tally, by_job, difference
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from shared.contracts.outcomes import Result
from tests.support.builders_diff import AT, JOB, assignment, change, occasion, outcome

POLICY = Policy()
HOUR = timedelta(hours=1)
BROKEN = Tally(failing=200, scope=200)

counts = st.integers(0, 100_000)


@pytest.mark.parametrize(
    ("failing", "references", "ok", "reason"),
    [
        (4_000, 0, 0, None),
        (45_000, 0, 1_000_000, QuarantineReason.BASE),
        (30_000, 0, 5_000, QuarantineReason.PROPORTION),
        (20_000, 0, 100_000, None),
        (40_000, 21_000, 1_000_000, QuarantineReason.TOTAL),
        (200, 0, 0, None),
        (5_000, 0, 7_500, None),
        (5_001, 0, 7_500, QuarantineReason.PROPORTION),
    ],
)
def test_the_vectors_of_entra(failing: int, references: int, ok: int, reason: QuarantineReason | None) -> None:
    assert judge(Tally(failing=failing, references=references, ok=ok), UNSCALED) is reason


@pytest.mark.parametrize(
    ("scope", "failing", "quarantined"),
    [(10, 10, False), (100, 20, True), (200, 19, False), (200, 20, True), (1_000, 99, False), (1_000, 100, True)],
)
def test_a_small_application_that_fails_altogether_is_quarantined_too(
    scope: int, failing: int, quarantined: bool
) -> None:
    assert (judge(Tally(failing=failing, scope=scope), Thresholds()) is not None) is quarantined


def test_the_floor_never_rises_above_that_of_entra() -> None:
    assert Thresholds().floor_of(10**6) == 5_000
    assert Thresholds().floor_of(0) == 20


@given(counts, counts, counts, counts)
def test_one_failure_less_or_one_success_more_is_never_worse(
    failing: int, references: int, ok: int, scope: int
) -> None:
    tally = Tally(failing=failing, references=references, ok=ok, scope=scope)
    if judge(tally, Thresholds()) is None:
        assert judge(replace(tally, ok=ok + 1), Thresholds()) is None
        assert judge(replace(tally, references=max(references - 1, 0)), Thresholds()) is None


def entered(at: datetime = AT, tally: Tally = BROKEN) -> Health:
    following = step(Health(tally=tally), at, POLICY)
    assert following.raised
    return following.health


def test_in_quarantine_it_is_tried_after_6_12_24_hours_and_then_daily_until_day_28() -> None:
    health, now, tries = entered(), AT, []
    while health.quarantine is not None and not health.quarantine.expired:
        now += timedelta(minutes=30)
        following = step(health, now, POLICY)
        assert not following.cleared
        health = following.health
        if following.probes:
            tries.append((now - AT) / HOUR)
    assert tries[:5] == [6, 18, 42, 66, 90]
    assert now - AT == timedelta(days=28)
    assert not step(health, now + timedelta(days=9), POLICY).probes


def test_a_retry_that_succeeds_lifts_it_and_it_begins_anew_only_after_a_rest() -> None:
    over = step(entered(), AT + HOUR, POLICY, recovered=1)
    assert over.cleared
    assert over.health.quarantine is None
    assert not step(over.health, AT + HOUR, POLICY).raised
    again = step(over.health, AT + 3 * HOUR, POLICY)
    assert again.raised
    assert again.health.quarantine is not None
    assert (again.health.quarantine.series_count, again.health.quarantine.series_began_at) == (2, AT)


def test_it_is_over_when_too_few_fail_and_its_series_too() -> None:
    well = replace(entered(), tally=Tally(failing=3, ok=197, scope=200))
    over = step(well, AT + HOUR, POLICY)
    assert over.cleared
    again = step(replace(over.health, tally=BROKEN), AT + 2 * HOUR, POLICY).health.quarantine
    assert again is not None
    assert again.series_count == 1


def test_refused_credentials_count_at_once_and_until_they_are_accepted() -> None:
    refused = step(Health(refused=True), AT, POLICY, initial=True)
    assert refused.raised
    assert refused.health.quarantine is not None
    assert refused.health.quarantine.reason is QuarantineReason.EXCEPTION
    assert not step(refused.health, AT + HOUR, POLICY, recovered=5).cleared
    assert step(replace(refused.health, refused=False), AT + HOUR, POLICY).cleared


def test_another_reason_is_said_and_the_same_one_is_not() -> None:
    health = entered()
    assert not step(health, AT + HOUR, POLICY).raised
    changed = step(replace(health, refused=True), AT + HOUR, POLICY)
    assert changed.raised
    assert changed.health.quarantine is not None
    assert changed.health.quarantine.began_at == AT


def test_an_initial_cycle_runs_to_its_end_before_it_is_judged() -> None:
    health = Health(tally=BROKEN)
    assert not step(health, AT, POLICY, initial=True).raised
    assert step(health, AT + HOUR, POLICY).raised


def test_an_operator_ends_it_and_what_failed_is_tried_at_once() -> None:
    over = lifted(entered(), AT + HOUR, POLICY)
    assert (over.cleared, over.probes, over.health.last) == (True, True, None)
    assert not lifted(over.health, AT + HOUR, POLICY).cleared


@given(st.lists(st.tuples(counts, counts, st.booleans(), st.booleans(), st.integers(0, 100)), max_size=30))
def test_it_is_said_exactly_when_it_changes(events: list[tuple[int, int, bool, bool, int]]) -> None:
    health, now, raised = Health(), AT, False
    for failing, ok, refused, recovered, hours in events:
        now += hours * HOUR
        health = replace(health, refused=refused, tally=Tally(failing=failing, ok=ok, scope=failing + ok))
        before = health.quarantine
        following = step(health, now, POLICY, recovered=int(recovered))
        health = following.health
        raised = (raised or following.raised) and not following.cleared
        assert raised == (health.quarantine is not None)
        assert not (following.raised and following.cleared)
        if following.raised and before is not None and health.quarantine is not None:
            assert (before.reason, before.expired) != (health.quarantine.reason, health.quarantine.expired)


# What one person adds to the counts.


def failed() -> Person:
    created = assignment_arrived(None, assignment(), occasion())
    return outcome_arrived(created.person, outcome(change(created), Result.FAILED), occasion()).person


def test_a_failure_counts_until_it_has_succeeded_also_while_it_is_tried_again() -> None:
    person = failed()
    assert difference(None, person) == Tally(failing=1, scope=1)
    assert person.next_attempt_at is not None
    tried = retry_due(person, occasion(at=person.next_attempt_at))
    assert difference(person, tried.person) == NOTHING
    well = outcome_arrived(tried.person, outcome(change(tried)), occasion()).person
    assert difference(tried.person, well) == Tally(failing=-1, ok=1, recovered=1)


def test_the_counts_of_a_batch_are_the_sum_of_its_differences() -> None:
    assert by_job([(None, failed()), (failed(), failed())]) == {JOB: Tally(failing=1, scope=1)}
    assert by_job([(failed(), failed())]) == {}
