"""Links that operators delete or repair, and comparisons with the target: what becomes of the person, and what is sent."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.core import Decision, assignment_arrived, license_arrived, retry_due
from services.diff.links.changing import link_asked
from services.diff.links.comparing import Finding, comparable, compare, compared
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from shared.contracts.changes import Change, ModifiedAttribute, Operation
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import derived_id
from shared.contracts.links import LinkFact, LinkState
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import LicenseState, ProvisioningOutcome, Result
from shared.contracts.public import UserStatus
from tests.support.builders_diff import (
    AT,
    JOB,
    OBJECT,
    assignment,
    change,
    changes,
    license_fact,
    occasion,
    outcome,
    skips,
    users,
)


def asked(kind: RequestKind, target_id: str | None = None, key: str = "key-1") -> OperatorRequest:
    return OperatorRequest(
        job_id=JOB,
        object_type=ObjectType.USER,
        object_id=OBJECT,
        sequence=1,
        kind=kind,
        reason="it was linked to the wrong account",
        idempotency_key=key,
        target_id=target_id,
        requested_by="an operator",
        at=AT,
    )


DELETE = asked(RequestKind.DELETE_LINK)


def provisioned(target_id: str = "target-1") -> Person:
    decision = assignment_arrived(None, assignment(), occasion())
    return outcome_arrived(decision.person, outcome(change(decision), target_id=target_id), occasion()).person


def disabled() -> Person:
    decision = assignment_arrived(provisioned(), assignment(2, assigned=False), occasion())
    return outcome_arrived(decision.person, outcome(change(decision)), occasion()).person


def facts(decision: Decision) -> list[LinkFact]:
    return [item.message for item in decision.emissions if isinstance(item.message, LinkFact)]


class TestDelete:
    def test_somebody_in_scope_is_matched_anew_and_the_account_is_not_touched_by_its_id(self) -> None:
        before = provisioned()
        decision = link_asked(before, DELETE, occasion())
        [fact] = facts(decision)
        assert (fact.state, fact.previous_target_id, fact.target_id) == (LinkState.DELETED, "target-1", None)
        sent = change(decision)
        assert (sent.operation, sent.target_id) == (Operation.CREATE, None)
        assert sent.matching
        assert sent.generation > fact.generation > before.generation
        assert decision.person.account is None

    def test_somebody_out_of_scope_is_left_alone_for_good(self) -> None:
        decision = link_asked(disabled(), DELETE, occasion())
        assert changes(decision) == []
        assert decision.person.status is UserStatus.SKIPPED
        again = assignment_arrived(decision.person, assignment(3, assigned=False, surname="Other"), occasion())
        assert changes(again) == []

    @pytest.mark.parametrize("result", [Result.DONE, Result.RETRY_LATER, Result.FAILED, Result.SUPERSEDED])
    def test_what_a_change_under_way_says_afterwards_makes_no_link_and_writes_nothing(self, result: Result) -> None:
        leaving = assignment_arrived(provisioned(), assignment(2, assigned=False), occasion())
        decision = link_asked(leaving.person, DELETE, occasion())
        assert changes(decision) == []
        late = outcome_arrived(decision.person, outcome(change(leaving), result), occasion())
        assert late.person.account is None
        assert changes(late) == []
        assert late.person.doubtful == frozenset()

    def test_a_change_under_way_is_overtaken_by_the_new_match(self) -> None:
        moved = assignment_arrived(provisioned(), assignment(2, surname="Moved"), occasion())
        decision = link_asked(moved.person, DELETE, occasion())
        creation = change(decision)
        assert creation.resource["name.familyName"] == "Moved"
        late = outcome_arrived(decision.person, outcome(change(moved)), occasion())
        assert late.person.account is None
        found = outcome_arrived(late.person, outcome(creation, Result.ADOPTED, target_id="target-2"), occasion())
        assert found.person.account is not None
        assert found.person.account.target_id == "target-2"
        assert found.person.status is UserStatus.PROVISIONED

    def test_without_a_link_there_is_nothing_to_delete_and_that_is_said(self) -> None:
        person = assignment_arrived(None, assignment(), occasion()).person
        decision = link_asked(person, DELETE, occasion())
        assert decision.person is person
        assert facts(decision)[0].state is LinkState.UNCHANGED

    def test_the_same_request_has_the_same_event_id(self) -> None:
        first, second = (link_asked(provisioned(), DELETE, occasion()) for _ in range(2))
        assert first.emissions[0].event_id == second.emissions[0].event_id
        assert first.emissions[0].event_id == derived_id("link-fact", JOB, OBJECT, "deleteLink", "key-1")


class TestRepair:
    def test_everything_is_wanted_of_the_other_account_and_the_writer_reads_it_first(self) -> None:
        decision = link_asked(provisioned(), asked(RequestKind.REPAIR_LINK, "target-9"), occasion())
        sent = change(decision)
        assert (sent.operation, sent.target_id, sent.relinked) == (Operation.UPDATE, "target-9", True)
        assert {item.path for item in sent.modified} == set(sent.resource)
        done = outcome_arrived(decision.person, outcome(sent), occasion()).person
        assert done.account is not None
        assert (done.account.target_id, done.status) == ("target-9", UserStatus.PROVISIONED)
        assert change(assignment_arrived(done, assignment(2, surname="Other"), occasion())).relinked is False

    def test_somebody_out_of_scope_is_disabled_at_the_other_account(self) -> None:
        decision = link_asked(disabled(), asked(RequestKind.REPAIR_LINK, "target-9"), occasion())
        sent = change(decision)
        assert (sent.operation, sent.target_id, sent.relinked) == (Operation.DISABLE, "target-9", True)

    def test_the_same_account_again_is_nothing_to_do(self) -> None:
        person = provisioned()
        decision = link_asked(person, asked(RequestKind.REPAIR_LINK, "target-1"), occasion())
        assert decision.person is person
        assert facts(decision)[0].state is LinkState.UNCHANGED

    def test_a_newer_change_before_the_first_answer_is_read_first_too(self) -> None:
        decision = link_asked(provisioned(), asked(RequestKind.REPAIR_LINK, "target-9"), occasion())
        newer = assignment_arrived(decision.person, assignment(2, surname="Newer"), occasion())
        assert change(newer).relinked

    def test_an_account_that_is_not_there_is_matched_anew_at_the_next_attempt(self) -> None:
        decision = link_asked(provisioned(), asked(RequestKind.REPAIR_LINK, "nowhere"), occasion())
        gone = outcome(change(decision), Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "it is gone"))
        failed = outcome_arrived(decision.person, gone, occasion()).person
        assert failed.account is None
        assert failed.next_attempt_at is not None
        again = retry_due(failed, occasion(at=failed.next_attempt_at))
        assert (change(again).operation, change(again).target_id) == (Operation.CREATE, None)


def comparison() -> tuple[Person, Change]:
    decision = compare(provisioned(), occasion())
    return decision.person, change(decision)


def answer(sent: Change, result: Result = Result.DONE, **held: str | None) -> ProvisioningOutcome:
    differing = tuple(
        ModifiedAttribute(path=path.replace("_", "."), old=value, new=sent.resource.get(path.replace("_", ".")))
        for path, value in held.items()
    )
    return outcome(sent, result, modified=differing)


class TestCompare:
    def test_it_asks_for_the_confirmed_values_needs_no_license_and_is_not_told_to_others(self) -> None:
        person, sent = comparison()
        assert person.account is not None
        assert (sent.operation, sent.needs_license, sent.target_id) == (Operation.COMPARE, False, "target-1")
        assert sent.resource == person.account.resource
        assert person.status is UserStatus.PROVISIONED
        assert len(compare(provisioned(), occasion()).emissions) == 1

    def test_equal_values_leave_everything_as_it_was(self) -> None:
        person, sent = comparison()
        found = compared(person, answer(sent), occasion(), correct=True, corrected=None)
        assert found.finding is Finding.SAME
        assert found.decision.emissions == ()
        assert (found.decision.person.status, found.decision.person.in_flight) == (UserStatus.PROVISIONED, False)
        assert comparable(found.decision.person)

    def test_differences_are_written_again_where_that_is_wanted(self) -> None:
        person, sent = comparison()
        found = compared(person, answer(sent, name_familyName="Drifted"), occasion(), correct=True, corrected=None)
        assert found.finding is Finding.CORRECTED
        correction = change(found.decision)
        assert [(item.path, item.old, item.new) for item in correction.modified] == [
            ("name.familyName", "Drifted", "Example")
        ]
        assert found.corrected

    def test_differences_are_only_reported_otherwise(self) -> None:
        person, sent = comparison()
        found = compared(person, answer(sent, name_familyName="Drifted"), occasion(), correct=False, corrected=None)
        assert found.finding is Finding.DIFFERS
        assert found.decision.emissions == ()
        assert found.decision.person.account == person.account

    def test_what_was_corrected_and_is_there_again_is_the_targets_own_form(self) -> None:
        person, sent = comparison()
        drifted = answer(sent, name_familyName="EXAMPLE")
        first = compared(person, drifted, occasion(), correct=True, corrected=None)
        again = compared(person, drifted, occasion(), correct=True, corrected=first.corrected)
        assert again.finding is Finding.DIFFERS
        assert changes(again.decision) == []
        assert again.corrected == first.corrected

    def test_a_disabled_person_who_was_enabled_at_the_target_is_disabled_again(self) -> None:
        decision = compare(disabled(), occasion())
        sent = change(decision)
        drifted = outcome(sent, modified=(ModifiedAttribute(path="active", old=True, new=False),))
        found = compared(decision.person, drifted, occasion(), correct=True, corrected=None)
        assert change(found.decision).operation is Operation.DISABLE

    @pytest.mark.parametrize(("correct", "operations"), [(True, [Operation.CREATE]), (False, [])])
    def test_an_account_that_is_gone_is_made_again_or_reported(
        self, correct: bool, operations: list[Operation]
    ) -> None:
        person, sent = comparison()
        gone = outcome(sent, Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "it is gone", http_status=404))
        found = compared(person, gone, occasion(), correct=correct, corrected=None)
        assert found.finding is Finding.GONE
        assert [item.operation for item in changes(found.decision)] == operations
        assert (found.decision.person.account is None) is correct

    @pytest.mark.parametrize("result", [Result.RETRY_LATER, Result.FAILED])
    def test_a_target_that_cannot_be_asked_changes_nothing(self, result: Result) -> None:
        person, sent = comparison()
        found = compared(person, answer(sent, result), occasion(), correct=True, corrected=None)
        assert found.finding is Finding.UNKNOWN
        assert found.decision.emissions == ()
        assert found.decision.person.next_attempt_at is None
        assert found.decision.person.doubtful == frozenset()

    def test_a_change_of_the_directory_takes_its_place_and_its_answer_counts_no_more(self) -> None:
        person, sent = comparison()
        newer = assignment_arrived(person, assignment(2, surname="Newer"), occasion())
        assert change(newer).operation is Operation.UPDATE
        found = compared(
            newer.person, answer(sent, name_familyName="Drifted"), occasion(), correct=True, corrected=None
        )
        assert found.decision.person is newer.person
        assert found.finding is Finding.UNKNOWN

    def test_an_unchanged_state_of_the_directory_waits_for_the_answer(self) -> None:
        person, sent = comparison()
        same = assignment_arrived(person, assignment(2), occasion())
        assert changes(same) == []
        found = compared(same.person, answer(sent), occasion(), correct=True, corrected=None)
        assert found.decision.person.status is UserStatus.PROVISIONED

    def test_a_license_fact_that_comes_meanwhile_leaves_the_status(self) -> None:
        person, _ = comparison()
        decision = license_arrived(person, license_fact(LicenseState.RELEASED), occasion())
        assert decision.person.status is UserStatus.PROVISIONED

    def test_nothing_under_way_is_compared(self) -> None:
        person = assignment_arrived(None, assignment(), occasion()).person
        assert not comparable(person)
        assert compare(person, occasion()).person is person


@given(
    steps=st.lists(
        st.sampled_from(["delete", "repair", "compare", "answer", "lose", "assign", "leave", "retry"]), max_size=20
    ),
    correct=st.booleans(),
)
def test_i7_whatever_operators_do_to_a_link_it_converges_to_one_account(steps: list[str], correct: bool) -> None:
    """Any history of link requests, comparisons, changes and answers ends, once answers come, in the wanted state."""
    person, sequence, under_way = provisioned(), 1, None

    def take(decision: Decision) -> Person:
        nonlocal under_way
        sent = changes(decision)
        assert decision.person.generation >= person.generation
        if sent:
            assert sent[0].generation > person.generation
            under_way = sent[-1]
        return decision.person

    def answered(current: Person) -> Person:
        nonlocal under_way
        sent, under_way = under_way, None
        assert sent is not None
        told = outcome(sent, target_id=sent.target_id or "target-found")
        if sent.operation is Operation.COMPARE:
            return take(compared(current, told, occasion(), correct=correct, corrected=None).decision)
        return take(outcome_arrived(current, told, occasion()))

    for number, step in enumerate(steps, start=1):
        if step == "delete":
            person = take(link_asked(person, asked(RequestKind.DELETE_LINK, key=str(number)), occasion()))
        elif step == "repair":
            request = asked(RequestKind.REPAIR_LINK, f"target-{number}", key=str(number))
            person = take(link_asked(person, request, occasion()))
        elif step == "compare":
            person = take(compare(person, occasion()))
        elif step in {"assign", "leave"}:
            sequence += 1
            said = assignment(sequence, assigned=step == "assign", surname=f"Name {number}")
            person = take(assignment_arrived(person, said, occasion()))
        elif step == "retry" and person.next_attempt_at is not None:
            person = take(retry_due(person, occasion(at=person.next_attempt_at)))
        elif under_way is not None and step == "answer":
            person = answered(person)
        elif under_way is not None and step == "lose":
            lost, under_way = outcome(under_way, Result.RETRY_LATER), None
            if lost.operation is Operation.COMPARE:
                person = take(compared(person, lost, occasion(), correct=correct, corrected=None).decision)
            else:
                person = take(outcome_arrived(person, lost, occasion()))
    for _ in range(6):
        if under_way is not None:
            person = answered(person)
    for _ in range(4):
        if person.next_attempt_at is not None:
            person = take(retry_due(person, occasion(at=person.next_attempt_at)))
        if under_way is not None:
            person = answered(person)
    assert not person.in_flight
    if person.assignment.assigned:
        assert person.account is not None
        assert person.account.resource["name.familyName"] == person.assignment.attributes["surname"]
        assert person.status is UserStatus.PROVISIONED
    elif person.account is not None:
        assert person.account.resource["active"] is False


def test_a_comparison_is_not_told_as_a_state_of_the_user() -> None:
    person, sent = comparison()
    found = compared(person, answer(sent), occasion(), correct=True, corrected=None)
    assert users(found.decision) == skips(found.decision) == []
    assert replace(found.decision.person, sent=None).status is UserStatus.PROVISIONED
