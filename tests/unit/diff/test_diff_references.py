"""What a manager comes to at the target, decided purely; and that it ends the same whatever comes first."""

from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from services.diff.core import assignment_arrived, retry_due
from services.diff.following import followed, move_of
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.references.resolving import resolved
from services.diff.references.values import UNRESOLVED
from shared.contracts.changes import Change
from shared.contracts.outcomes import Result
from shared.contracts.public import UserStatus
from shared.contracts.templates.linkedin_sales_navigator import ENTERPRISE_USER
from tests.support.builders_diff import assignment, change, changes, occasion, outcome
from tests.support.builders_groups import path

MANAGER = f"{ENTERPRISE_USER}:manager"


def provisioned(**attributes: Any) -> Person:
    decision = assignment_arrived(None, assignment(**attributes), occasion())
    return outcome_arrived(decision.person, outcome(change(decision)), occasion()).person


def test_a_create_never_carries_a_reference() -> None:
    known = replace(provisioned(manager="boss"), account=None, resolved={"boss": "b-1"}, sent=None)
    assert MANAGER not in change(assignment_arrived(known, assignment(2, manager="boss"), occasion())).resource


def test_an_unresolved_manager_is_noted_and_fails_nobody() -> None:
    person = provisioned(manager="boss")
    assert person.status is UserStatus.PROVISIONED
    assert person.reason_code is None
    assert [reason for reason in person.reasons if reason.startswith(UNRESOLVED)]


def test_a_resolved_manager_is_an_update_of_its_own() -> None:
    decision = resolved(provisioned(manager="boss"), {"boss": "b-1"}, occasion())
    assert [(item.path, item.old, item.new) for item in change(decision).modified] == [(MANAGER, None, "b-1")]
    after = outcome_arrived(decision.person, outcome(change(decision)), occasion())
    assert changes(after) == []
    assert after.person.reasons == ()
    assert changes(resolved(after.person, {"boss": "b-1"}, occasion())) == []


def test_nothing_is_removed_where_nothing_of_ours_is() -> None:
    assert changes(assignment_arrived(provisioned(), assignment(2, manager=None), occasion())) == []


def test_whoever_is_out_of_scope_gets_no_manager() -> None:
    left = assignment_arrived(provisioned(manager="boss"), assignment(2, assigned=False, manager="boss"), occasion())
    gone = outcome_arrived(left.person, outcome(change(left)), occasion()).person
    assert changes(resolved(gone, {"boss": "b-1"}, occasion())) == []


def test_what_is_followed_moves_only_when_it_changes() -> None:
    person = provisioned(manager="boss")
    assert move_of(person, person) is None
    renamed = replace(person, assignment=assignment(2, manager="boss", surname="Other"))
    assert move_of(person, renamed) is None
    paths = assignment(3).model_copy(update={"paths": (path("one"), path("two", nested=True), path(None))})
    assert followed(replace(person, assignment=paths)).groups == {"one"}
    move = move_of(None, person)
    assert move is not None
    assert (move.before.target_id, move.after.target_id, move.after.manager) == (None, "target-1", "boss")


STEPS = st.lists(
    st.sampled_from(["boss", "chief", "none", "linked", "relinked", "unlinked", "done", "unknown", "time"]), max_size=14
)


@settings(max_examples=150, deadline=None)
@given(steps=STEPS)
def test_i7_whatever_the_order_the_manager_ends_as_the_directory_says(steps: list[str]) -> None:
    """``held`` is what the target has; accounts of both managers come and go."""
    at = occasion().at
    person: Person | None = None
    manager: str | None = None
    sequence = 0
    accounts: dict[str, str] = {}
    waiting: list[Change] = []
    held: dict[str, Any] = {}

    def take(decision: Any) -> None:
        nonlocal person
        person = decision.person
        waiting.extend(changes(decision))

    def write(result: Result, *, really: bool) -> None:
        nonlocal held
        newest = waiting[-1]
        waiting.clear()
        if really:
            held = {**held, **(newest.resource if not held else {item.path: item.new for item in newest.modified})}
        assert person is not None
        told = outcome(newest, result, resource=dict(held) if result is Result.DONE else None)
        take(outcome_arrived(person, told, occasion(at=at)))

    def observe(name: str | None) -> None:
        nonlocal sequence, manager
        sequence, manager = sequence + 1, name
        take(assignment_arrived(person, assignment(sequence, manager=manager), occasion(at=at)))

    def resolve() -> None:
        if person is not None:
            known = {manager: accounts[manager]} if manager in accounts else {}
            take(resolved(person, known, occasion(at=at)))

    observe(None)
    for step in [*steps, "linked", "done", "time", "done", "time", "done", "done"]:
        match step:
            case "boss" | "chief" | "none":
                observe(None if step == "none" else step)
            case "linked":
                accounts = {name: accounts.get(name, f"{name}-1") for name in ("boss", "chief")}
            case "relinked":
                accounts = {name: f"{value}+" for name, value in accounts.items()}
            case "unlinked":
                accounts = {}
            case "time":
                assert person is not None
                at = max(at, person.next_attempt_at or at)
                take(retry_due(person, occasion(at=at)))
            case "done" if waiting:
                write(Result.DONE, really=True)
            case "unknown" if waiting:
                write(Result.RETRY_LATER, really=True)
        resolve()
    while waiting:
        write(Result.DONE, really=True)
        resolve()
    assert held.get(MANAGER) == (accounts[manager] if manager else None)
    assert person is not None
    assert person.status is UserStatus.PROVISIONED
