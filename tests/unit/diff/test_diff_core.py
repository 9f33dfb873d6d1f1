"""What happens to one person when something arrives."""

import itertools
from datetime import timedelta

import pytest

from services.diff.core import assignment_arrived, license_arrived, retry_due
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.wanted import Kind
from shared.contracts.assignments import Lifecycle
from shared.contracts.changes import Change, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import LicenseState, Result
from shared.contracts.public import EventName, UserStatus
from tests.support.builders_diff import (
    AT,
    BACKOFF,
    DEFAULT_ACCESS,
    assignment,
    change,
    changes,
    events,
    license_fact,
    occasion,
    outcome,
    rules,
    skips,
    users,
)


def created() -> tuple[Person, Change]:
    decision = assignment_arrived(None, assignment(), occasion())
    return decision.person, change(decision)


def provisioned() -> Person:
    person, creation = created()
    return outcome_arrived(person, outcome(creation), occasion()).person


def disabled() -> Person:
    decision = assignment_arrived(provisioned(), assignment(2, assigned=False), occasion())
    return outcome_arrived(decision.person, outcome(change(decision)), occasion()).person


def test_an_assigned_person_is_created_with_everything_the_writer_needs() -> None:
    decision = assignment_arrived(None, assignment(), occasion())
    creation = change(decision)
    assert (creation.operation, creation.generation, creation.needs_license) == (Operation.CREATE, 1, True)
    assert creation.resource["userName"] == "ada@example.org"
    assert creation.modified == ()
    assert creation.matching[0].attribute == "externalId"
    assert (creation.cycle_id, creation.assigned_at, creation.attempt) == ("cycle-1", AT, 1)
    assert [event.event for event in events(decision)] == [EventName.FEED_ADD]
    assert users(decision) == []


def test_done_makes_the_person_provisioned_and_linked() -> None:
    person, creation = created()
    decision = outcome_arrived(person, outcome(creation), occasion())
    assert decision.person.status is UserStatus.PROVISIONED
    assert decision.person.account is not None
    assert decision.person.account.target_id == "target-1"
    assert [event.event for event in events(decision)] == [EventName.CREATE]
    assert users(decision)[0].active
    assert changes(decision) == []


def test_default_access_alone_is_skipped_with_its_reason() -> None:
    decision = assignment_arrived(None, assignment(roles=[DEFAULT_ACCESS]), occasion())
    told = skips(decision)[0]
    assert decision.person.status is UserStatus.SKIPPED
    assert (told.result, told.operation) == (Result.SKIPPED, Operation.NONE)
    assert told.reasons == ("User has the required role is false: holds only Default Access; assign the role User",)
    assert [(event.event, event.code) for event in events(decision)] == [(EventName.SKIPPED, "NotEffectivelyEntitled")]
    assert changes(decision) == []


def test_a_skip_is_told_once_for_each_change_of_its_reasons() -> None:
    first = assignment_arrived(None, assignment(roles=[DEFAULT_ACCESS]), occasion())
    same = assignment_arrived(first.person, assignment(2, roles=[DEFAULT_ACCESS], givenName="A"), occasion())
    assert same.emissions == ()
    other = assignment_arrived(same.person, assignment(3, roles=[DEFAULT_ACCESS], accountEnabled=False), occasion())
    assert len(skips(other)[0].reasons) == 2


def test_a_missing_required_value_keeps_a_creation_back_but_takes_nothing_away() -> None:
    kept_back = assignment_arrived(None, assignment(userPrincipalName=None), occasion())
    assert skips(kept_back)[0].reasons[0].endswith("[userPrincipalName] has no value; fill it in in the directory")
    assert kept_back.person.reason_code == "AttributeValidationFailed"
    assert assignment_arrived(kept_back.person, assignment(2), occasion()).kind is Kind.CREATE
    linked = assignment_arrived(provisioned(), assignment(2, userPrincipalName=None), occasion())
    assert (linked.kind, linked.person.status) == (Kind.NOTHING, UserStatus.PROVISIONED)


