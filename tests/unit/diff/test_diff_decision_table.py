"""The decision for each object: link x scope x match, one test for each row of Entra's table ("How provisioning works")."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from services.diff.core import assignment_arrived, retry_due
from services.diff.decision_table import DECISION_TABLE, Link, Match
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.scope import Standing
from services.diff.wanted import Kind
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import Result
from shared.contracts.public import UserStatus
from shared.schema.mapping import CompiledObjectMapping
from tests.support.builders_diff import (
    AT,
    assignment,
    change,
    changes,
    mapping_of,
    occasion,
    outcome,
    rules,
    scoping_filter,
    skips,
)


def linked() -> Person:
    decision = assignment_arrived(None, assignment(), occasion())
    return outcome_arrived(decision.person, outcome(change(decision)), occasion()).person


def no_hit() -> None:
    decision = assignment_arrived(None, assignment(), occasion())
    assert change(decision).operation is Operation.CREATE
    done = outcome_arrived(decision.person, outcome(change(decision)), occasion()).person
    assert (done.status, done.account and done.account.target_id) == (UserStatus.PROVISIONED, "target-1")


def one_hit_that_differs() -> None:
    decision = assignment_arrived(None, assignment(), occasion())
    held = {**change(decision).resource, "displayName": "Somebody"}
    adopted = outcome_arrived(decision.person, outcome(change(decision), Result.ADOPTED, resource=held), occasion())
    update = change(adopted)
    assert (update.operation, update.target_id) == (Operation.UPDATE, "target-1")
    assert [item.path for item in update.modified] == ["displayName"]


def one_hit_that_is_the_same() -> None:
    decision = assignment_arrived(None, assignment(), occasion())
    adopted = outcome_arrived(decision.person, outcome(change(decision), Result.ADOPTED), occasion())
    assert (changes(adopted), adopted.person.status) == ([], UserStatus.PROVISIONED)


def many_hits() -> None:
    decision = assignment_arrived(None, assignment(), occasion())
    double = failure(Code.DUPLICATE_TARGET_ENTRIES, "2 accounts have this externalId.")
    failed = outcome_arrived(decision.person, outcome(change(decision), Result.FAILED, failure=double), occasion())
    assert (failed.person.status, failed.person.account) == (UserStatus.FAILED, None)
    assert (failed.person.reason_code, changes(failed)) == ("DuplicateTargetEntries", [])


def nothing_to_match_by() -> None:
    by_mail = rules(matching_by_mail())
    decision = assignment_arrived(None, assignment(mail=None), occasion(by_mail))
    assert (decision.person.status, decision.person.reason_code) == (UserStatus.SKIPPED, "ImportSkipped")
    assert changes(decision) == []


def inactive_in_the_source() -> None:
    decision = assignment_arrived(None, assignment(accountEnabled=False), occasion())
    assert (decision.person.status, decision.person.reason_code) == (UserStatus.SKIPPED, "NotEffectivelyEntitled")
    assert changes(decision) == []


def never_in_scope() -> None:
    decision = assignment_arrived(None, assignment(assigned=False), occasion())
    assert (decision.person.reason_code, changes(decision)) == ("EntrySynchronizationSkipped", [])
    assert len(skips(decision)) == 1


def linked_and_the_same() -> None:
    assert assignment_arrived(linked(), assignment(2), occasion()).kind is Kind.NOTHING


def linked_and_different() -> None:
    update = change(assignment_arrived(linked(), assignment(2, surname="Sample"), occasion()))
    assert [item.path for item in update.modified] == ["name.familyName"]


def linked_and_gone() -> None:
    update = assignment_arrived(linked(), assignment(2, surname="Sample"), occasion())
    gone = outcome(change(update), Result.FAILED, failure=failure(Code.INVALID_ANCHOR, "gone"))
    failed = outcome_arrived(update.person, gone, occasion()).person
    assert (failed.status, failed.reason_code) == (UserStatus.FAILED, "InvalidAnchor")
    again = change(retry_due(failed, occasion(at=failed.next_attempt_at or AT)))
    assert (again.operation, again.target_id) == (Operation.CREATE, None)


def linked_and_out_of_scope() -> None:
    assert assignment_arrived(linked(), assignment(2, assigned=False), occasion()).kind is Kind.DISABLE


def double_source() -> None:
    decision = assignment_arrived(None, assignment(), occasion(taken=True))
    assert (decision.person.status, decision.person.reason_code) == (UserStatus.FAILED, "DuplicateSourceEntries")
    assert (changes(decision), decision.person.next_attempt_at is not None) == ([], True)
    told = skips(decision)[0]
    assert told.failure is not None
    assert (told.result, told.failure.code) == (Result.FAILED, "DuplicateSourceEntries")
    due = decision.person.next_attempt_at or AT
    assert change(retry_due(decision.person, occasion(at=due))).operation is Operation.CREATE
    assert retry_due(decision.person, occasion(at=due, taken=True)).person.attempts == 2


def found_twice() -> None:
    decision = assignment_arrived(None, assignment(), occasion())
    found = outcome(change(decision), Result.ADOPTED)
    second = outcome_arrived(decision.person, found, occasion(taken=True)).person
    assert (second.account, second.reason_code) == (None, "DuplicateSourceEntries")


def create_off_one_hit() -> None:
    finding = occasion(rules(mapping_of(flows=frozenset({"Update", "Delete"}))))
    decision = assignment_arrived(None, assignment(), finding)
    look = change(decision)
    assert (look.operation, look.target_id, look.may_create, look.needs_license) == ("update", None, False, False)
    found = outcome_arrived(decision.person, outcome(look, Result.ADOPTED), finding)
    update = change(found)
    assert (update.operation, update.target_id, update.needs_license) == (Operation.UPDATE, "target-1", True)


def create_off_no_hit() -> None:
    finding = occasion(rules(mapping_of(flows=frozenset({"Update", "Delete"}))))
    decision = assignment_arrived(None, assignment(), finding)
    nobody = outcome(change(decision), resource=None, target_id=None)
    ended = outcome_arrived(decision.person, nobody, finding)
    assert (ended.person.account, ended.person.status, changes(ended)) == (None, UserStatus.SKIPPED, [])
    assert "Create action of the mapping is off" in skips(ended)[0].reason
    assert changes(assignment_arrived(ended.person, assignment(2), finding)) == []
    renamed = rules(matching_by_mail(flows=frozenset({"Update"})))
    by_mail = assignment_arrived(ended.person, assignment(2, mail="other@example.org"), occasion(renamed))
    assert change(by_mail).matching[0].value == "other@example.org"


def ignored() -> None:
    ignoring = occasion(
        rules(mapping_of(filter=scoping_filter(("city", "EQUALS", "Oslo"), part="input_filter_groups")))
    )
    for person in (None, linked()):
        decision = assignment_arrived(person, assignment(2, assigned=False, surname="Sample"), ignoring)
        assert (changes(decision), decision.person.status) == ([], UserStatus.SKIPPED)
        assert "Input filter evaluation passed is false" in skips(decision)[0].reasons[0]


def matching_by_mail(**more: Any) -> CompiledObjectMapping:
    mail = mapping_of().attributes['emails[type eq "work"].value']
    external = mapping_of().attributes["externalId"]
    return mapping_of(replace(mail, matching_priority=1), replace(external, matching_priority=0), **more)


ROWS: dict[str, Callable[[], None]] = {
    "no link, in scope, 0 hits: create and link": no_hit,
    "no link, in scope, 1 hit: link, then update what differs": one_hit_that_differs,
    "no link, in scope, 1 hit without a difference: link and write nothing": one_hit_that_is_the_same,
    "no link, in scope, more than 1 hit: DuplicateTargetEntries": many_hits,
    "no link, in scope, no matching value: ImportSkipped": nothing_to_match_by,
    "no link, in scope but inactive in the source: NotEffectivelyEntitled": inactive_in_the_source,
    "no link, not in scope: EntrySynchronizationSkipped": never_in_scope,
    "linked, in scope, found with a difference: patch": linked_and_different,
    "linked, in scope, found without a difference: nothing": linked_and_the_same,
    "linked, in scope, 404: InvalidAnchor": linked_and_gone,
    "linked, not in scope: deprovision": linked_and_out_of_scope,
    "two sources, one matching value: DuplicateSourceEntries": double_source,
    "two sources, one account found: DuplicateSourceEntries": found_twice,
    "no link, Create off, 1 hit: link and update": create_off_one_hit,
    "no link, Create off, 0 hits: skip": create_off_no_hit,
    "any link, kept out by an input filter: left alone": ignored,
}


@pytest.mark.parametrize("row", ROWS)
def test_decision_table(row: str) -> None:
    ROWS[row]()


def test_the_table_has_an_answer_for_everything() -> None:
    assert set(DECISION_TABLE) == {(link, scope, match) for link in Link for scope in Standing for match in Match}
