"""Delays between restarts grow, have a bound, and begin anew after a steady life."""

from hypothesis import given
from hypothesis import strategies as st

from deploy.embedded import RestartPolicy

_seconds = st.floats(min_value=0.01, max_value=100)


@given(_seconds, _seconds, st.integers(min_value=1, max_value=40))
def test_delays_of_short_lives_never_shrink_and_stay_below_the_longest(first, extra, deaths):
    policy = RestartPolicy(first_delay_seconds=first, longest_delay_seconds=first + extra)
    delays, previous = [], 0.0
    for _ in range(deaths):
        previous = policy.delay_seconds(previous, lived=0.0)
        delays.append(previous)
    assert delays[0] == first
    assert delays == sorted(delays)
    assert delays[-1] <= first + extra


@given(_seconds)
def test_a_steady_life_forgives_earlier_deaths(previous):
    policy = RestartPolicy(first_delay_seconds=0.2, steady_seconds=30)
    assert policy.delay_seconds(previous, lived=30) == 0.2