def test_somebody_inactive_who_was_never_provisioned_is_skipped() -> None:
    decision = assignment_arrived(None, assignment(accountEnabled=False), occasion())
    assert decision.kind is Kind.SKIP


def test_i7_the_same_state_again_writes_nothing() -> None:
    decision = assignment_arrived(provisioned(), assignment(2), occasion())
    assert (decision.kind, decision.emissions) == (Kind.NOTHING, ())


def test_i4_an_assignment_that_is_not_newer_changes_nothing() -> None:
    person = provisioned()
    assert assignment_arrived(person, assignment(1, assigned=False), occasion()).person is person


def test_an_update_names_what_differs_with_old_and_new() -> None:
    decision = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    update = change(decision)
    assert (update.operation, update.target_id) == (Operation.UPDATE, "target-1")
    assert [(item.path, item.old, item.new) for item in update.modified] == [("name.familyName", "Example", "Sample")]
    assert update.resource["userName"] == "ada@example.org"
    done = outcome_arrived(decision.person, outcome(update), occasion())
    assert [(event.event, event.attributes) for event in events(done)] == [(EventName.PATCH, ("name.familyName",))]


def test_a_cleared_attribute_is_removed_at_the_target() -> None:
    decision = assignment_arrived(provisioned(), assignment(2, displayName=None), occasion())
    assert [(item.path, item.new) for item in change(decision).modified] == [("displayName", None)]


def test_while_a_change_is_under_way_only_what_it_does_not_carry_is_sent() -> None:
    person, _ = created()
    assert assignment_arrived(person, assignment(2), occasion()).kind is Kind.NOTHING
    newer = assignment_arrived(person, assignment(2, surname="Sample"), occasion())
    assert (change(newer).generation, change(newer).operation) == (2, Operation.CREATE)


def test_going_back_while_a_change_is_under_way_writes_the_attribute_again() -> None:
    away = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    back = assignment_arrived(away.person, assignment(3), occasion())
    assert [(item.path, item.new) for item in change(back).modified] == [("name.familyName", "Example")]


@pytest.mark.parametrize(
    "out",
    [
        assignment(2, assigned=False),
        assignment(2, accountEnabled=False),
        assignment(2, lifecycle=Lifecycle.SOFT_DELETED),
        assignment(2, lifecycle=Lifecycle.HARD_DELETED),
        assignment(2, roles=[DEFAULT_ACCESS]),
    ],
)
def test_whoever_leaves_is_disabled_never_deleted(out: object) -> None:
    decision = assignment_arrived(provisioned(), out, occasion())  # type: ignore[arg-type] # parametrize knows no types
    sent = change(decision)
    assert (sent.operation, sent.needs_license, sent.target_id) == (Operation.DISABLE, False, "target-1")
    assert [(item.path, item.old, item.new) for item in sent.modified] == [("active", True, False)]
    assert sent.resource["active"] is False
    assert "following reasons: 1)" in sent.reason
    done = outcome_arrived(decision.person, outcome(sent), occasion())
    assert done.person.status is UserStatus.DISABLED
    assert [event.event for event in events(done)] == [EventName.DEACTIVATE]
    assert not users(done)[0].active


def test_whoever_is_disabled_already_is_left_alone() -> None:
    decision = assignment_arrived(disabled(), assignment(3, assigned=False, accountEnabled=False), occasion())
    assert (decision.kind, decision.person.status) == (Kind.NOTHING, UserStatus.DISABLED)
    assert changes(decision) == []


def test_who_comes_back_is_enabled_by_an_update_with_a_license() -> None:
    decision = assignment_arrived(disabled(), assignment(3), occasion())
    update = change(decision)
    assert (update.operation, update.needs_license, update.resource["active"]) == (Operation.UPDATE, True, True)
    assert [event.event for event in events(decision)] == [EventName.FEED_ADD]
    done = outcome_arrived(decision.person, outcome(update), occasion())
    assert [event.event for event in events(done)] == [EventName.ACTIVATE]


