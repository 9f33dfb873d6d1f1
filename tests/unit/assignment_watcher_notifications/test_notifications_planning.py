"""What to do with a subscription, given its row and the time."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.notifications.judging import Wish
from services.assignment_watcher.notifications.planning import (
    LIFETIME,
    LONGEST_LIFETIME,
    LONGEST_RETRY,
    Kept,
    Step,
    Wanted,
    advice,
    granted_until,
    plan,
    retry_after_failures,
)

NOW = datetime(2026, 3, 1, 10, tzinfo=UTC)
WANTED = Wanted(identity="root tenant client", address="https://watch.example/n/job-1")
DAY = timedelta(days=1)


def kept(**more: Any) -> Kept:
    return replace(
        Kept(
            identity=WANTED.identity,
            address=WANTED.address,
            subscription_id="s1",
            renewed_at=NOW,
            expires_at=NOW + 28 * DAY,
        ),
        **more,
    )


def test_what_is_wanted_is_made() -> None:
    assert plan(None, WANTED, NOW).step is Step.CREATE
    assert plan(None, None, NOW).step is Step.REST


def test_it_rests_until_half_of_its_life_and_is_renewed_then() -> None:
    planned = plan(kept(), WANTED, NOW + DAY)
    assert (planned.step, planned.look_at) == (Step.REST, NOW + 14 * DAY)
    assert plan(kept(), WANTED, NOW + 14 * DAY).step is Step.RENEW
    assert plan(kept(), WANTED, NOW + 27 * DAY).step is Step.RENEW


def test_what_ended_or_was_never_confirmed_is_made_anew() -> None:
    assert plan(kept(), WANTED, NOW + 28 * DAY).step is Step.CREATE
    assert plan(kept(subscription_id=None, expires_at=None), WANTED, NOW).step is Step.CREATE
    assert plan(kept(subscription_id=None), WANTED, NOW).step is Step.CREATE


def test_wishes_are_followed() -> None:
    assert plan(kept(wish=Wish.REAUTHORIZE), WANTED, NOW).step is Step.REAUTHORIZE
    assert plan(kept(wish=Wish.RECREATE), WANTED, NOW).step is Step.CREATE
    assert plan(kept(wish=Wish.REAUTHORIZE), WANTED, NOW + 28 * DAY).step is Step.CREATE


def test_what_is_not_wanted_any_more_is_ended() -> None:
    assert plan(kept(), None, NOW).step is Step.DELETE
    assert plan(kept(), None, NOW + 28 * DAY).step is Step.FORGET
    assert plan(kept(subscription_id=None, expires_at=None), None, NOW).step is Step.FORGET


def test_another_address_ends_the_old_subscription_and_another_application_only_forgets_it() -> None:
    assert plan(kept(), replace(WANTED, address="https://new.example/job-1"), NOW).step is Step.DELETE
    assert plan(kept(), replace(WANTED, identity="another"), NOW).step is Step.FORGET


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        (kept(wish=Wish.RECREATE), WANTED),
        (kept(subscription_id=None, expires_at=None), WANTED),
        (kept(renewed_at=NOW - 20 * DAY, expires_at=NOW + 8 * DAY), WANTED),
        (kept(), None),
    ],
)
def test_a_step_that_failed_waits(row: Kept, wanted: Wanted | None) -> None:
    later = NOW + timedelta(minutes=5)
    planned = plan(replace(row, failures=3, retry_at=later), wanted, NOW)
    assert (planned.step, planned.look_at) == (Step.REST, later)
    assert plan(replace(row, failures=3, retry_at=later), wanted, later).step is not Step.REST


rows = st.builds(
    Kept,
    identity=st.sampled_from([WANTED.identity, "another"]),
    address=st.sampled_from([WANTED.address, "https://old.example"]),
    subscription_id=st.none() | st.just("s1"),
    renewed_at=st.datetimes(datetime(2026, 1, 1), datetime(2026, 5, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - made aware by timezones
    expires_at=st.none() | st.datetimes(datetime(2026, 1, 1), datetime(2026, 5, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - as above
    wish=st.none() | st.sampled_from(Wish),
    failures=st.integers(0, 5),
    retry_at=st.none() | st.just(NOW + timedelta(minutes=1)),
)


@given(st.none() | rows, st.none() | st.just(WANTED))
def test_when_every_step_works_it_comes_to_rest_where_it_should(row: Kept | None, wanted: Wanted | None) -> None:
    now = NOW + timedelta(minutes=2)
    for _ in range(4):
        planned = plan(row, wanted, now)
        assert planned.reason
        match planned.step:
            case Step.REST:
                break
            case Step.DELETE | Step.FORGET:
                row = None
            case Step.CREATE:
                assert wanted is not None
                row = kept(renewed_at=now, expires_at=now + LIFETIME)
            case _:
                assert row is not None
                assert row.lives(now), "only what lives can be renewed"
                row = replace(row, renewed_at=now, expires_at=now + LIFETIME, wish=None, failures=0, retry_at=None)
    else:
        pytest.fail("it never comes to rest")
    if wanted is None:
        assert row is None
    else:
        assert row is not None
        assert row.lives(now)
        assert (row.identity, row.address) == (wanted.identity, wanted.address)
        assert planned.look_at is not None
        assert row.expires_at is not None
        assert now < planned.look_at <= row.expires_at


def test_what_is_asked_for_is_less_than_what_is_allowed() -> None:
    assert timedelta(days=27) < LIFETIME < timedelta(days=28) < LONGEST_LIFETIME


@given(st.integers(1, 10_000))
def test_tries_come_at_growing_distances_up_to_an_hour(failures: int) -> None:
    assert (
        timedelta(seconds=10) <= retry_after_failures(failures) <= retry_after_failures(failures + 1) <= LONGEST_RETRY
    )


def test_microsoft_says_until_when_and_nonsense_is_not_believed() -> None:
    asked = NOW + LIFETIME
    assert granted_until(asked, "2026-03-20T00:00:00Z", NOW) == datetime(2026, 3, 20, tzinfo=UTC)
    assert granted_until(asked, "2026-03-20T00:00:00.1234567Z", NOW).date() == datetime(2026, 3, 20, tzinfo=UTC).date()
    for nonsense in (None, "", "soon", 5, "2026-02-01T00:00:00Z", "9999-01-01T00:00:00Z", "2026-03-20T00:00:00"):
        assert granted_until(asked, nonsense, NOW) == asked


def test_refusals_come_with_advice() -> None:
    assert "NOTIFICATION_URL" in advice(Step.CREATE, 400)
    assert "Group.Read.All" in advice(Step.CREATE, 403)
    assert "polls go on" in advice(Step.RENEW, 503)
