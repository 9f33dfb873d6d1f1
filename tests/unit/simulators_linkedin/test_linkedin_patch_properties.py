"""Properties of the pure cores of the LinkedIn simulator: PATCH, filters, attribute selection."""

import copy
import functools
import json
from collections.abc import Callable
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulators.linkedin import patch
from simulators.linkedin.answers import listing, selected
from simulators.linkedin.attributes import CORE_USER, ENTERPRISE_USER, PATCH_OP, normalise_user
from simulators.linkedin.errors import ScimError
from simulators.linkedin.filters import parse_conditions, parse_equals

T = TypeVar("T")
REQUIRED = frozenset({"externalId", "userName", "email"})
TEXT = st.text(min_size=1, max_size=12)
SINGLE = ("title", "displayName", "name.givenName", "name.familyName", f"{ENTERPRISE_USER}:department")
CASED = st.sampled_from(["Replace", "replace", "REPLACE"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
PATHS = (
    st.sampled_from(
        [
            *SINGLE,
            "active",
            "emails",
            'emails[type eq "work"].value',
            'emails[type eq "home"]',
            "manager",
            ENTERPRISE_USER,
            "id",
        ]
    )
    | TEXT
)


def _user() -> dict[str, Any]:
    document = {
        "schemas": [CORE_USER, ENTERPRISE_USER],
        "externalId": "a",
        "userName": "a@example.com",
        "emails": [{"type": "work", "value": "a@example.com"}],
        "addresses": [{"type": "work", "locality": "Oslo"}],
        ENTERPRISE_USER: {"department": "Sales"},
    }
    return normalise_user(document, required=REQUIRED)


def _tried(operation: Callable[[], T]) -> tuple[T | None, ScimError | None]:
    try:
        return operation(), None
    except ScimError as error:
        return None, error


def _message(*operations: dict[str, Any]) -> dict[str, Any]:
    return {"schemas": [PATCH_OP], "Operations": list(operations)}


def _applied(*operations: dict[str, Any]) -> dict[str, Any]:
    return normalise_user(patch.apply(_user(), _message(*operations), required=REQUIRED), required=REQUIRED)


@given(changes=st.dictionaries(st.sampled_from(SINGLE), TEXT, min_size=1), verb=CASED)
def test_both_dialects_lead_to_the_same_user(changes: dict[str, str], verb: str) -> None:
    one_each = _applied(*({"op": verb, "path": path, "value": value} for path, value in changes.items()))
    merged = _applied({"op": verb, "value": changes})
    assert one_each == merged


@given(path=st.sampled_from(SINGLE), value=TEXT)
def test_a_replace_repeated_changes_nothing_more(path: str, value: str) -> None:
    operation = {"op": "replace", "path": path, "value": value}
    assert _applied(operation) == _applied(operation, operation)


@given(path=st.sampled_from(SINGLE), value=TEXT)
def test_a_remove_undoes_an_add(path: str, value: str) -> None:
    removed = _applied({"op": "remove", "path": path})
    assert _applied({"op": "add", "path": path, "value": value}, {"op": "remove", "path": path}) == removed


@given(verb=st.sampled_from(["add", "replace", "remove"]), path=PATHS, value=JSON)
def test_any_operation_either_keeps_the_user_well_formed_or_is_a_scim_error(verb: str, path: str, value: Any) -> None:
    changed, error = _tried(lambda: _applied({"op": verb, "path": path, "value": value}))
    if error is not None:
        assert error.status == 400
        assert error.scim_type
    else:
        assert changed is not None
        assert normalise_user(copy.deepcopy(changed), required=REQUIRED) == changed
        assert isinstance(changed["active"], bool)
        assert sum(item.get("primary", False) for item in changed.get("emails", [])) <= 1


@given(document=JSON)
def test_any_document_is_a_user_or_a_scim_error(document: Any) -> None:
    with pytest.raises(ScimError):
        normalise_user(document, required=REQUIRED)


@given(value=st.text(max_size=30))
def test_a_filter_gives_back_the_value_it_was_made_of(value: str) -> None:
    assert parse_equals(f"externalId eq {json.dumps(value)}") == ("externalid", value)


@given(
    conditions=st.lists(
        st.tuples(st.sampled_from(["type", "value", "primary"]), TEXT | st.booleans()), min_size=1, max_size=4
    )
)
def test_a_value_path_gives_back_its_conditions(conditions: list[tuple[str, object]]) -> None:
    text = " and ".join(f"{name} eq {json.dumps(value)}" for name, value in conditions)
    assert parse_conditions(text) == conditions


@given(text=st.text(max_size=40))
def test_any_other_filter_is_refused_and_never_crashes(text: str) -> None:
    for parse in (parse_equals, parse_conditions):
        _, error = _tried(functools.partial(parse, text))
        assert error is None or (error.status, error.scim_type) == (400, "invalidFilter")


@given(names=st.lists(st.sampled_from(["userName", "emails", "addresses", ENTERPRISE_USER, "title"]), unique=True))
def test_attributes_and_excluded_attributes_part_the_resource(names: list[str]) -> None:
    user = {**_user(), "id": "7"}
    body = json.dumps(user).encode()
    always = {"schemas", "id"}
    kept = json.loads(selected(body, {"attributes": ",".join(names)}))
    rest = json.loads(selected(body, {"excludedAttributes": ",".join(names)}))
    if names:
        assert kept.keys() & rest.keys() <= always
    assert {**rest, **kept} == user


@given(documents=st.lists(st.dictionaries(TEXT, TEXT, max_size=2), max_size=5))
def test_a_listing_is_json_and_counts(documents: list[dict[str, str]]) -> None:
    content = json.loads(listing([json.dumps(each).encode() for each in documents]))
    assert content["Resources"] == documents
    assert content["totalResults"] == content["itemsPerPage"] == len(documents)