def test_leaving_while_the_creation_is_under_way_disables_whatever_came_of_it() -> None:
    person, creation = created()
    decision = assignment_arrived(person, assignment(2, assigned=False), occasion())
    sent = change(decision)
    assert (sent.operation, sent.target_id, sent.generation) == (Operation.DISABLE, None, 2)
    older = outcome_arrived(decision.person, outcome(creation), occasion())
    assert older.person.account is not None
    assert older.person.in_flight
    assert changes(older) == []
    done = outcome_arrived(older.person, outcome(sent, target_id="target-1"), occasion())
    assert done.person.status is UserStatus.DISABLED


def test_a_disable_that_found_no_account_ends_as_skipped() -> None:
    person, _ = created()
    decision = assignment_arrived(person, assignment(2, assigned=False), occasion())
    nothing = outcome(change(decision), resource=None, target_id=None)
    ended = outcome_arrived(decision.person, nothing, occasion())
    assert (ended.person.status, ended.person.account) == (UserStatus.SKIPPED, None)
    assert ended.person.reasons[0].startswith("Assigned to the application is false")


def test_i4_an_older_outcome_that_comes_late_does_not_overwrite_a_newer_one() -> None:
    person, creation = created()
    newer = assignment_arrived(person, assignment(2, surname="Sample"), occasion())
    done = outcome_arrived(newer.person, outcome(change(newer)), occasion()).person
    late = outcome_arrived(done, outcome(creation, Result.ADOPTED), occasion())
    assert late.person is done
    assert late.emissions == ()


def test_skip_out_of_scope_deletions_leaves_the_account_but_not_a_disabled_person() -> None:
    keeping = occasion(rules(skip_out_of_scope_deletions=True))
    gone = assignment_arrived(provisioned(), assignment(2, assigned=False), keeping)
    assert (gone.kind, gone.person.status, changes(gone)) == (Kind.SKIP, UserStatus.SKIPPED, [])
    assert [event.event for event in events(gone)] == [EventName.FEED_REMOVE]
    assert users(gone)[0].active
    blocked = assignment_arrived(provisioned(), assignment(2, accountEnabled=False), keeping)
    assert blocked.kind is Kind.DISABLE


def test_skip_out_of_scope_deletions_does_not_let_a_creation_under_way_go_through() -> None:
    person, _ = created()
    keeping = occasion(rules(skip_out_of_scope_deletions=True))
    assert assignment_arrived(person, assignment(2, assigned=False), keeping).kind is Kind.DISABLE


def test_nothing_is_taken_away_because_the_directory_could_not_tell() -> None:
    decision = assignment_arrived(provisioned(), assignment(2, lifecycle=Lifecycle.UNKNOWN), occasion())
    assert (decision.kind, decision.person.status) == (Kind.NOTHING, UserStatus.PROVISIONED)


def test_a_refusal_is_tried_again_with_a_growing_delay_and_a_new_generation() -> None:
    person, sent = created()
    at, delays = AT, []
    for attempt in range(1, 5):
        failed = outcome_arrived(person, outcome(sent, Result.FAILED), occasion(at=at))
        assert failed.person.status is UserStatus.FAILED
        assert failed.person.reason_code == "Conflict"
        assert [event.event for event in events(failed)] == [EventName.FAILED]
        due = failed.person.next_attempt_at
        assert due is not None
        delays.append((due - at).total_seconds())
        assert retry_due(failed.person, occasion(at=due - timedelta(seconds=1))).emissions == ()
        retried = retry_due(failed.person, occasion(at=due))
        person, sent, at = retried.person, change(retried), due
        assert (sent.generation, sent.attempt) == (attempt + 1, attempt + 1)
        assert person.status is UserStatus.PENDING
    assert all(later > 1.5 * sooner for sooner, later in itertools.pairwise(delays))
    assert outcome_arrived(person, outcome(sent), occasion(at=at)).person.attempts == 0


