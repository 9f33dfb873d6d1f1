"""Who counts as assigned: required roles, removals as the guard sees them, guests under their own name."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.core import (
    DEFAULT_ACCESS,
    Emitted,
    Job,
    Mirrored,
    Path,
    as_guest,
    decide,
    is_effective,
    resolve,
)
from services.assignment_watcher.guard import judge
from shared.contracts.assignments import AppRole, Lifecycle
from shared.contracts.message import ObjectType
from shared.contracts.source import HoldReason

USER, ADMIN = AppRole(id="r1", value="User", display_name="Seat holder"), AppRole(id="r2", value="Admin")
JOB = Job(
    roles={role.id: role for role in (USER, ADMIN)}, counting=frozenset({"r1"}), attributes={ObjectType.USER: ("id",)}
)
AT = datetime(2026, 1, 1, tzinfo=UTC)


def a_user(*roles: str, lifecycle: Lifecycle = Lifecycle.LIVE) -> Mirrored:
    paths = [Path(AT, f"a-{role}", None, role) for role in roles]
    return Mirrored(object_id="u", lifecycle=lifecycle, attributes={}, paths=paths)


@pytest.mark.parametrize(
    ("required", "ids", "unknown"),
    [
        (["User"], {"r1"}, ()),
        (["Seat holder"], {"r1"}, ()),
        (["r2"], {"r2"}, ()),
        (["User", "Admin"], {"r1", "r2"}, ()),
        (["Default Access"], {DEFAULT_ACCESS.id}, ()),
        ([], set(), ()),
        (["user"], set(), ("user",)),
        (["User", "Gone"], {"r1"}, ("Gone",)),
        ([""], set(), ("",)),
    ],
)
def test_a_role_is_named_by_value_display_name_or_id(
    required: list[str], ids: set[str], unknown: tuple[str, ...]
) -> None:
    assert resolve(required, [USER, ADMIN]) == (frozenset(ids), unknown)


def test_only_a_live_user_with_a_role_that_counts_is_effective() -> None:
    def effective(user: Mirrored, job: Job = JOB) -> bool:
        return decide(user, None, job).effective

    assert effective(a_user("r1"))
    assert effective(a_user("r1", "r2"))
    assert not effective(a_user("r2"))
    assert not effective(a_user(DEFAULT_ACCESS.id))
    everything = Job(roles={}, counting=frozenset(), attributes={ObjectType.USER: ()})
    assert effective(a_user("r9"), everything)


@pytest.mark.parametrize(
    ("before", "now", "removal"),
    [
        (True, a_user(), True),
        (True, a_user("r2"), True),
        (True, a_user("r1", lifecycle=Lifecycle.SOFT_DELETED), True),
        (True, a_user("r1", "r2"), False),
        (False, a_user(), False),
        (False, a_user("r1"), False),
    ],
)
def test_a_removal_is_the_end_of_an_effective_assignment(before: bool, now: Mirrored, removal: bool) -> None:
    last = Emitted(version=3, digest=b"", assigned_at=AT, effective=before)
    assert decide(now, last, JOB).removal is removal


@given(st.sampled_from(list(Lifecycle)), st.lists(st.sampled_from(["r1", "r2", "r3"]), unique=True))
def test_nobody_leaves_and_stays_at_once(lifecycle: Lifecycle, roles: list[str]) -> None:
    last = Emitted(version=1, digest=b"", assigned_at=AT, effective=True)
    decision = decide(a_user(*roles, lifecycle=lifecycle), last, JOB)
    assert decision.state is not None
    assert decision.effective is is_effective(decision.state, JOB.counting)
    assert decision.removal is not decision.effective


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("kim_partner.example#EXT#@contoso.example", "kim@partner.example"),
        ("kim_b_partner.example#ext#@contoso.example", "kim_b@partner.example"),
        ("nounderscore#EXT#@contoso.example", "nounderscore#EXT#@contoso.example"),
        ("kim@contoso.example", "kim@contoso.example"),
        (None, None),
        (7, 7),
    ],
)
def test_a_guest_has_the_name_of_its_own_tenant(name: Any, own: Any) -> None:
    known = as_guest({"userPrincipalName": name, "mail": "m"})
    assert known["userPrincipalName"] == own
    assert known["mail"] == "m"
    if isinstance(name, str) and "#EXT#" in name.upper():
        assert known["originalUserPrincipalName"] == name


def verdict(removals: int, active: int, **more: Any) -> HoldReason | None:
    found = judge(removals, active, **({"listing_empty": False, "resynced": False, "count": 50, "percent": 10} | more))
    return found.reason if found else None


@pytest.mark.parametrize(
    ("removals", "active", "held"),
    [
        (0, 0, False),
        (1, 1, False),
        (50, 50, False),
        (51, 51, True),
        (51, 509, True),
        (51, 510, False),
        (100, 1000, False),
        (101, 1000, True),
    ],
)
def test_more_than_the_number_and_the_per_cent_are_held(removals: int, active: int, held: bool) -> None:
    assert verdict(removals, active) == (HoldReason.TOO_MANY if held else None)


@given(st.integers(0, 1000), st.integers(0, 1000), st.booleans(), st.booleans())
def test_what_an_empty_listing_or_a_resync_causes_is_always_held(
    removals: int, active: int, empty: bool, resynced: bool
) -> None:
    found = judge(removals, active, listing_empty=empty, resynced=resynced, count=10_000, percent=100)
    assert (found is not None) == (removals > 0 and (empty or resynced))
    if found:
        assert found.detail.startswith(f"{removals} of {active} assigned users and groups would be removed")


@given(st.integers(1, 500), st.integers(0, 500), st.integers(0, 500))
def test_one_more_removal_never_turns_a_hold_into_a_pass(removals: int, active: int, more: int) -> None:
    if verdict(removals, active) is not None:
        assert verdict(removals + more, active) is not None
