"""Mapping: from Graph properties to the flat resource at the target."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.diff.mapping import map_user
from services.diff.rules import Rules
from services.diff.scope import SkipCode
from shared.contracts.changes import MatchingValue
from shared.contracts.templates import TEMPLATES
from shared.contracts.templates.template import AttributeMapping, MappingKind
from tests.support.builders_diff import OBJECT, attributes, definition, rules

EMPTY: list[Any] = [None, "", []]


def test_every_mapped_property_gets_its_scim_path() -> None:
    mapped = map_user(rules(), OBJECT, attributes(jobTitle="Buyer", city="Oslo", department="Sales"))
    assert mapped.resource == {
        "externalId": OBJECT,
        "userName": "ada@example.org",
        "name.givenName": "Ada",
        "name.familyName": "Example",
        "displayName": "Ada Example",
        "title": "Buyer",
        'addresses[type eq "work"].locality': "Oslo",
        'emails[type eq "work"].value': "ada@example.org",
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User:department": "Sales",
        "active": True,
    }
    assert mapped.matching == (MatchingValue(attribute="externalId", value=OBJECT),)
    assert mapped.failed == ()


@pytest.mark.parametrize("empty", EMPTY)
def test_null_is_not_provisioned(empty: Any) -> None:
    assert "title" not in map_user(rules(), OBJECT, attributes(jobTitle=empty)).resource


@pytest.mark.parametrize("empty", EMPTY)
def test_a_missing_required_value_is_named(empty: Any) -> None:
    failed = map_user(rules(), OBJECT, attributes(userPrincipalName=empty)).failed
    assert [condition.code for condition in failed] == [SkipCode.ATTRIBUTE_VALIDATION_FAILED]
    assert "userName" in failed[0].reason
    assert "userPrincipalName" in failed[0].reason


def test_the_object_id_is_there_even_when_the_directory_sent_no_attributes() -> None:
    assert map_user(rules(), OBJECT, {}).resource == {"externalId": OBJECT, "active": True}


def test_a_guest_goes_by_the_name_at_home() -> None:
    mapped = map_user(rules(), OBJECT, attributes(userPrincipalName="a_b_home.example#EXT#@tenant.example"))
    assert mapped.resource["userName"] == "a_b@home.example"


def test_constants_are_taken_as_they_are_and_false_is_a_value() -> None:
    template = TEMPLATES[definition().template]
    rows = (
        AttributeMapping(target="userType", kind=MappingKind.CONSTANT, value="Employee"),
        AttributeMapping(target="flag", kind=MappingKind.CONSTANT, value=False),
        AttributeMapping(target="title", kind=MappingKind.CONSTANT, value=""),
        AttributeMapping(target="active", kind=MappingKind.ACTIVE),
    )
    mapped = map_user(Rules.of(definition(), replace(template, user_mapping=rows)), OBJECT, {})
    assert mapped.resource == {"userType": "Employee", "flag": False, "active": True}


def test_without_any_matching_value_nobody_is_imported() -> None:
    row = AttributeMapping(target="userName", source="userPrincipalName", matching_priority=1)
    mapped = map_user(replace(rules(), direct=(row,), matching=("userName",)), OBJECT, {})
    assert [condition.code for condition in mapped.failed] == [SkipCode.IMPORT_SKIPPED]


def test_a_template_that_cannot_disable_is_refused() -> None:
    template = TEMPLATES[definition().template]
    crippled = replace(template, user_mapping=template.user_mapping[:-1])
    with pytest.raises(ValueError, match="maps nothing to active"):
        Rules.of(definition(), crippled)


@given(st.dictionaries(st.sampled_from(sorted(attributes())), st.one_of(st.none(), st.text(), st.booleans())))
def test_no_empty_value_is_ever_wanted_and_the_same_input_maps_the_same(values: dict[str, Any]) -> None:
    mapped = map_user(rules(), OBJECT, values)
    assert all(value not in EMPTY for value in mapped.resource.values())
    assert mapped == map_user(rules(), OBJECT, values)