def test_a_retry_sends_what_is_wanted_by_then_and_a_source_change_does_not_wait_for_it() -> None:
    person, sent = created()
    failed = outcome_arrived(person, outcome(sent, Result.FAILED), occasion()).person
    at_once = assignment_arrived(failed, assignment(2, surname="Sample"), occasion())
    assert change(at_once).resource["name.familyName"] == "Sample"
    assert (change(at_once).attempt, at_once.person.next_attempt_at) == (1, None)


def test_leaving_after_a_refused_creation_needs_no_write() -> None:
    person, sent = created()
    failed = outcome_arrived(person, outcome(sent, Result.FAILED), occasion()).person
    gone = assignment_arrived(failed, assignment(2, assigned=False), occasion())
    assert (gone.kind, gone.person.status, gone.person.next_attempt_at) == (Kind.SKIP, UserStatus.SKIPPED, None)


def test_leaving_after_a_creation_with_an_unknown_end_disables_what_may_be_there() -> None:
    person, sent = created()
    unknown = outcome_arrived(person, outcome(sent, Result.RETRY_LATER), occasion()).person
    assert unknown.status is UserStatus.PENDING
    gone = assignment_arrived(unknown, assignment(2, assigned=False), occasion())
    assert change(gone).operation is Operation.DISABLE
    assert change(gone).matching


def test_going_back_after_an_update_with_an_unknown_end_writes_the_attribute_again() -> None:
    away = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    unknown = outcome_arrived(away.person, outcome(change(away), Result.RETRY_LATER), occasion()).person
    back = assignment_arrived(unknown, assignment(3), occasion())
    assert [(item.path, item.new) for item in change(back).modified] == [("name.familyName", "Example")]


def test_whoever_is_to_be_tried_later_too_often_counts_as_failed() -> None:
    person, sent = created()
    statuses, at = [], AT
    for _ in range(BACKOFF.patience):
        later = outcome_arrived(person, outcome(sent, Result.RETRY_LATER), occasion(at=at)).person
        statuses.append(later.status)
        at = later.next_attempt_at or at
        retried = retry_due(later, occasion(at=at))
        person, sent = retried.person, change(retried)
    assert statuses == [UserStatus.PENDING, UserStatus.PENDING, UserStatus.FAILED]


def test_the_target_may_ask_for_a_longer_wait() -> None:
    person, sent = created()
    asked = outcome(sent, Result.RETRY_LATER, retry_at=AT + timedelta(minutes=7))
    assert outcome_arrived(person, asked, occasion()).person.next_attempt_at == AT + timedelta(minutes=7)


def test_an_account_that_is_gone_is_matched_anew_at_the_next_attempt() -> None:
    update = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    gone = outcome(change(update), Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "gone"))
    failed = outcome_arrived(update.person, gone, occasion()).person
    assert (failed.status, failed.account) == (UserStatus.FAILED, None)
    again = retry_due(failed, occasion(at=failed.next_attempt_at or AT))
    assert (change(again).operation, change(again).target_id) == (Operation.CREATE, None)


def test_an_adopted_account_is_brought_to_what_is_wanted() -> None:
    person, creation = created()
    held = {**creation.resource, "displayName": "Somebody"}
    decision = outcome_arrived(person, outcome(creation, Result.ADOPTED, resource=held), occasion())
    assert [item.path for item in change(decision).modified] == ["displayName"]


def test_a_target_that_keeps_values_in_its_own_form_is_not_written_to_for_ever() -> None:
    away = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    held = {**change(away).resource, "name.familyName": "SAMPLE"}
    done = outcome_arrived(away.person, outcome(change(away), resource=held), occasion())
    assert (changes(done), done.person.status) == ([], UserStatus.PROVISIONED)
    assert changes(assignment_arrived(done.person, assignment(3, surname="Sample"), occasion())) == []


