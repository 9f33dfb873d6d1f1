"""What notifier decides: what is mailed, when, and how failures are grouped."""

from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.notifier.core import (
    SHOWN_IDS,
    Grouping,
    Kind,
    Occurrence,
    Problem,
    Timing,
    due_at,
    fold,
    retry_delay,
    why_suppressed,
)
from shared.contracts.failure_codes import Code, failure
from shared.contracts.job import Notifications
from tests.support.messages import NOON

TIMING = Timing(collect=timedelta(seconds=5), longest=timedelta(seconds=60), digest=timedelta(minutes=15))
seconds = st.integers(0, 5_000).map(lambda number: timedelta(seconds=number))
problems = st.lists(
    st.builds(
        Problem,
        subject=st.integers(0, 40).map(lambda number: f"user-{number}"),
        code=st.sampled_from(["Conflict", "Timeout", "MissingValues"]),
        message=st.just("refused"),
        advice=st.just("mend it"),
        http_status=st.sampled_from([None, 400, 409]),
        at=seconds.map(lambda later: NOON + later),
        recovered=st.booleans(),
    ),
    max_size=60,
)


@settings(deadline=None)
@given(problems)
def test_grouping_counts_every_failure_once_and_names_the_first_ten(found: list[Problem]) -> None:
    grouping = Grouping(Kind.USERS)
    for problem in found:
        grouping.add(problem)
    digest = grouping.digest()
    if not found:
        assert digest is None
        return
    assert digest is not None
    assert digest.total == len(found)
    assert all(one.count >= other.count for one, other in pairwise(digest.causes))
    assert (digest.since, digest.until) == (min(p.at for p in found), max(p.at for p in found))
    for cause in digest.causes:
        own = [problem for problem in found if problem.code == cause.code]
        assert cause.count == len(own)
        assert cause.recovered == sum(problem.recovered for problem in own)
        assert list(cause.subjects) == list(dict.fromkeys(problem.subject for problem in own))[:SHOWN_IDS]
        assert set(cause.http_statuses) == {problem.http_status for problem in own} - {None}


@settings(deadline=None)
@given(seconds, seconds, st.none() | seconds)
def test_a_mail_is_due_after_quiet_but_never_too_soon_after_the_last(
    first: timedelta, more: timedelta, last_mail: timedelta | None
) -> None:
    last_mail_at = None if last_mail is None else NOON + last_mail
    due = due_at(first_at=NOON + first, last_at=NOON + first + more, last_mail_at=last_mail_at, timing=TIMING)
    if last_mail_at is None:
        assert NOON + first <= due <= NOON + first + TIMING.longest
        assert due == NOON + first + min(more + TIMING.collect, TIMING.longest)
    else:
        assert due >= last_mail_at + TIMING.digest


def test_the_first_mail_goes_out_after_five_quiet_seconds() -> None:
    assert due_at(first_at=NOON, last_at=NOON, last_mail_at=None, timing=TIMING) == NOON + timedelta(seconds=5)


@settings(deadline=None)
@given(st.integers(1, 10_000))
def test_retries_come_ever_later_up_to_the_longest_wait(attempts: int) -> None:
    first, longest = timedelta(seconds=5), timedelta(hours=1)
    wait = retry_delay(attempts, first=first, longest=longest)
    assert first <= wait <= longest
    assert wait <= retry_delay(attempts + 1, first=first, longest=longest)
    assert retry_delay(1, first=first, longest=longest) == first


@pytest.mark.parametrize(
    ("notifications", "deleted", "said"),
    [
        (Notifications(email="a@example.com", on_failure=True), False, None),
        (Notifications(email="a@example.com", on_failure=False), False, "does not ask"),
        (Notifications(on_failure=True), False, "no Notification Email"),
        (Notifications(email="a@example.com", on_failure=True), True, "deleted"),
    ],
)
def test_a_mail_is_suppressed_with_a_reason(notifications: Notifications, deleted: bool, said: str | None) -> None:
    reason = why_suppressed(notifications, deleted=deleted)
    assert (reason is None) if said is None else (said in (reason or ""))


occurrences = st.lists(
    st.builds(
        lambda subject, generation, code: Occurrence(
            job_id="j",
            kind=Kind.USERS,
            subject=subject,
            generation=generation,
            failure=failure(code, "refused") if code else None,
            at=NOON,
        ),
        st.sampled_from(["a", "b"]),
        st.integers(1, 6),
        st.sampled_from([None, Code.CONFLICT, Code.TIMEOUT]),
    ),
    max_size=12,
    unique_by=lambda item: (item.subject, item.generation),
)


@settings(deadline=None)
@given(occurrences, st.randoms(use_true_random=False))
def test_what_fails_after_a_batch_does_not_depend_on_the_order_of_its_messages(
    found: list[Occurrence], random: object
) -> None:
    def fails(batch: list[Occurrence]) -> set[tuple[str, str]]:
        return {(item.subject, item.failure.code) for item in fold(batch).after if item.failure}

    shuffled = list(found)
    random.shuffle(shuffled)  # type: ignore[attr-defined] # Hypothesis gives a random.Random
    expected = set()
    for subject in ("a", "b"):
        own = sorted((item for item in found if item.subject == subject), key=lambda item: item.generation)
        last = max((item.generation for item in own if item.failure is None), default=0)
        expected |= {(subject, item.failure.code) for item in own if item.failure and item.generation > last}
    assert fails(found) == fails(shuffled) == expected
