"""What flows to an account that exists."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.schema.flow import changed_values, wanted_values
from tests.support.builders_schema import CONTEXT, RECORD, compiled, row

HELD = {"userName": "ada@example.org", "active": True}
TYPES = ["Always", "ObjectAddOnly", "MultiValueAddOnly", "ValueAddOnly", "AttributeAddOnly"]

SINGLE = {
    ("Always", "held"): {"title": "new"},
    ("Always", "nothing held"): {"title": "new"},
    ("Always", "cleared"): {"title": None},
    ("ObjectAddOnly", "held"): {},
    ("ObjectAddOnly", "nothing held"): {},
    ("ObjectAddOnly", "cleared"): {},
    ("MultiValueAddOnly", "held"): {},
    ("MultiValueAddOnly", "nothing held"): {"title": "new"},
    ("MultiValueAddOnly", "cleared"): {},
    ("ValueAddOnly", "held"): {"title": "new"},
    ("ValueAddOnly", "nothing held"): {"title": "new"},
    ("ValueAddOnly", "cleared"): {},
    ("AttributeAddOnly", "held"): {},
    ("AttributeAddOnly", "nothing held"): {"title": "new"},
    ("AttributeAddOnly", "cleared"): {},
}


def changed(confirmed: dict[str, Any], *rows: dict[str, Any], **record: Any) -> dict[str, Any]:
    mapping = compiled(*rows).users
    return changed_values(mapping, mapping.evaluate({**RECORD, **record}, CONTEXT), {**HELD, **confirmed})


@pytest.mark.parametrize(("flow_type", "case"), SINGLE, ids=lambda value: value)
def test_a_single_value_flows_by_its_flow_type(flow_type: str, case: str) -> None:
    confirmed = {} if case == "nothing held" else {"title": "old"}
    source = None if case == "cleared" else "new"
    flowing = changed(confirmed, row("title", "[jobTitle]", flowType=flow_type), jobTitle=source)
    assert flowing == SINGLE[flow_type, case]


def roles(*names: str) -> list[dict[str, str]]:
    return [{"id": name, "value": name, "displayName": name} for name in names]


@pytest.mark.parametrize(
    ("function", "expected"),
    [("AppRoleAssignmentsComplex", ["old", "new"]), ("AssertiveAppRoleAssignmentsComplex", ["new"])],
    ids=["roles are only added", "roles are forced"],
)
def test_app_roles_flow_as_their_function_says(function: str, expected: list[str]) -> None:
    mapping = compiled(row("roles", f"{function}([appRoleAssignments])")).users
    before = mapping.evaluate({**RECORD, "appRoleAssignments": roles("old")}, CONTEXT).values["roles"]
    after = mapping.evaluate({**RECORD, "appRoleAssignments": roles("new")}, CONTEXT)
    flowing = changed_values(mapping, after, {**HELD, "roles": before})
    assert [role["value"] for role in flowing["roles"]] == expected


def test_only_what_we_confirmed_is_ever_removed() -> None:
    assert changed({}, row("title", "[jobTitle]")) == {}
    assert changed({"title": "Buyer"}, row("title", "[jobTitle]")) == {"title": None}


def test_a_difference_in_case_alone_counts_where_the_attribute_is_case_exact() -> None:
    assert changed({"userName": "ADA@EXAMPLE.ORG"}) == {}
    assert changed({"title": "BUYER"}, row("title", "[jobTitle]"), jobTitle="Buyer") == {"title": "Buyer"}


def test_a_mapping_that_always_flows_goes_with_every_update_and_makes_none() -> None:
    rows = (row("title", "[jobTitle]", flowBehavior="FlowAlways"), row("nickName", "[city]"))
    held = {"title": "Buyer", "nickName": "Oslo"}
    assert changed(held, *rows, jobTitle="Buyer", city="Oslo") == {}
    assert changed(held, *rows, jobTitle="Buyer", city="Bergen") == {"title": "Buyer", "nickName": "Bergen"}


VALUES = st.none() | st.sampled_from(["", "a", "A", "b"])


@given(st.sampled_from(TYPES), VALUES, VALUES)
def test_once_an_update_is_done_nothing_is_left_to_write(flow_type: str, source: str | None, held: str | None) -> None:
    mapping = compiled(row("title", "[jobTitle]", flowType=flow_type)).users
    mapped = mapping.evaluate({**RECORD, "jobTitle": source}, CONTEXT)
    confirmed = {**HELD, **({"title": held} if held else {})}
    written = {**confirmed, **wanted_values(mapping, mapped, confirmed)}
    done = {path: value for path, value in written.items() if value is not None}
    assert changed_values(mapping, mapped, done) == {}
