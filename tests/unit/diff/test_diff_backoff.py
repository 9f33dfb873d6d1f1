"""The schedule of attempts: quick for faults that pass, then escrowed less and less often, and at last expired."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.backoff import ESCROW_STEPS, Backoff, Retry
from services.diff.settings import DiffSettings
from tests.support.builders_diff import AT, BACKOFF

HOUR = timedelta(hours=1)


def tried(key: str, *, passes: bool, schedule: Backoff = BACKOFF) -> list[timedelta]:
    """When somebody who always fails is tried, since the first failure."""
    at, since, attempts, escrows, times = AT, AT, 0, 0, []
    while True:
        attempts += 1
        since = since if escrows else at
        retry = schedule.plan(key, attempts=attempts, escrows=escrows, failing_since=since, at=at, passes=passes)
        escrows += retry.escrowed
        if retry.at is None:
            return times
        at = retry.at
        times.append(at - AT)


def test_an_escrow_is_tried_at_the_next_cycle_then_less_and_less_often_until_day_28() -> None:
    times = tried("key", passes=False)
    waits = [later - sooner for sooner, later in zip([timedelta(0), *times], times, strict=False)]
    nominal = [BACKOFF.first, 2 * HOUR, 6 * HOUR, 12 * HOUR] + [24 * HOUR] * (len(waits) - 4)
    assert [round(wait / wanted) for wait, wanted in zip(waits, nominal, strict=True)] == [1] * len(waits)
    assert timedelta(days=26) < times[-1] <= timedelta(days=28)


@given(st.text(), st.booleans())
def test_every_schedule_ends_and_is_the_same_for_the_same_key(key: str, passes: bool) -> None:
    times = tried(key, passes=passes)
    assert times == tried(key, passes=passes)
    assert times == sorted(times)
    assert 28 <= len(times) <= 28 + 10


@given(st.text(), st.integers(1, 10_000), st.integers(0, 10_000), st.booleans(), st.integers(0, 40))
def test_no_wait_is_longer_than_the_longest_and_nothing_is_tried_after_it_expired(
    key: str, attempts: int, escrows: int, passes: bool, days: int
) -> None:
    now = AT + timedelta(days=days)
    retry = BACKOFF.plan(key, attempts=attempts, escrows=escrows, failing_since=AT, at=now, passes=passes)
    if retry.at is None:
        assert retry.escrowed
        assert now + timedelta(days=1.1) > AT + BACKOFF.expires
    else:
        assert timedelta(0) < retry.at - now <= BACKOFF.longest
        assert not retry.escrowed or retry.at <= AT + BACKOFF.expires


def test_a_fault_that_passes_is_tried_within_seconds_before_it_is_escrowed() -> None:
    plan = [
        BACKOFF.plan("key", attempts=number, escrows=0, failing_since=AT, at=AT, passes=True) for number in (1, 2, 3)
    ]
    assert [retry.escrowed for retry in plan] == [False, False, True]
    assert [seconds(retry) for retry in plan] == pytest.approx([5, 10, 60], rel=0.1)


def seconds(retry: Retry) -> float:
    assert retry.at is not None
    return (retry.at - AT).total_seconds()


def test_people_who_failed_together_are_not_all_tried_at_once() -> None:
    plans = {
        BACKOFF.plan(f"key-{number}", attempts=1, escrows=0, failing_since=AT, at=AT, passes=False)
        for number in range(50)
    }
    assert len(plans) > 40


def test_the_schedule_is_data_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEATKEEPER_DATABASE_URL", "postgresql://localhost/seatkeeper")
    monkeypatch.setenv("SEATKEEPER_KAFKA_BOOTSTRAP_SERVERS", "localhost:9092")
    assert DiffSettings().backoff().steps == ESCROW_STEPS
    monkeypatch.setenv("SEATKEEPER_DIFF_ESCROW_HOURS", "[1, 3]")
    monkeypatch.setenv("SEATKEEPER_DIFF_ESCROW_DAYS", "2")
    schedule = DiffSettings().backoff()
    assert (schedule.steps, schedule.expires) == ((HOUR, 3 * HOUR), timedelta(days=2))
