"""The deletion guard, as values: which removal waits, with which cycle, what lets it out, and how many are too many."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.core import Occasion, assignment_arrived, license_arrived, retry_due
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.removals.judging import CycleState, decided, judge, limit
from services.diff.removals.staging import removal_let_out
from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from shared.contracts.changes import Operation
from shared.contracts.job import DeletionThreshold
from shared.contracts.outcomes import LicenseState, Result
from shared.contracts.public import UserStatus
from shared.contracts.source import HoldReason
from tests.support.builders_diff import assignment, change, changes, events, license_fact, occasion, outcome, users

THRESHOLD = DeletionThreshold(count=50, percent=10)


@pytest.mark.parametrize(
    ("removals", "managed", "held"),
    [
        pytest.param(0, 0, False, id="nothing"),
        pytest.param(50, 50, False, id="everybody, but no more than the count"),
        pytest.param(51, 51, True, id="one more than the count"),
        pytest.param(100, 1_000, False, id="exactly the per cent"),
        pytest.param(101, 1_000, True, id="one more than the per cent"),
        pytest.param(51, 1_000, False, id="more than the count, not more than the per cent"),
    ],
)
def test_more_than_the_greater_of_count_and_per_cent_is_held(removals: int, managed: int, held: bool) -> None:
    verdict = judge(removals, managed, THRESHOLD)
    assert (verdict is not None) is held
    assert verdict is None or verdict.reason is HoldReason.DELETION_THRESHOLD


def test_zero_holds_every_removal_and_a_hundred_per_cent_none() -> None:
    assert judge(1, 10, DeletionThreshold(count=0, percent=0)) is not None
    assert judge(10, 10, DeletionThreshold(count=0, percent=100)) is None


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**5), st.integers(0, 100))
def test_one_removal_less_is_never_worse(removals: int, managed: int, count: int, percent: int) -> None:
    threshold = DeletionThreshold(count=count, percent=percent)
    if judge(removals, managed, threshold) is None:
        assert removals <= limit(managed, threshold)
        assert judge(max(removals - 1, 0), managed, threshold) is None
        assert judge(removals, managed + 1, threshold) is None


@pytest.mark.parametrize(
    ("state", "approve", "reject"),
    [
        (CycleState.OPEN, False, False),
        (CycleState.PASSED, False, False),
        (CycleState.HELD, True, True),
        (CycleState.REJECTED, True, False),
        (CycleState.APPROVED, False, False),
        (CycleState.DROPPED, False, False),
    ],
)
def test_only_a_hold_is_decided_and_only_a_rejection_can_be_turned_back(
    state: CycleState, approve: bool, reject: bool
) -> None:
    assert (decided(state, CycleState.APPROVED), decided(state, CycleState.REJECTED)) == (approve, reject)


def of_cycle(cycle: str, *, rejected: str | None = None) -> Occasion:
    return replace(occasion(), cycle=cycle, rejected=frozenset({rejected} if rejected else set()))


def provisioned() -> Person:
    created = assignment_arrived(None, assignment(), of_cycle("cycle-1"))
    return outcome_arrived(created.person, outcome(change(created)), occasion()).person


def left(person: Person, sequence: int = 2, cycle: str = "cycle-2", **values: Any) -> Person:
    decision = assignment_arrived(person, absent(sequence, **values), of_cycle(cycle))
    assert changes(decision) == []
    return decision.person


def absent(sequence: int, **values: Any) -> DirectoryAssignment:
    return assignment(sequence, **({"assigned": False} | values))


def test_a_removal_of_a_cycle_waits_and_nobody_is_told_that_somebody_left() -> None:
    decision = assignment_arrived(provisioned(), absent(2), of_cycle("cycle-2"))
    person = decision.person
    assert (person.staged_in, person.status, person.entered) == ("cycle-2", UserStatus.PROVISIONED, True)
    assert (changes(decision), events(decision), users(decision)) == ([], [], [])


def test_a_removal_that_is_let_out_goes_with_the_newest_state_and_is_not_counted_again() -> None:
    person = left(provisioned())
    sent = removal_let_out(left(person, 3, "cycle-3", surname="Newest"), occasion())
    assert (change(sent).operation, change(sent).sequence) == (Operation.DISABLE, 2)
    assert (sent.person.staged_in, sent.person.released) == (None, True)
    failed = outcome_arrived(sent.person, outcome(change(sent), Result.FAILED), occasion())
    assert failed.person.next_attempt_at is not None
    again = retry_due(failed.person, occasion(at=failed.person.next_attempt_at))
    assert change(again).operation is Operation.DISABLE
    assert change(assignment_arrived(failed.person, absent(4), of_cycle("cycle-3"))).operation is Operation.DISABLE


def test_a_removal_stays_with_its_first_cycle_so_that_many_are_not_counted_as_few() -> None:
    person = left(provisioned(), 2, "cycle-2")
    assert left(person, 3, "cycle-3").staged_in == "cycle-2"


@pytest.mark.parametrize(
    "back",
    [
        pytest.param(assignment(3), id="in scope again"),
        pytest.param(assignment(3, lifecycle=Lifecycle.UNKNOWN), id="the directory cannot tell"),
    ],
)
def test_a_removal_that_became_void_is_dropped(back: DirectoryAssignment) -> None:
    decision = assignment_arrived(left(provisioned()), back, of_cycle("cycle-3"))
    assert (decision.person.staged_in, changes(decision)) == (None, [])
    assert decision.person.status is UserStatus.PROVISIONED


def test_who_returned_and_leaves_again_is_counted_again() -> None:
    person = removal_let_out(left(provisioned()), occasion()).person
    back = assignment_arrived(person, assignment(3), of_cycle("cycle-3")).person
    assert not back.released
    assert left(back, 4, "cycle-4").staged_in == "cycle-4"


def test_a_rejected_removal_waits_until_the_directory_says_something_new_about_it() -> None:
    person = left(provisioned())
    same = assignment_arrived(person, absent(3, surname="Other"), of_cycle("cycle-3", rejected="cycle-2"))
    assert (same.person.staged_in, changes(same)) == ("cycle-2", [])
    deleted = absent(4, lifecycle=Lifecycle.HARD_DELETED)
    anew = assignment_arrived(same.person, deleted, of_cycle("cycle-4", rejected="cycle-2"))
    assert (anew.person.staged_in, changes(anew)) == ("cycle-4", [])


def test_a_change_under_way_goes_on_while_the_removal_waits_and_its_end_sends_nothing() -> None:
    created = assignment_arrived(None, assignment(), of_cycle("cycle-1"))
    person = left(created.person)
    assert person.in_flight
    done = outcome_arrived(person, outcome(change(created)), occasion())
    assert (done.person.staged_in, done.person.status, changes(done)) == ("cycle-2", UserStatus.PROVISIONED, [])


def test_a_failed_change_of_somebody_whose_removal_waits_is_not_tried_again() -> None:
    created = assignment_arrived(None, assignment(), of_cycle("cycle-1"))
    lost = outcome_arrived(left(created.person), outcome(change(created), Result.RETRY_LATER), occasion())
    assert (lost.person.staged_in, lost.person.next_attempt_at, changes(lost)) == ("cycle-2", None, [])
    refused = outcome_arrived(left(created.person), outcome(change(created), Result.FAILED), occasion())
    assert (refused.person.staged_in, refused.person.status) == (None, UserStatus.SKIPPED)


def test_who_only_waits_for_a_license_has_nothing_to_lose_and_leaves_at_once() -> None:
    created = assignment_arrived(None, assignment(), of_cycle("cycle-1"))
    waiting = license_arrived(created.person, license_fact(LicenseState.WAITING), occasion()).person
    assert change(assignment_arrived(waiting, absent(2), of_cycle("cycle-2"))).operation is Operation.DISABLE


def test_a_removal_that_no_cycle_caused_goes_out_at_once() -> None:
    assert change(assignment_arrived(provisioned(), absent(2), occasion())).operation is Operation.DISABLE


def test_a_message_twice_and_two_swapped_leave_one_removal_in_one_cycle() -> None:
    person = left(provisioned())
    assert assignment_arrived(person, absent(2), of_cycle("cycle-2")).person is person
    assert assignment_arrived(person, assignment(1), of_cycle("cycle-1")).person is person
