"""Options of mappings and properties of attributes that cannot be done, or do nothing, are told by name and place."""

import json
from typing import Any

import pytest

from shared.schema.findings import Severity
from tests.support.builders_schema import (
    ENTERPRISE,
    LINKEDIN,
    USER_ROWS,
    defined,
    document,
    found,
    row,
    with_groups,
)
from tests.support.schema_cases import GROUPS, THIRD, USERS, Case, expect


def told(key: str, value: str) -> dict[str, Any]:
    return document(metadata=[{"key": key, "value": value}])


def left(attribute: str, value: Any) -> list[dict[str, Any]]:
    """Metadata that sets an attribute of who leaves."""
    return [{"key": "Seatkeeper.WhenUnassigned", "value": json.dumps({"setAttribute": attribute, "value": value})}]


def switch(word: str) -> list[dict[str, str]]:
    return [{"key": "Seatkeeper.FlowNullValues", "value": word}]


CASES = {
    "an option nobody knows": Case("InvalidOption", f"{USERS}.metadata", told("Seatkeeper.FlowNull", "true")),
    "a switch that is none": Case("InvalidOption", f"{USERS}.metadata", told("Seatkeeper.FlowNullValues", "maybe")),
    "an action that is none": Case("InvalidOption", f"{USERS}.metadata", told("Seatkeeper.WhenBlocked", "explode")),
    "a delete where nothing is deleted": Case(
        "DeleteUnsupported",
        f"{USERS}.metadata",
        document(
            row("externalId", "[objectId]", matchingPriority=1),
            base=(row("userName", "[userPrincipalName]"), USER_ROWS[1]),
            metadata=[{"key": "Seatkeeper.WhenUnassigned", "value": "delete"}],
        ),
        template=LINKEDIN,
    ),
    "an attribute to set that is not mapped": Case(
        "UnknownTargetAttribute",
        f"{USERS}.metadata",
        told("Seatkeeper.WhenUnassigned", '{"setAttribute": "title", "value": "Left"}'),
    ),
    "a reference to set": Case(
        "NotAReference",
        f"{USERS}.metadata",
        document(row(f"{ENTERPRISE}:manager", "[manager]"), metadata=left(f"{ENTERPRISE}:manager", "u-1")),
    ),
    "a matching attribute to empty": Case(
        "EmptyValue",
        f"{USERS}.metadata",
        document(row("externalId", "[objectId]", matchingPriority=2), metadata=left("externalId", " ")),
    ),
    "a required attribute to empty": Case("EmptyValue", f"{USERS}.metadata", document(metadata=left("userName", ""))),
    "a word to set where a boolean is": Case("WrongType", f"{USERS}.metadata", document(metadata=left("active", "no"))),
    "a NUL to set": Case(
        "NulCharacter", f"{USERS}.metadata", document(row("title", "[jobTitle]"), metadata=left("title", "a\x00b"))
    ),
    "a group that is to be disabled": Case(
        "UnsupportedForGroups",
        f"{GROUPS}.metadata",
        with_groups(metadata=[{"key": "Seatkeeper.WhenUnassigned", "value": "disable"}]),
    ),
    "an attribute to set of a group": Case(
        "UnsupportedForGroups", f"{GROUPS}.metadata", with_groups(metadata=left("displayName", "Left"))
    ),
    "links of groups that are kept": Case(
        "UnsupportedForGroups",
        f"{GROUPS}.metadata",
        with_groups(metadata=[{"key": "Seatkeeper.KeepManagingReleasedLinks", "value": "false"}]),
    ),
    "groups without the name that they need": Case(
        "RequiredNotMapped",
        f"{GROUPS}.attributeMappings",
        with_groups(attributeMappings=[row("externalId", "[objectId]", matchingPriority=1)]),
    ),
    "a switch of one attribute that is none": Case(
        "InvalidOption", f"{THIRD}.targetAttributeName", defined("title", metadata=switch("maybe"))
    ),
    "references that are missing": Case(
        "IgnoredProperty",
        f"{THIRD}.exportMissingReferences",
        document(row(f"{ENTERPRISE}:manager", "[manager]", exportMissingReferences=True)),
        Severity.WARNING,
    ),
    "a default of an attribute that is not required": Case(
        "IgnoredProperty", f"{THIRD}.targetAttributeName", defined("title", defaultValue="None"), Severity.WARNING
    ),
    "a default of a definition of the wrong type": Case(
        "WrongType", f"{THIRD}.targetAttributeName", defined("level", type="Integer", required=True, defaultValue="low")
    ),
    "an immutable attribute to set": Case(
        "NotWritable", f"{USERS}.metadata", defined("title", mutability="Immutable", mapping=left("title", "Left"))
    ),
    "an immutable activity": Case(
        "NotWritable",
        f"{THIRD}.targetAttributeName",
        defined("closed", "[IsSoftDeleted]", base=(*USER_ROWS[:1], row("title", "[jobTitle]")), mutability="Immutable"),
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_with_an_option_is_named_with_its_place_and_a_remedy(case: Case) -> None:
    expect(case)


def test_groups_that_are_not_enabled_need_no_name() -> None:
    assert found(with_groups(attributeMappings=[], enabled=False)) == ()


def test_the_finding_of_a_switch_names_its_attribute() -> None:
    assert "title" in found(defined("title", metadata=switch("maybe")))[0].message
