"""Patience: how long and how often, and the gate before which everybody waits."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.graph.retries import LONGEST_WAIT_SECONDS, Attempts, Gate, Patience
from services.assignment_watcher.sources.source import SourceUnavailableError

QUICK = Patience(tries=3, seconds=5, first_wait_seconds=0.001)


async def test_it_ends_after_so_many_tries_and_says_how_many() -> None:
    attempts = Attempts(QUICK, Gate())
    for _ in range(2):
        attempts.made += 1
        await attempts.wait("it said 500", status=500, asked=None, everybody=False)
    attempts.made += 1
    with pytest.raises(SourceUnavailableError, match="it said 500; tried 3 times") as caught:
        await attempts.wait("it said 500", status=500, asked=None, everybody=False)
    assert caught.value.failure.http_status == 500


@given(st.floats(LONGEST_WAIT_SECONDS + 1, 1e9))
async def test_an_absurd_wish_closes_the_gate_no_longer_than_the_longest_wait(asked: float) -> None:
    gate = Gate()
    attempts = Attempts(QUICK, gate)
    attempts.made += 1
    with pytest.raises(SourceUnavailableError, match="of which 900 s are waited"):
        await attempts.wait("it said 429", status=429, asked=asked, everybody=True)
    assert LONGEST_WAIT_SECONDS - 5 < gate.remaining <= LONGEST_WAIT_SECONDS
    with pytest.raises(SourceUnavailableError, match="longer than one request may take"):
        await Attempts(QUICK, gate).pass_gate()


@given(st.lists(st.floats(0, 1000), min_size=1, max_size=5))
def test_the_longest_wait_counts(seconds: list[float]) -> None:
    gate = Gate()
    for each in seconds:
        gate.hold(each)
    assert max(seconds) - 1 < gate.remaining <= max(seconds) or max(seconds) <= 1


async def test_nobody_passes_the_gate_before_it_is_open() -> None:
    gate = Gate()
    gate.hold(0.03)
    began = time.monotonic()

    async def later() -> None:
        await asyncio.sleep(0)
        gate.hold(0.06)

    waited, _ = await asyncio.gather(Attempts(QUICK, gate).pass_gate(), later())
    assert time.monotonic() - began >= 0.06
    assert waited >= 0.06


async def test_a_wish_of_nothing_still_waits_a_little() -> None:
    attempts = Attempts(Patience(tries=3, seconds=5, first_wait_seconds=0.04), Gate())
    attempts.made += 1
    began = time.monotonic()
    await attempts.wait("it said 429", status=429, asked=0.0, everybody=False)
    assert time.monotonic() - began >= 0.02
