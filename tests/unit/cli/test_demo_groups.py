"""The demo's judgement of the groups at the target: exactly the assigned ones, with exactly their provisioned direct members."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.demo.evidence import Evidence
from cli.demo.groups import groups_in_step

SALES, FIELD = "group-sales", "group-field"


def user(name: str, *groups: str, state: str = "live") -> dict[str, Any]:
    return {"id": name, "groups": list(groups), "state": state}


def group(object_id: str, *members: str, name: str | None = None) -> dict[str, Any]:
    return {
        "id": f"at-{object_id}",
        "externalId": object_id,
        "displayName": name or object_id,
        "members": list(members),
    }


def assigned(object_id: str, *roles: str, assignable: bool = True) -> dict[str, Any]:
    return {"roles": list(roles or ("User",)), "assignable": assignable, "properties": {"displayName": object_id}}


def accounts(*users: str, active: bool = True) -> dict[str, dict[str, Any]]:
    return {name: {"id": f"account-{name}", "active": active} for name in users}


IN_STEP = Evidence(
    truth={},
    truth_groups={
        SALES: assigned(SALES),
        FIELD: assigned(FIELD),
        "group-readers": assigned("group-readers", "Default Access"),
        "group-of-mail": assigned("group-of-mail", assignable=False),
    },
    directory=[
        user("ann", SALES),
        user("ben", SALES, FIELD),
        user("waiting", SALES),
        user("disabled", FIELD),
        user("alone"),
        user("deleted", SALES, state="soft"),
        user("reader", "group-readers"),
    ],
    directory_users=6,
    accounts={**accounts("ann", "ben", "alone", "deleted"), **accounts("disabled", active=False)},
    target={},
    target_groups=[group(SALES, "account-ann", "account-ben"), group(FIELD, "account-ben", "account-disabled")],
    people={},
    pool={},
    licenses={},
    license_history=[],
    outbox_rows=0,
    lag=0,
    dead_letters=0,
    events=[],
    users={},
    mails=[],
)


def test_groups_in_step_are_not_contradicted() -> None:
    assert list(groups_in_step(IN_STEP)) == []


@pytest.mark.parametrize(
    ("sales", "problem"),
    [
        pytest.param([], "group-sales is assigned and is no group at the target", id="missing-group"),
        pytest.param(
            [group(SALES, "account-ann", "account-ben"), group(SALES, "account-ann", "account-ben")],
            "group-sales is 2 groups at the target",
            id="double-group",
        ),
        pytest.param(
            [group(SALES, "account-ann", "account-ben", name="Older name")],
            "group-sales has another name at the target than in the directory",
            id="not-renamed",
        ),
        pytest.param(
            [group(SALES, "account-ann")], "ben has an account and is missing in group-sales", id="missing-member"
        ),
        pytest.param(
            [group(SALES, "account-ann", "account-ben", "account-ann")],
            "account-ann is a member of group-sales 2 times",
            id="double-member",
        ),
        pytest.param(
            [group(SALES, "account-ann", "account-ben", "account-alone")],
            "alone is a member of group-sales at the target and not in the directory",
            id="no-member-in-the-directory",
        ),
        pytest.param(
            [group(SALES, "account-ann", "account-ben", "account-deleted")],
            "deleted is a member of group-sales at the target and not in the directory",
            id="deleted-in-the-directory",
        ),
        pytest.param(
            [group(SALES, "account-ann", "account-ben", "somebody-elses")],
            "somebody-elses is a member of group-sales and no account of ours",
            id="foreign-member",
        ),
        pytest.param(
            [group(SALES, "account-ann", "account-ben"), group("group-readers")],
            "1 groups at the target are called group-readers, which is no assigned group",
            id="group-that-is-not-assigned",
        ),
    ],
)
def test_what_contradicts_the_groups_is_said_by_id(sales: list[dict[str, Any]], problem: str) -> None:
    evidence = replace(IN_STEP, target_groups=[*sales, IN_STEP.target_groups[1]])
    assert list(groups_in_step(evidence)) == [problem]


@given(
    wanted=st.frozensets(st.sampled_from("abcdef")),
    there=st.frozensets(st.sampled_from("abcdef")),
    provisioned=st.frozensets(st.sampled_from("abcdef")),
)
def test_groups_are_in_step_only_with_exactly_the_provisioned_members(
    wanted: frozenset[str], there: frozenset[str], provisioned: frozenset[str]
) -> None:
    evidence = replace(
        IN_STEP,
        truth_groups={SALES: assigned(SALES)},
        directory=[user(name, *([SALES] if name in wanted else [])) for name in "abcdef"],
        accounts=accounts(*provisioned),
        target_groups=[group(SALES, *(f"account-{name}" for name in sorted(there)))],
    )
    assert (not list(groups_in_step(evidence))) == (there == wanted & provisioned)
