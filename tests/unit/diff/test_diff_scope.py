"""Scope: the conditions of Entra, every failed one with its sentence."""

import pytest

from services.diff.mapping import record_of
from services.diff.rules import Rules
from services.diff.scope import ACTIVE, ASSIGNED, ENTITLED, FILTERED, Scope, SkipCode, Standing, numbered
from services.diff.scope import decide_scope as decide
from shared.contracts.assignments import AppRole, DirectoryAssignment, Lifecycle
from shared.schema.options import Event
from tests.support.builders_diff import (
    DEFAULT_ACCESS,
    OTHER_ROLE,
    USER_ROLE,
    assignment,
    mapping_of,
    rules,
    scoping_filter,
)

STAFF = rules(mapping_of(filter=scoping_filter(("department", "EQUALS", "Sales"), ("country", "IS NOT NULL", ""))))


def decide_scope(item: DirectoryAssignment, job_rules: Rules) -> Scope:
    return decide(item, record_of(item, job_rules), job_rules, job_rules.mapping.filter)


def test_assigned_with_the_required_role_and_enabled_is_in_scope() -> None:
    scope = decide_scope(assignment(), rules())
    assert scope.in_scope
    assert scope.reasons == ()


def test_every_failed_condition_is_a_reason() -> None:
    scope = decide_scope(assignment(assigned=False, accountEnabled=False), rules())
    assert [condition.name for condition in scope.failed] == [ASSIGNED, ENTITLED, ACTIVE]
    assert scope.failed[0].code is SkipCode.OUT_OF_SCOPE


def test_condition_names_are_those_of_the_entra_log() -> None:
    assert (ACTIVE, ASSIGNED, ENTITLED) == (
        "Active in the source system",
        "Assigned to the application",
        "User has the required role",
    )


def test_default_access_alone_is_not_effectively_entitled() -> None:
    scope = decide_scope(assignment(roles=[DEFAULT_ACCESS]), rules())
    assert scope.reasons == ("User has the required role is false: holds only Default Access; assign the role User",)
    assert scope.failed[0].code is SkipCode.NOT_EFFECTIVELY_ENTITLED


def test_default_access_beside_the_required_role_does_no_harm() -> None:
    assert decide_scope(assignment(roles=[DEFAULT_ACCESS, USER_ROLE]), rules()).in_scope


def test_default_access_does_not_count_even_when_no_role_is_required() -> None:
    assert not decide_scope(assignment(roles=[DEFAULT_ACCESS]), rules(required_roles=())).in_scope
    assert decide_scope(assignment(roles=[OTHER_ROLE]), rules(required_roles=())).in_scope


def test_another_role_is_not_the_required_one() -> None:
    scope = decide_scope(assignment(roles=[OTHER_ROLE]), rules())
    assert scope.reasons == (
        "User has the required role is false: holds another role of the application; assign the role User",
    )


@pytest.mark.parametrize("role", [AppRole(id="r", value="User"), AppRole(id="r", display_name="User")])
def test_a_required_role_is_named_by_its_value_or_its_display_name(role: AppRole) -> None:
    assert decide_scope(assignment(roles=[role]), rules()).in_scope


@pytest.mark.parametrize("lifecycle", [Lifecycle.SOFT_DELETED, Lifecycle.HARD_DELETED, Lifecycle.UNKNOWN])
def test_whoever_is_not_live_is_not_active(lifecycle: Lifecycle) -> None:
    scope = decide_scope(assignment(lifecycle=lifecycle), rules())
    assert [condition.name for condition in scope.failed] == [ACTIVE]
    assert scope.standing is (Standing.UNTOLD if lifecycle is Lifecycle.UNKNOWN else Standing.OUT)


def test_not_knowing_is_no_excuse_when_something_else_is_certain() -> None:
    scope = decide_scope(assignment(assigned=False, lifecycle=Lifecycle.UNKNOWN), rules())
    assert (scope.standing, scope.event) == (Standing.OUT, Event.UNASSIGNED)


def test_a_filter_on_values_that_the_directory_could_not_tell_puts_nobody_out() -> None:
    scope = decide_scope(assignment(lifecycle=Lifecycle.UNKNOWN, department=None), STAFF)
    assert scope.standing is Standing.UNTOLD


def test_each_clause_that_fails_is_told_in_the_words_of_the_filter() -> None:
    scope = decide_scope(assignment(department="Purchase"), STAFF)
    assert [str(condition) for condition in scope.failed] == [
        "Scoping filter evaluation passed is false: Staff department EQUALS Sales; Staff country IS NOT NULL does not hold"
    ]
    assert scope.event is Event.FILTERED_OUT
    assert decide_scope(assignment(department="Sales", country="Norway"), STAFF).in_scope


def test_all_four_conditions_are_looked_at_at_once() -> None:
    scope = decide_scope(assignment(assigned=False, accountEnabled=False), STAFF)
    assert [condition.name for condition in scope.failed] == [ASSIGNED, ENTITLED, FILTERED, ACTIVE]


@pytest.mark.parametrize("part", ["input_filter_groups", "category_filter_groups"])
def test_whoever_an_input_or_category_filter_keeps_out_is_ignored_whatever_else_holds(part: str) -> None:
    ignoring = rules(mapping_of(filter=scoping_filter(("department", "EQUALS", "Sales"), part=part)))
    scope = decide_scope(assignment(assigned=False, accountEnabled=False), ignoring)
    assert scope.standing is Standing.IGNORED
    assert "Staff department EQUALS Sales does not hold; the user is left as they are" in scope.reasons[0]
    assert decide_scope(assignment(department="Sales"), ignoring).in_scope


@pytest.mark.parametrize(
    ("item", "event"),
    [
        (assignment(assigned=False), Event.UNASSIGNED),
        (assignment(roles=[OTHER_ROLE]), Event.UNASSIGNED),
        (assignment(assigned=False, accountEnabled=False), Event.BLOCKED),
        (assignment(assigned=False, lifecycle=Lifecycle.SOFT_DELETED), Event.SOFT_DELETED),
        (assignment(assigned=False, lifecycle=Lifecycle.HARD_DELETED), Event.HARD_DELETED),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Event) else "",
)
def test_the_gravest_event_decides_what_is_done(item: DirectoryAssignment, event: Event) -> None:
    assert decide_scope(item, rules()).event is event


def test_an_account_state_that_was_not_read_counts_as_enabled() -> None:
    assert decide_scope(assignment(accountEnabled=None), rules()).in_scope


def test_reasons_are_numbered_as_in_the_entra_log() -> None:
    text = numbered("The user was skipped", ["one", "two"])
    assert text == "The user was skipped due to the following reasons: 1) one. 2) two."
