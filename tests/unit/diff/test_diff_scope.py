"""Scope: the conditions of Entra, every failed one with its sentence."""

import pytest

from services.diff.scope import ACTIVE, ASSIGNED, ENTITLED, SkipCode, decide_scope, numbered
from shared.contracts.assignments import AppRole, Lifecycle
from tests.support.builders_diff import DEFAULT_ACCESS, OTHER_ROLE, USER_ROLE, assignment, rules


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
    assert scope.fails(ACTIVE)
    assert scope.certain is (lifecycle is not Lifecycle.UNKNOWN)


def test_not_knowing_is_no_excuse_when_something_else_is_certain() -> None:
    assert decide_scope(assignment(assigned=False, lifecycle=Lifecycle.UNKNOWN), rules()).certain


def test_an_account_state_that_was_not_read_counts_as_enabled() -> None:
    assert decide_scope(assignment(accountEnabled=None), rules()).in_scope


def test_reasons_are_numbered_as_in_the_entra_log() -> None:
    text = numbered("The user was skipped", ["one", "two"])
    assert text == "The user was skipped due to the following reasons: 1) one. 2) two."