def test_waiting_for_a_license_is_told_and_ends() -> None:
    person, creation = created()
    waiting = license_arrived(person, license_fact(LicenseState.WAITING, sequence=1), occasion())
    assert waiting.person.status is UserStatus.WAITING
    assert [event.event for event in events(waiting)] == [EventName.WAITING]
    moved = license_arrived(waiting.person, license_fact(LicenseState.RESERVED, sequence=2), occasion())
    assert moved.person.status is UserStatus.PENDING
    stale = license_arrived(moved.person, license_fact(LicenseState.WAITING, sequence=1), occasion())
    assert stale.person is moved.person
    assert outcome_arrived(moved.person, outcome(creation), occasion()).person.status is UserStatus.PROVISIONED


def test_who_is_changed_while_waiting_still_waits() -> None:
    person, _ = created()
    waiting = license_arrived(person, license_fact(LicenseState.WAITING), occasion()).person
    changed = assignment_arrived(waiting, assignment(2, surname="Sample"), occasion()).person
    assert changed.status is UserStatus.WAITING
    leaving = assignment_arrived(changed, assignment(3, assigned=False), occasion()).person
    assert leaving.status is UserStatus.PENDING


def test_withdrawn_from_the_line_ends_as_skipped() -> None:
    person, _ = created()
    waiting = license_arrived(person, license_fact(LicenseState.WAITING), occasion()).person
    leaving = assignment_arrived(waiting, assignment(2, assigned=False), occasion())
    ended = outcome_arrived(leaving.person, outcome(change(leaving), Result.WITHDRAWN), occasion())
    assert ended.person.status is UserStatus.SKIPPED
    assert [event.event for event in events(ended)] == [EventName.WITHDRAWN]
    assert len(skips(ended)) == 1


def test_i9_public_messages_and_reasons_hold_no_values() -> None:
    person, creation = created()
    update = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    done = outcome_arrived(person, outcome(creation), occasion())
    for decision in (update, done):
        for message in (*events(decision), *users(decision)):
            assert not any(word in message.body().decode() for word in ("Ada", "Sample", "Example", "@"))
    assert "Sample" not in change(update).reason


def test_whatever_a_superseded_change_may_have_altered_is_written_by_all_that_follow() -> None:
    away = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    back = assignment_arrived(away.person, assignment(3, givenName="Eve"), occasion())
    later = assignment_arrived(back.person, assignment(4, givenName="Eve", jobTitle="Buyer"), occasion())
    assert {item.path for item in change(later).modified} == {"name.familyName", "name.givenName", "title"}


def test_a_disable_leaves_in_doubt_what_it_did_not_write() -> None:
    away = assignment_arrived(provisioned(), assignment(2, surname="Sample"), occasion())
    leaving = assignment_arrived(away.person, assignment(3, assigned=False), occasion())
    gone = outcome_arrived(leaving.person, outcome(change(leaving)), occasion()).person
    again = assignment_arrived(gone, assignment(4, surname="Sample"), occasion())
    assert {item.path for item in change(again).modified} == {"name.familyName", "active"}


def test_a_doubt_that_comes_late_is_none_when_a_newer_change_has_ended_well() -> None:
    person, creation = created()
    leaving = assignment_arrived(person, assignment(2, assigned=False), occasion())
    nothing = outcome(change(leaving), resource=None, target_id=None)
    ended = outcome_arrived(leaving.person, nothing, occasion()).person
    late = outcome_arrived(ended, outcome(creation, Result.RETRY_LATER), occasion())
    assert (late.person, late.emissions) == (ended, ())


def test_only_a_person_with_nothing_but_a_new_assignment_counts_as_just_seen() -> None:
    person = provisioned()
    seen = assignment_arrived(person, assignment(2), occasion()).person
    assert seen is not person
    assert seen.differs_in_its_assignment_only(person)
    changed = assignment_arrived(person, assignment(2, surname="Sample"), occasion()).person
    assert not changed.differs_in_its_assignment_only(person)
