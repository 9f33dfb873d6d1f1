"""Flat paths and nested resources."""

from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.scim_writer.dialects import ENTRA, ENTRA_062020, RFC7644, Dialect
from services.scim_writer.resources import (
    CORE_USER,
    differences,
    fingerprint,
    nested,
    operations,
    parse_path,
    read,
)
from simulators.linkedin.attributes import normalise_user
from simulators.linkedin.patch import apply
from tests.support.builders_scim_writer import DEPARTMENT, WORK_EMAIL, a_resource

LOCALITY = 'addresses[type eq "work"].locality'
STREET = 'addresses[type eq "work"].streetAddress'
HOME_EMAIL = 'emails[type eq "home"].value'
PATHS = [
    "externalId",
    "userName",
    "name.givenName",
    "name.familyName",
    "displayName",
    "title",
    LOCALITY,
    STREET,
    WORK_EMAIL,
    HOME_EMAIL,
    DEPARTMENT,
]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)
FLAT = st.dictionaries(st.sampled_from(PATHS), TEXT).map(
    lambda flat: {"userName": "u@contoso.example", **flat, "active": True}
)


@given(FLAT)
def test_what_is_nested_is_read_back(flat: dict[str, Any]) -> None:
    resource = orjson.loads(orjson.dumps(nested(flat)))
    assert {path: read(resource, path) for path in flat} == flat
    assert all(read(resource, path) is None for path in PATHS if path not in flat)
    assert differences(flat, resource) == {}


KEPT = FLAT.map(lambda flat: {path: value for path, value in flat.items() if path != STREET})  # what the target keeps


@given(KEPT, KEPT, st.sampled_from([RFC7644, ENTRA]), st.booleans())
def test_operations_lead_from_any_resource_to_any_other(
    before: dict[str, Any], after: dict[str, Any], dialect: Any, was_active: bool
) -> None:
    """Whatever differs is written by the operations, and nothing else: checked with the target's own PATCH."""
    before = {**before, "active": was_active}
    resource = normalise_user(nested(before), required=frozenset())
    wanted = {**dict.fromkeys(before), **after}
    changes = differences(wanted, resource)
    body = {
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": operations(changes, dialect, resource),
    }
    patched = (
        normalise_user(apply(resource, orjson.loads(orjson.dumps(body)), required=frozenset()), required=frozenset())
        if changes
        else resource
    )
    assert differences(wanted, patched) == {}


@pytest.mark.parametrize("path", ["", "name.", "a b", 'emails[type ne "work"].value', "urn:x:"])
def test_a_path_that_cannot_be_understood_names_no_value(path: str) -> None:
    with pytest.raises(ValueError, match="correct the mapping"):
        parse_path(path)


def test_paths_that_contradict_each_other_are_refused() -> None:
    for flat in (
        {"name": "x", "name.givenName": "y"},
        {"name.givenName": "y", "name": "x"},
        {"emails": "x", WORK_EMAIL: "y"},
    ):
        with pytest.raises(ValueError, match="correct the mapping"):
            nested(flat)


def test_a_full_resource_names_the_schemas_it_uses() -> None:
    resource = nested(a_resource("ann"))
    assert resource["schemas"] == [CORE_USER, DEPARTMENT.rpartition(":")[0]]
    assert resource["emails"] == [{"type": "work", "value": "ann@contoso.example"}]
    assert nested({f"{CORE_USER}:title": "x"}) == {"schemas": [CORE_USER], "title": "x"}


def test_names_compare_without_case_and_booleans_may_be_text() -> None:
    resource = {"USERNAME": "u", "active": "True", "emails": [{"Type": "WORK", "value": "m"}]}
    assert read(resource, "userName") == "u"
    assert read(resource, WORK_EMAIL) == "m"
    assert differences({"active": True}, resource) == {}
    assert differences({"active": False}, resource) == {"active": False}
    assert read({"emails": "odd", "name": ["odd"]}, WORK_EMAIL) is None
    assert read({"name": ["odd"]}, "name.givenName") is None


def test_a_missing_element_is_added_whole_and_once() -> None:
    found = operations({LOCALITY: "Utrecht", STREET: "Oudegracht"}, RFC7644, {})
    assert found == [
        {
            "op": "add",
            "path": "addresses",
            "value": [{"type": "work", "locality": "Utrecht", "streetAddress": "Oudegracht"}],
        }
    ]


def test_the_dialects_word_a_disable_differently() -> None:
    assert RFC7644.operation("replace", "active", False) == {"op": "replace", "path": "active", "value": False}
    assert ENTRA.operation("replace", "active", False) == {"op": "Replace", "path": "active", "value": "False"}


def test_a_fingerprint_tells_values_and_types_apart() -> None:
    marks = {fingerprint(value) for value in ("a", "A", True, "true", None, "", "null")}
    assert len(marks) == 7


MANAGER = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:manager"
BOTH = [RFC7644, ENTRA, ENTRA_062020]


@pytest.mark.parametrize("dialect", BOTH, ids=lambda dialect: dialect.name)
def test_a_manager_is_written_as_a_reference_and_read_back_as_the_id(dialect: Dialect) -> None:
    (written,) = operations({MANAGER: "42"}, dialect)
    assert (written["op"].lower(), written["path"], written["value"]) == ("replace", MANAGER, {"value": "42"})
    (removed,) = operations({MANAGER: None}, dialect)
    assert (removed["op"].lower(), removed["path"]) == ("remove", MANAGER)
    assert "value" not in removed
    whole = nested({"userName": "ann", MANAGER: "42"})
    schema, _, name = MANAGER.rpartition(":")
    assert whole[schema] == {name: {"value": "42"}}
    held = {schema: {name: {"value": "42", "$ref": "../Users/42", "displayName": "Bo"}}}
    assert differences({MANAGER: "42"}, held) == {}
    assert differences({MANAGER: "43"}, held) == {MANAGER: "43"}
    assert differences({MANAGER: None}, held) == {MANAGER: None}


@pytest.mark.parametrize("dialect", BOTH, ids=lambda dialect: dialect.name)
def test_every_cleared_attribute_becomes_a_remove_and_never_a_null(dialect: Dialect) -> None:
    paths = ["title", "name.givenName", DEPARTMENT, MANAGER, WORK_EMAIL, 'addresses[type eq "work"].locality']
    written = operations(dict.fromkeys(paths), dialect)
    assert [each["op"].lower() for each in written] == ["remove"] * len(paths)
    assert not any("value" in each for each in written)


def test_with_the_flag_of_2020_replaces_are_merged_and_value_paths_keep_their_own() -> None:
    changes = {"title": "Director", WORK_EMAIL: "a@contoso.example", "name.givenName": "Ann", "active": False}
    assert operations({**changes, DEPARTMENT: None}, ENTRA_062020) == [
        {"op": "replace", "value": {"title": "Director", "name.givenName": "Ann", "active": False}},
        {"op": "replace", "path": WORK_EMAIL, "value": "a@contoso.example"},
        {"op": "remove", "path": DEPARTMENT},
    ]
