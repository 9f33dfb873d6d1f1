"""When hints let a job be polled."""

import itertools
import random
import statistics
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.notifications.pacing import COALESCE_SECONDS, LARGEST_SHARE, Pace


def polled(began: float, ended: float) -> Pace:
    pace = Pace()
    pace.begin(began)
    pace.end(ended)
    return pace


def test_without_a_hint_nothing_is_due() -> None:
    assert Pace().due is None
    assert polled(10.0, 11.0).due is None


def test_the_first_hint_is_followed_at_once() -> None:
    pace = polled(10.0, 11.0)
    pace.hint(100.0)
    assert pace.due == 100.0


def test_a_hint_before_anything_was_polled_is_followed_at_once() -> None:
    pace = Pace()
    pace.hint(3.0)
    assert pace.due == 3.0


def test_hints_soon_after_a_poll_wait_and_are_one() -> None:
    pace = polled(100.0, 100.3)
    pace.hint(100.5)
    pace.hint(100.9)
    assert pace.due == 100.0 + COALESCE_SECONDS
    pace.begin(102.0)
    pace.end(102.1)
    assert pace.due is None


def test_a_hint_during_a_poll_leads_to_another_one() -> None:
    pace = Pace()
    pace.begin(100.0)
    pace.hint(100.2)
    pace.end(100.4)
    assert pace.due == 100.0 + COALESCE_SECONDS


def test_long_polls_leave_as_much_time_between_them() -> None:
    pace = polled(100.0, 130.0)
    pace.hint(130.1)
    assert pace.due == 160.0


@given(st.lists(st.floats(0.01, 30), min_size=1, max_size=30), st.floats(0.001, 20))
def test_a_flood_of_hints_never_takes_more_than_its_share(lengths: list[float], every: float) -> None:
    pace, now, busy = Pace(), 0.0, 0.0
    for length in lengths:
        pace.hint(now)
        due = pace.due
        assert due is not None
        assert due >= now
        now = due
        pace.begin(now)
        now += length
        busy += length
        pace.hint(now - length / 2)
        pace.end(now)
    assert pace.due is not None
    assert busy <= LARGEST_SHARE * pace.due + 1e-6


def latencies(changes: list[float], lasts: float) -> list[float]:
    """From each change to the end of the poll that sees it, when every change is hinted at and nothing else makes a poll."""
    pace, took, unseen, coming = Pace(), [], list[float](), deque(sorted(changes))
    while coming or unseen:
        due = pace.due
        if due is None or (coming and coming[0] <= due):
            unseen.append(coming.popleft())
            pace.hint(unseen[-1])
            continue
        pace.begin(due)
        took += [due + lasts - at for at in unseen]
        unseen = []
        while coming and coming[0] <= due + lasts:
            # A poll may be too early for what comes while it reads.
            unseen.append(coming.popleft())
            pace.hint(unseen[-1])
        pace.end(due + lasts)
    return took


@given(st.lists(st.floats(0, 600), min_size=1, max_size=300), st.floats(0.01, 1.0))
def test_every_change_is_seen_and_none_waits_longer_than_two_polls(changes: list[float], lasts: float) -> None:
    took = latencies(changes, lasts)
    assert len(took) == len(changes)
    assert max(took) <= max(COALESCE_SECONDS, lasts / LARGEST_SHARE) + lasts + 1e-6


@pytest.mark.parametrize("each_second", [0.02, 0.5, 5, 50])
def test_half_of_all_changes_are_seen_within_two_seconds_however_many_there_are(each_second: float) -> None:
    chance = random.Random(4)
    changes = list(itertools.accumulate(chance.expovariate(each_second) for _ in range(2000)))
    assert statistics.median(latencies(changes, 0.5)) < 2.0


@given(st.floats(0, 1e6), st.floats(0, 10), st.floats(0, 100))
def test_a_hint_is_never_forgotten_nor_followed_before_it_came(began: float, lasted: float, later: float) -> None:
    pace = polled(began, began + lasted)
    pace.hint(began + lasted + later)
    assert pace.due is not None
    assert began + lasted + later <= pace.due <= began + lasted + later + max(COALESCE_SECONDS, lasted / LARGEST_SHARE)
