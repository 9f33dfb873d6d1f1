"""What is said of a user or group: checked against a model of its own, whatever the order of rows and the history."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from services.assignment_watcher.core import (
    DEFAULT_ACCESS,
    LONGEST_PAUSE_SECONDS,
    Emitted,
    Job,
    Mirrored,
    Path,
    Reason,
    decide,
    derive,
    pause_after,
)
from shared.contracts.assignments import AppRole, Lifecycle
from shared.contracts.message import ObjectType

START = datetime(2026, 1, 1, tzinfo=UTC)
ROLES = {"r1": AppRole(id="r1", value="User", display_name="User"), "r2": AppRole(id="r2", value="Admin")}
ATTRIBUTES = ("accountEnabled", "city", "id", "mail")
JOB = Job(
    roles=ROLES, counting=frozenset({"r1"}), attributes={ObjectType.USER: ATTRIBUTES, ObjectType.GROUP: ATTRIBUTES}
)

paths = st.lists(
    st.builds(
        Path,
        assigned_at=st.integers(0, 5).map(lambda days: START + timedelta(days=days)),
        assignment_id=st.sampled_from("abcdef"),
        group_id=st.none() | st.sampled_from(["g1", "g2"]),
        role_id=st.sampled_from(["r1", "r2", "r3", DEFAULT_ACCESS.id]),
        nested=st.booleans(),
    ),
    max_size=5,
    unique=True,
)
values = st.none() | st.booleans() | st.text(max_size=3)
attributes = st.dictionaries(st.sampled_from([*ATTRIBUTES, "userPrincipalName", "securityEnabled"]), values)
types = st.sampled_from([ObjectType.USER, ObjectType.GROUP])
lifecycles = st.sampled_from(list(Lifecycle))
objects = st.builds(
    Mirrored,
    object_type=types,
    object_id=st.just("u1"),
    lifecycle=lifecycles,
    attributes=attributes,
    paths=paths.map(tuple),
)


def said(user: Mirrored, last: Emitted | None) -> Any:
    return decide(user, last, JOB)


def model(user: Mirrored) -> Mapping[str, Any]:
    """The same, thought out in another way: a dictionary that two equal states share."""
    insecure = user.object_type == "group" and user.attributes.get("securityEnabled", True) is False
    held = [] if user.lifecycle == "hardDeleted" or insecure else list(user.paths)
    oldest = None
    for path in held:
        if oldest is None or path.assigned_at < oldest:
            oldest = path.assigned_at
    return {
        "assigned": len(held) > 0,
        "paths": frozenset(held),
        "roles": frozenset(path.role_id for path in held),
        "lifecycle": user.lifecycle.value,
        "attributes": {
            "id": "u1",
            **{k: v for k, v in user.attributes.items() if v is not None and k in ("accountEnabled", "city", "mail")},
            **({"securityEnabled": not insecure} if user.object_type == "group" else {}),
        },
        "assigned_at": oldest,
    }


@given(objects)
def test_the_derived_state_is_that_of_the_model(user: Mirrored) -> None:
    state, expected = derive(user, None, JOB), model(user)
    assert state.assigned is expected["assigned"]
    assert frozenset(state.paths) == expected["paths"]
    assert frozenset(role.id for role in state.roles) == expected["roles"]
    assert state.attributes == expected["attributes"]
    assert state.assigned_at == expected["assigned_at"]
    assert [path.assigned_at for path in state.paths] == sorted(path.assigned_at for path in state.paths)


@given(objects, objects)
def test_two_digests_are_equal_exactly_when_the_states_are(one: Mirrored, other: Mirrored) -> None:
    digests = [derive(user, None, JOB).digest for user in (one, other)]
    same = [
        {**model(user), "attributes": sorted(map(repr, model(user)["attributes"].items()))} for user in (one, other)
    ]
    assert (digests[0] == digests[1]) is (same[0] == same[1])


@given(objects, st.randoms(use_true_random=False))
def test_the_order_of_rows_and_of_attributes_changes_nothing(user: Mirrored, source: Any) -> None:
    rows, items = list(user.paths), list(user.attributes.items())
    source.shuffle(rows)
    source.shuffle(items)
    shuffled = replace(user, attributes=dict(items), paths=rows)
    assert derive(user, None, JOB) == derive(shuffled, None, JOB)


@given(st.lists(objects, max_size=6))
def test_i8_versions_have_no_gap_and_nothing_is_said_twice_in_a_row(history: list[Mirrored]) -> None:
    last: Emitted | None = None
    spoken: list[Mapping[str, Any]] = []
    for user in history:
        decision = said(user, last)
        if decision.state is None:
            assert decision.reason in {Reason.UNCHANGED, Reason.NEVER_ASSIGNED, Reason.NOT_LIVE, Reason.UNKNOWN}
            continue
        assert decision.version == (last.version + 1 if last else 1)
        spoken.append({**model(user), "assigned_at": None})
        last = Emitted(version=decision.version, digest=decision.state.digest, assigned_at=decision.state.assigned_at)
        assert said(user, last).reason is Reason.UNCHANGED
    if history and last:
        assert spoken[-1] == {**model(history[-1]), "assigned_at": None}


@given(objects)
def test_only_a_live_object_with_an_assignment_is_said_for_the_first_time(user: Mirrored) -> None:
    decision = said(user, None)
    assert (decision.state is not None) is (bool(user.paths) and user.lifecycle is Lifecycle.LIVE)
    assert decision.unknown is (bool(user.paths) and user.lifecycle is Lifecycle.UNKNOWN)


@given(objects)
def test_what_nested_groups_add_is_news_only_where_a_membership_is_not_direct(user: Mirrored) -> None:
    direct = replace(user, paths=[path._replace(nested=False) for path in user.paths])
    same = derive(user, None, JOB).digest == derive(direct, None, JOB).digest
    assert same is not any(path.nested for path in derive(user, None, JOB).paths)


def test_a_group_that_is_not_security_enabled_is_said_without_being_assigned() -> None:
    path = Path(START, "a", None, "r1")
    group = Mirrored(
        object_type=ObjectType.GROUP,
        object_id="g1",
        lifecycle=Lifecycle.LIVE,
        attributes={"securityEnabled": False},
        paths=[path],
    )
    decision = said(group, None)
    assert decision.state is not None
    assert not decision.state.assigned
    assert not decision.effective
    assert decision.state.attributes["securityEnabled"] is False
    secure = said(replace(group, attributes={"securityEnabled": True}), None)
    assert secure.effective
    last = Emitted(version=1, digest=secure.state.digest, assigned_at=START, effective=True)
    assert said(group, last).removal


def test_the_last_known_time_of_an_assignment_stays_with_a_leaver() -> None:
    user = Mirrored(object_id="u1", lifecycle=Lifecycle.LIVE, attributes={}, paths=())
    decision = said(user, Emitted(version=3, digest=b"", assigned_at=START))
    assert decision.reason is Reason.UNASSIGNED
    assert decision.state is not None
    assert decision.state.assigned_at == START
    assert decision.version == 4


@given(st.integers(0, 100), st.floats(1, 86_400))
def test_the_pause_is_the_interval_and_after_failures_grows_to_a_minute_at_most(failures: int, interval: float) -> None:
    pause = pause_after(failures, interval)
    assert interval <= pause <= max(interval, LONGEST_PAUSE_SECONDS)
    assert pause <= pause_after(failures + 1, interval)
    if not failures:
        assert pause == interval
