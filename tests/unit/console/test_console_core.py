"""Where a user stands: the same whatever the order of arrival, and by the newest generation (I1, I4)."""

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.console import core
from services.console.core import Person, license_of, standing
from services.console.store import facets_of, person_of
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Command, LicenseDecision
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import LicenseFact, LicenseState, ProvisioningOutcome, Result
from shared.contracts.public import UserStatus
from tests.support.builders_console import assignment, at, change, command, license_fact, outcome


def join(person: Person, message: Any) -> Person:
    known: dict[type, Any] = {
        DirectoryAssignment: core.with_assignment,
        Change: core.with_change,
        Command: core.with_command,
        LicenseFact: core.with_license,
        ProvisioningOutcome: core.with_outcome,
    }
    joined: Person = known[type(message)](person, message)
    return joined


def fold(*messages: Any) -> Person:
    person = Person()
    for message in messages:
        person = join(person, message)
    return person


def status(*messages: Any) -> UserStatus:
    return standing(fold(*messages)).status


GENERATIONS = st.integers(min_value=1, max_value=4)
SEQUENCES = st.integers(min_value=1, max_value=5)
MESSAGES = st.one_of(
    st.builds(lambda n: assignment("u", n, assigned=n % 2 == 1), SEQUENCES),
    st.builds(lambda g: change("u", g, active=g % 2 == 1), GENERATIONS),
    st.builds(lambda g: command("u", g, active=g % 2 == 1, decision=LicenseDecision.RESERVED, ticket=g), GENERATIONS),
    st.builds(
        lambda n: license_fact("u", list(LicenseState)[n % 4], n, ticket=(n + 1) // 2, generation=(n + 1) // 2),
        SEQUENCES,
    ),
    st.builds(
        lambda g, result: outcome(
            "u", g, result, active=g % 2 == 1, code=Code.CONFLICT if result is Result.FAILED else None
        ),
        GENERATIONS,
        st.sampled_from(list(Result)),
    ),
    st.builds(lambda g, n: outcome("u", g, Result.SKIPPED, sequence=n), GENERATIONS, SEQUENCES),
)


@given(st.lists(MESSAGES, max_size=12), st.randoms(use_true_random=False))
def test_order_and_repetition_change_nothing(messages: list[Any], chance: random.Random) -> None:
    repeated = messages + [chance.choice(messages) for _ in range(len(messages) // 2)]
    chance.shuffle(repeated)
    assert fold(*repeated) == fold(*messages)


@given(st.lists(MESSAGES, max_size=12))
def test_a_known_message_changes_nothing_and_is_told_by_identity(messages: list[Any]) -> None:
    person = fold(*messages)
    for message in messages:
        assert join(person, message) is person


@given(st.lists(MESSAGES, max_size=12))
def test_what_is_kept_in_the_database_is_the_same_person(messages: list[Any]) -> None:
    person = fold(*messages)
    assert person_of(facets_of(person)) == person


@given(st.lists(MESSAGES, max_size=12))
def test_every_person_has_exactly_one_status_and_a_reason(messages: list[Any]) -> None:
    now = standing(fold(*messages))
    assert now.status in set(UserStatus)
    assert now.reason


@pytest.mark.parametrize(
    ("messages", "expected"),
    [
        ([assignment("u")], UserStatus.PENDING),
        ([assignment("u", assigned=False)], UserStatus.SKIPPED),
        ([assignment("u"), change("u")], UserStatus.PENDING),
        ([change("u"), license_fact("u", LicenseState.WAITING)], UserStatus.WAITING),
        (
            [change("u"), license_fact("u", LicenseState.WAITING), license_fact("u", LicenseState.RESERVED, 2)],
            UserStatus.PENDING,
        ),
        ([change("u"), outcome("u")], UserStatus.PROVISIONED),
        ([change("u"), outcome("u", result=Result.ADOPTED)], UserStatus.PROVISIONED),
        ([outcome("u"), change("u", 2)], UserStatus.PENDING),
        ([outcome("u"), outcome("u", 2, active=False)], UserStatus.DISABLED),
        ([change("u"), outcome("u", result=Result.FAILED, code=Code.CONFLICT)], UserStatus.FAILED),
        ([change("u"), outcome("u", result=Result.RETRY_LATER)], UserStatus.PENDING),
        ([change("u"), outcome("u", result=Result.RETRY_LATER, attempt=core.PATIENCE_ATTEMPTS)], UserStatus.FAILED),
        ([change("u"), outcome("u", result=Result.STOP)], UserStatus.PENDING),
        ([change("u", 2), outcome("u", 1, Result.SUPERSEDED)], UserStatus.PENDING),
        ([outcome("u", 0, Result.SKIPPED)], UserStatus.SKIPPED),
        ([change("u", 2, active=False), outcome("u", 2, Result.WITHDRAWN, active=False)], UserStatus.SKIPPED),
        ([outcome("u", 1, Result.FAILED), outcome("u", 1, Result.SKIPPED, sequence=9)], UserStatus.SKIPPED),
        (
            [outcome("u", 1, Result.FAILED), license_fact("u", LicenseState.WAITING, 3, ticket=9, generation=2)],
            UserStatus.WAITING,
        ),
    ],
)
def test_status(messages: list[Any], expected: UserStatus) -> None:
    assert status(*messages) is expected


def test_an_older_generation_that_comes_late_changes_nothing() -> None:
    person = fold(outcome("u", 2, active=False))
    assert join(person, outcome("u", 1)) is person
    assert standing(person).status is UserStatus.DISABLED


def test_who_waits_and_is_changed_meanwhile_still_waits_until_no_license_is_wanted() -> None:
    waiting = fold(change("u", 1), license_fact("u", LicenseState.WAITING))
    assert standing(join(waiting, change("u", 2))).status is UserStatus.WAITING
    assert standing(join(waiting, change("u", 2, active=False))).status is UserStatus.PENDING


def test_a_failure_carries_its_code_and_an_account_is_kept() -> None:
    person = fold(outcome("u", 1), outcome("u", 2, Result.FAILED, code=Code.CONFLICT))
    assert standing(person).code == Code.CONFLICT
    assert person.link is not None
    assert person.link.target_id == "target-u"


def test_a_license_reserved_at_once_is_told_by_the_command_alone() -> None:
    reserved = fold(command("u", decision=LicenseDecision.RESERVED, ticket=7))
    assert license_of(reserved) == (LicenseState.RESERVED, 7)
    assert license_of(join(reserved, license_fact("u", LicenseState.GRANTED, ticket=7))) == (LicenseState.GRANTED, 7)
    assert license_of(join(reserved, license_fact("u", LicenseState.RELEASED, ticket=7))) == (LicenseState.RELEASED, 7)
    assert license_of(join(reserved, license_fact("u", LicenseState.RELEASED, ticket=3))) == (LicenseState.RESERVED, 7)
    assert license_of(join(reserved, license_fact("u", LicenseState.WAITING, ticket=7))) == (LicenseState.RESERVED, 7)
    assert license_of(fold(command("u"))) is None


def test_names_lose_the_character_that_the_database_cannot_hold() -> None:
    person = fold(assignment("u", attributes={"userPrincipalName": "a\x00b", "displayName": 7}))
    assert person.assigned is not None
    assert (person.assigned.user_principal_name, person.assigned.display_name) == ("ab", None)
    odd = fold(outcome("u", reason="a\x00b", at=at(1)))
    assert "\\u0000" not in facets_of(odd)
