"""The schedule of retries."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders_diff import BACKOFF


@given(st.text(), st.booleans())
def test_delays_grow_up_to_the_longest(key: str, soon: bool) -> None:
    delays = [BACKOFF.delay(key, attempts, soon=soon) for attempts in range(1, 60)]
    assert all(later > sooner or later >= BACKOFF.longest * 0.9 for sooner, later in pairwise(delays))
    assert max(delays) <= BACKOFF.longest
    assert delays == [BACKOFF.delay(key, attempts, soon=soon) for attempts in range(1, 60)]


def test_the_first_delay_is_the_configured_one_give_or_take_a_tenth() -> None:
    for number in range(50):
        delay = BACKOFF.delay(f"key-{number}", 1, soon=False)
        assert timedelta(seconds=54) <= delay <= timedelta(seconds=66)
        assert BACKOFF.delay(f"key-{number}", 1, soon=True) <= timedelta(seconds=5.5)


def test_people_who_failed_together_are_not_all_tried_at_once() -> None:
    assert len({BACKOFF.delay(f"key-{number}", 1, soon=False) for number in range(50)}) > 40
