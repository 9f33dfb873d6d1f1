"""The deprovisioning matrix: one test for each cell, its id is the row and the column of Entra's table."""

from dataclasses import dataclass, replace
from typing import Any

import pytest

from services.diff.core import Decision, Occasion, assignment_arrived, retry_due, rules_changed
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.wanted import Kind
from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from shared.contracts.changes import Operation
from shared.contracts.outcomes import Result
from shared.contracts.public import EventName, UserStatus
from shared.schema.options import Action, Deprovisioning, Event
from tests.support.builders_diff import (
    OTHER_ROLE,
    USER_ROLE,
    assignment,
    change,
    changes,
    events,
    mapping_of,
    occasion,
    outcome,
    rules,
    scoping_filter,
    skips,
    users,
)
from tests.support.builders_mapping import mapped_attribute

ROLE = 'roles[primary eq "True"].value'
ALL = {"Add", "Update", "Delete"}


def rules_for(*, flows: set[str] = ALL, mapped: bool = True, can_delete: bool = True, **settings: Any) -> Rules:
    mapping = mapping_of(
        *(replace(row, flow_null_values=False) for row in mapping_of().attributes.values()),
        mapped_attribute(ROLE, expression="SingleAppRoleAssignment([appRoleAssignments])"),
        without=() if mapped else ("active",),
        can_delete=can_delete,
        flows=frozenset(flows),
        filter=scoping_filter(("country", "NOT EQUALS", "Atlantis")),
    )
    return rules(mapping, can_delete=can_delete, **settings)


PLAIN = rules_for()
COLUMNS = {
    "default": PLAIN,
    "SkipOutOfScopeDeletions": rules_for(skip_out_of_scope_deletions=True),
    "Update off": rules_for(flows={"Add", "Delete"}),
    "Delete off": rules_for(flows={"Add", "Update"}),
    "IsSoftDeleted not mapped": rules_for(mapped=False),
}


def live(sequence: int = 1, **changed: Any) -> DirectoryAssignment:
    return assignment(sequence, **{"country": "Norway", **changed})


def settled(decision: Decision, at: Occasion) -> Person:
    """The person when everything that was wanted is done."""
    while sent := changes(decision):
        removed = sent[0].operation is Operation.DELETE
        done = outcome(sent[0], **({"resource": None, "target_id": None} if removed else {}))
        decision = outcome_arrived(decision.person, done, at)
    return decision.person


def provisioned(job_rules: Rules = PLAIN) -> Person:
    return settled(assignment_arrived(None, live(), occasion(job_rules)), occasion(job_rules))


def after(item: DirectoryAssignment) -> Person:
    return settled(assignment_arrived(provisioned(), item, occasion(PLAIN)), occasion(PLAIN))


@dataclass(frozen=True, kw_only=True)
class Row:
    """The event, the person whom it happens to, what each column does, and whether the guard counts it."""

    event: DirectoryAssignment
    expected: str
    counts: bool = False
    before: DirectoryAssignment | None = None


EXPECTED = {"disable": Kind.DISABLE, "delete": Kind.DELETE, "update": Kind.UPDATE, "nothing": None}
ROWS = {
    "User unassigned": Row(
        event=live(9, assigned=False), expected="disable nothing nothing disable nothing", counts=True
    ),
    "Lost membership of assigned group (no other grant)": Row(
        event=live(9, assigned=False, roles=[]), expected="disable nothing nothing disable nothing", counts=True
    ),
    "Assigned group itself unassigned or deleted: sole-granted member": Row(
        event=live(9, assigned=False, roles=[]), expected="disable nothing nothing disable nothing", counts=True
    ),
    "Fails scoping filter": Row(
        event=live(9, country="Atlantis"), expected="disable nothing nothing disable nothing", counts=True
    ),
    "accountEnabled=false (blocked sign-in)": Row(
        event=live(9, accountEnabled=False), expected="disable disable nothing disable nothing", counts=True
    ),
    "Re-enabled": Row(
        before=live(5, accountEnabled=False), event=live(9), expected="update update nothing update nothing"
    ),
    "Soft-deleted (recycle bin)": Row(
        event=live(9, lifecycle=Lifecycle.SOFT_DELETED), expected="disable disable nothing disable nothing", counts=True
    ),
    "Restored within 30 days": Row(
        before=live(5, lifecycle=Lifecycle.SOFT_DELETED),
        event=live(9),
        expected="update update nothing update nothing",
    ),
    "Hard-deleted (30 d or purge)": Row(
        event=live(9, lifecycle=Lifecycle.HARD_DELETED), expected="delete delete delete nothing delete", counts=True
    ),
    "Role assignment changed, still entitled": Row(
        event=live(9, roles=[OTHER_ROLE, USER_ROLE]), expected="update update nothing update update"
    ),
    "Role changed to a non-entitled role": Row(
        event=live(9, roles=[OTHER_ROLE]), expected="disable nothing nothing disable nothing", counts=True
    ),
    "Mapped attribute changed": Row(event=live(9, surname="Sample"), expected="update update nothing update update"),
    "Attribute cleared": Row(event=live(9, surname=None), expected="nothing nothing nothing nothing nothing"),
}
CELLS = [
    pytest.param(row, COLUMNS[column], EXPECTED[cell], id=f"{name} / {column}")
    for name, row in ROWS.items()
    for column, cell in zip(COLUMNS, row.expected.split(), strict=True)
]


