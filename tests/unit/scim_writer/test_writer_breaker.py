"""When a target is left alone, and when it is tried again."""

from services.scim_writer.answers import Verdict
from services.scim_writer.breaker import TARGET_CREDENTIALS, TARGET_UNAVAILABLE, Breaker, Trouble
from services.scim_writer.requests import Kind
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import Result

DONE = Verdict(outcome=Result.DONE, status=200)
DENIED = Verdict(outcome=Result.STOP, code=Code.UNAUTHORIZED, status=401)
BROKEN = Verdict(outcome=Result.RETRY_LATER, code=Code.INTERNAL_SERVER_ERROR, status=500, broken=True)
REFUSED = Verdict(outcome=Result.FAILED, code=Code.INSUFFICIENT_RIGHTS, status=403)
BAD = Verdict(outcome=Result.FAILED, code=Code.SERVICE_INCOMPATIBLE, status=400)
SLOW_DOWN = Verdict(outcome=Result.RETRY_LATER, code=Code.TOO_MANY_REQUESTS, status=429, throttled=True)


def a_breaker(stop_after: int = 3) -> Breaker:
    return Breaker(stop_after=stop_after, first_probe=1.0, longest_probe=60.0)


def test_one_401_stops_everything() -> None:
    breaker = a_breaker()
    assert breaker.note(Kind.LOOK, DENIED, 10.0)
    assert breaker.is_open
    assert breaker.trouble is not None
    assert breaker.trouble.condition == TARGET_CREDENTIALS
    assert breaker.trouble.failure.advice
    assert breaker.probe_at == 11.0


def test_only_failures_in_a_row_stop() -> None:
    breaker = a_breaker()
    for _ in range(10):
        assert not breaker.note(Kind.PATCH, BROKEN, 0.0)
        assert not breaker.note(Kind.PATCH, BROKEN, 0.0)
        assert not breaker.note(Kind.PATCH, BAD, 0.0), "a refused user shows that the target works"
    for _ in range(50):
        breaker.note(Kind.PATCH, SLOW_DOWN, 0.0)
    assert not breaker.is_open
    assert [breaker.note(Kind.PATCH, BROKEN, 0.0) for _ in range(3)] == [False, False, True]
    assert breaker.trouble is not None
    assert breaker.trouble.condition == TARGET_UNAVAILABLE


def test_probes_come_at_growing_distance_and_close_it() -> None:
    breaker = a_breaker()
    breaker.note(Kind.LOOK, DENIED, 0.0)
    waits = []
    now = 0.0
    for _ in range(9):
        waits.append(breaker.probe_at - now)
        now = breaker.probe_at
        breaker.probed(DENIED, now)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    breaker.probed(DONE, now)
    assert not breaker.is_open
    assert breaker.trouble is None
    breaker.note(Kind.LOOK, DENIED, 0.0)
    assert breaker.probe_at == 1.0, "after it was well, the distance starts small again"


def test_answers_that_were_under_way_change_nothing() -> None:
    breaker = a_breaker()
    breaker.note(Kind.LOOK, DENIED, 0.0)
    assert not breaker.note(Kind.PATCH, DONE, 0.5)
    assert not breaker.note(Kind.PATCH, DENIED, 0.5)
    assert breaker.is_open
    assert breaker.probe_at == 1.0


def test_a_new_job_record_is_probed_at_once() -> None:
    breaker = a_breaker()
    missing = Trouble(condition=TARGET_CREDENTIALS, failure=failure(Code.UNAUTHORIZED, "none"))
    breaker.open(missing, 5.0, probe=False)
    assert breaker.probe_at == float("inf")
    breaker.reset(6.0)
    assert breaker.probe_at == 6.0
    breaker.probed(DONE, 6.0)
    assert breaker.trouble is None


def test_a_token_that_may_read_and_not_write_stops_and_goes_on_by_one_write_at_a_time() -> None:
    breaker = a_breaker()
    answers = []
    for _ in range(3):
        breaker.note(Kind.LOOK, DONE, 0.0)
        answers.append(breaker.note(Kind.CREATE, REFUSED, 0.0))
    assert answers == [False, False, True], "successful searches in between do not hide it"
    breaker.probed(DONE, 1.0)
    assert not breaker.is_open
    assert breaker.on_trial
    assert breaker.trouble is not None, "the condition stays until a write goes through"
    assert not breaker.note(Kind.CREATE, REFUSED, 1.0), "the user on trial gets its own outcome"
    assert breaker.is_open
    assert breaker.probe_at == 3.0
    breaker.probed(DONE, 3.0)
    breaker.note(Kind.LOOK, DONE, 3.0)
    assert breaker.on_trial
    breaker.note(Kind.CREATE, DONE, 3.0)
    assert breaker.trouble is None
    assert not breaker.on_trial
