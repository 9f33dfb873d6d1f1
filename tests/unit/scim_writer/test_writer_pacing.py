"""Rate, pauses, backoff: a simulated clock, a simulated target."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scim_writer.backoff import delay
from services.scim_writer.pacing import LONGEST_PAUSE_SECONDS, Pacer, Pauses


class _Target:
    """A token bucket that allows ``rate`` a second with a burst of as many (what LinkedIn-like gateways do)."""

    def __init__(self, rate: float) -> None:
        self.rate, self.tokens, self.at, self.refused = rate, rate, 0.0, 0

    def ask(self, now: float) -> None:
        self.tokens = min(self.rate, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1:
            self.tokens -= 1
        else:
            self.refused += 1


def sent_at(rate: float, seconds: float, lateness: list[float]) -> list[float]:
    """When requests go, by a sender that always has one and wakes up late by these amounts in turn."""
    pacer, now, sent = Pacer(rate, 0.0), 0.0, []
    while now < seconds:
        wait = pacer.wait(now)
        if wait > 0:
            now += wait + lateness[len(sent) % len(lateness)]
            continue
        pacer.take(now)
        sent.append(now)
        now += 1e-5
    return sent


@given(st.floats(1, 2000), st.lists(st.floats(0, 0.002), min_size=1, max_size=20), st.booleans())
def test_the_rate_is_used_to_95_per_cent_and_never_exceeded(rate: float, lateness: list[float], stalls: bool) -> None:
    if stalls and rate >= 20:
        lateness = [*[0.0] * 100, 0.15, *lateness]  # a busy machine: caught up afterwards
    seconds = 200 / rate + 1
    sent = sent_at(rate, seconds, lateness)
    assert len(sent) >= 0.95 * min(rate, 1e5) * seconds - 2
    target = _Target(rate)
    for at in sent:
        target.ask(at)
    assert target.refused == 0
    for first in range(0, len(sent), 7):
        for last in range(first + 1, min(first + 60, len(sent))):
            assert last - first <= rate * (sent[last] - sent[first] + 0.2) + 1.001


def test_a_high_rate_costs_no_waiting() -> None:
    pacer = Pacer(100_000, 0.0)
    assert all(_take(pacer, n / 2000) <= 0 for n in range(2000))


def _take(pacer: Pacer, now: float) -> float:
    wait = pacer.wait(now)
    pacer.take(now)
    return wait


@given(st.floats(1, 1000), st.floats(0, 100))
def test_after_a_hold_requests_go_one_by_one(rate: float, hold: float) -> None:
    pacer = Pacer(rate, 0.0)
    pacer.hold(hold)
    assert pacer.wait(0.0) == pytest.approx(hold)
    pacer.take(hold)
    assert pacer.wait(hold) > 0


def test_pauses_without_retry_after_grow_once_for_each_pause() -> None:
    pauses = Pauses()
    assert pauses.asked(None, 0.0) == 1.0
    assert pauses.asked(None, 0.1) == 0.0, "thirty requests under way are not thirty pauses"
    assert pauses.asked(None, 1.0) == 2.0
    assert pauses.asked(30.0, 3.0) == 30.0
    assert pauses.asked(5.0, 4.0) == 0.0, "a shorter pause does not shorten a longer one"
    pauses.over()
    assert pauses.asked(None, 40.0) == 1.0
    for n in range(80):
        assert pauses.asked(None, 1000.0 * (n + 1)) <= LONGEST_PAUSE_SECONDS


@given(st.integers(1, 200), st.text(max_size=10), st.floats(0.001, 10), st.floats(10, 1000))
def test_backoff_is_bounded_grows_and_repeats(tries: int, key: str, first: float, longest: float) -> None:
    wait = delay(tries, key, first=first, longest=longest)
    assert wait == delay(tries, key, first=first, longest=longest)
    assert first <= wait <= longest * 1.25
    assert delay(tries + 1, key, first=first, longest=longest) >= min(wait * 1.25, longest)