@pytest.mark.parametrize(("row", "job_rules", "kind"), CELLS)
def test_deprovisioning_matrix(row: Row, job_rules: Rules, kind: Kind | None) -> None:
    person = after(row.before) if row.before else provisioned()
    decision = assignment_arrived(person, row.event, occasion(job_rules))
    assert [item.operation for item in changes(decision)] == ([kind.operation] if kind else [])
    if kind is None:
        assert decision.person.account == person.account
        assert decision.reason
    if kind is Kind.DISABLE:
        assert [(item.path, item.new) for item in change(decision).modified] == [("active", False)]
    assert not any(item.operation in {"disable", "delete"} for item in changes(decision)) or row.counts


@pytest.mark.parametrize("name", ["User unassigned", "Hard-deleted (30 d or purge)", "Fails scoping filter"])
def test_what_is_left_alone_by_an_action_that_is_off_says_so(name: str) -> None:
    for column, words in (("Update off", "Update action is off"), ("Delete off", "Delete action is off")):
        decision = assignment_arrived(provisioned(), ROWS[name].event, occasion(COLUMNS[column]))
        assert changes(decision) or words in skips(decision)[0].reason


def test_a_cleared_attribute_is_removed_unless_the_mapping_says_otherwise() -> None:
    decision = assignment_arrived(provisioned(), live(9, surname=None), occasion())
    assert [(item.path, item.new) for item in change(decision).modified] == [("name.familyName", None)]


def test_a_hard_delete_is_a_disable_where_the_target_cannot_delete() -> None:
    job_rules = rules_for(can_delete=False)
    gone = live(9, lifecycle=Lifecycle.HARD_DELETED)
    assert assignment_arrived(provisioned(), gone, occasion(job_rules)).kind is Kind.DISABLE
    without_update = rules_for(can_delete=False, flows={"Add", "Delete"})
    assert assignment_arrived(provisioned(), gone, occasion(without_update)).kind is Kind.DISABLE
    without_delete = rules_for(can_delete=False, flows={"Add", "Update"})
    assert assignment_arrived(provisioned(), gone, occasion(without_delete)).kind is Kind.SKIP


def test_a_deleted_account_is_told_and_forgotten_once() -> None:
    decision = assignment_arrived(provisioned(), live(9, lifecycle=Lifecycle.HARD_DELETED), occasion(PLAIN))
    sent = change(decision)
    assert (sent.operation, sent.target_id, sent.needs_license) == (Operation.DELETE, "target-1", False)
    done = outcome_arrived(decision.person, outcome(sent, resource=None, target_id=None), occasion(PLAIN))
    assert (done.person.account, done.person.status) == (None, UserStatus.SKIPPED)
    assert [event.event for event in events(done)] == [EventName.DELETE]
    assert (users(done)[0].active, users(done)[0].target_id) == (False, None)
    again = assignment_arrived(done.person, live(10, lifecycle=Lifecycle.HARD_DELETED), occasion(PLAIN))
    assert again.emissions == ()


def test_a_deletion_with_an_unknown_end_is_tried_again_as_a_deletion() -> None:
    decision = assignment_arrived(provisioned(), live(9, lifecycle=Lifecycle.HARD_DELETED), occasion(PLAIN))
    unknown = outcome_arrived(decision.person, outcome(change(decision), Result.RETRY_LATER), occasion(PLAIN)).person
    due = unknown.next_attempt_at
    assert due is not None
    assert change(retry_due(unknown, occasion(PLAIN, at=due))).operation is Operation.DELETE


