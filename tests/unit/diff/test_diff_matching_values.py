"""Who keeps the matching values that are noted, and who has to be looked at."""

from dataclasses import replace
from typing import Any

import pytest

from services.diff.core import assignment_arrived
from services.diff.matching_values import keeps
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from tests.support.builders_diff import OTHER_ROLE, assignment, change, occasion, outcome


def linked() -> Person:
    """A person who was created, and whose account is known."""
    decision = assignment_arrived(None, assignment(), occasion())
    return outcome_arrived(decision.person, outcome(change(decision)), occasion()).person


def test_who_is_linked_and_unchanged_keeps_them_in_every_later_cycle() -> None:
    later = assignment(2, cycle_id="cycle-2")
    assert keeps(linked(), later)


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(assignment(2, mail="other@example.org"), id="attribute"),
        pytest.param(assignment(2, lifecycle=Lifecycle.SOFT_DELETED), id="lifecycle"),
        pytest.param(assignment(2, assigned=False, roles=assignment().roles), id="unassigned"),
        pytest.param(assignment(2, roles=[OTHER_ROLE]), id="roles"),
    ],
)
def test_whoever_changes_is_looked_at(changed: DirectoryAssignment) -> None:
    assert not keeps(linked(), changed)


@pytest.mark.parametrize("without", [{"account": None}, {"entered": False}], ids=["no account", "out of scope"])
def test_who_may_have_to_be_matched_is_looked_at(without: dict[str, Any]) -> None:
    assert not keeps(replace(linked(), **without), assignment(2))