@pytest.mark.parametrize("action", [Action.NONE, Action.DISABLE, Action.DELETE, Action.SET_ATTRIBUTE])
@pytest.mark.parametrize("event", list(Event))
def test_each_event_can_have_each_action(event: Event, action: Action) -> None:
    chosen = Deprovisioning(action=action)
    if action is Action.SET_ATTRIBUTE:
        chosen = Deprovisioning(action=action, attribute="title", value="Left")
    mapping = replace(PLAIN.mapping, deprovisioning={**PLAIN.mapping.deprovisioning, event: chosen})
    at = occasion(rules(mapping, can_delete=True))
    decision = assignment_arrived(provisioned(), HAPPENED[event], at)
    wanted = {
        Action.NONE: [],
        Action.DISABLE: [("disable", [("active", False)])],
        Action.DELETE: [("delete", [])],
        Action.SET_ATTRIBUTE: [("update", [("title", "Left")])],
    }[action]
    found = [(item.operation, [(part.path, part.new) for part in item.modified]) for item in changes(decision)]
    assert found == wanted
    person = settled(decision, at)
    assert changes(assignment_arrived(person, HAPPENED[event].model_copy(update={"sequence": 10}), at)) == []


HAPPENED = {
    Event.UNASSIGNED: live(9, assigned=False),
    Event.FILTERED_OUT: live(9, country="Atlantis"),
    Event.BLOCKED: live(9, accountEnabled=False),
    Event.SOFT_DELETED: live(9, lifecycle=Lifecycle.SOFT_DELETED),
    Event.HARD_DELETED: live(9, lifecycle=Lifecycle.HARD_DELETED),
}


def test_an_attribute_that_was_set_keeps_the_license_and_goes_back_when_the_person_returns() -> None:
    title = Deprovisioning(action=Action.SET_ATTRIBUTE, attribute="title", value="Left")
    mapping = replace(PLAIN.mapping, deprovisioning={**PLAIN.mapping.deprovisioning, Event.UNASSIGNED: title})
    at = occasion(rules(mapping, can_delete=True))
    person = settled(assignment_arrived(None, live(jobTitle="Buyer"), at), at)
    decision = assignment_arrived(person, live(2, jobTitle="Buyer", assigned=False), at)
    assert change(decision).needs_license
    assert not decision.person.entered
    back = assignment_arrived(settled(decision, at), live(3, jobTitle="Buyer"), at)
    assert [(item.path, item.new) for item in change(back).modified] == [("title", "Buyer")]


def test_returning_users_keep_account_and_link() -> None:
    person = after(live(5, assigned=False))
    assert (person.status, person.account is not None) == (UserStatus.DISABLED, True)
    back = change(assignment_arrived(person, live(9), occasion(PLAIN)))
    assert (back.operation, back.target_id, [item.path for item in back.modified]) == ("update", "target-1", ["active"])


@pytest.mark.parametrize("keeps", [True, False], ids=["kept", "Entra's behaviour"])
def test_a_released_link_is_managed_until_the_hard_delete_unless_switched_off(keeps: bool) -> None:
    at = occasion(replace(PLAIN, mapping=replace(PLAIN.mapping, keep_managing_released_links=keeps)))
    person = settled(assignment_arrived(provisioned(), live(5, assigned=False), at), at)
    assert (person.account is not None) is keeps
    gone = assignment_arrived(person, live(9, assigned=False, lifecycle=Lifecycle.HARD_DELETED), at)
    assert [item.operation for item in changes(gone)] == (["delete"] if keeps else [])
    if not keeps:
        back = change(assignment_arrived(person, live(9), at))
        assert (back.operation, back.target_id) == (Operation.CREATE, None)  # matched anew, and adopted


def test_blocked_sign_in_releases_no_link() -> None:
    at = occasion(replace(PLAIN, mapping=replace(PLAIN.mapping, keep_managing_released_links=False)))
    person = settled(assignment_arrived(provisioned(), live(5, accountEnabled=False), at), at)
    gone = assignment_arrived(person, live(9, lifecycle=Lifecycle.HARD_DELETED), at)
    assert change(gone).operation is Operation.DELETE


def test_a_creation_under_way_is_stopped_even_where_nothing_is_taken_away() -> None:
    creating = assignment_arrived(None, live(), occasion(PLAIN)).person
    leaving = assignment_arrived(creating, live(2, assigned=False), occasion(COLUMNS["SkipOutOfScopeDeletions"]))
    assert leaving.kind is Kind.DISABLE


def test_other_rules_decide_anew_without_a_word_of_the_directory() -> None:
    person = provisioned()
    assert rules_changed(person, occasion(PLAIN)).person is person
    filtered = occasion(rules(mapping_of(filter=scoping_filter(("country", "EQUALS", "Atlantis")))))
    assert rules_changed(person, filtered).kind is Kind.DISABLE
    skipped = assignment_arrived(None, live(assigned=False), occasion(PLAIN)).person
    assert rules_changed(skipped, occasion(PLAIN)).person is skipped
