"""What a mapping makes of one object."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.changes import MatchingValue
from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import FlowBehavior, FlowType, ObjectFlow
from shared.schema.checks import read_schema
from shared.schema.compiling import compile_schema, template_default
from shared.schema.mapping import CompiledObjectMapping, Mapped
from shared.schema.options import Action, Deprovisioning, Event
from tests.support.builders_schema import (
    CONTEXT,
    ENTERPRISE,
    RECORD,
    SCIM,
    USER_ROWS,
    clause,
    compiled,
    defined,
    document,
    entra_export,
    row,
)

EMPTY: list[Any] = [None, "", []]


def users(*rows: dict[str, Any], **mapping: Any) -> CompiledObjectMapping:
    return compiled(*rows, **mapping).users


def evaluate(*rows: dict[str, Any], mapping: dict[str, Any] | None = None, **changed: Any) -> Mapped:
    return users(*rows, **(mapping or {})).evaluate({**RECORD, **changed}, CONTEXT)


def test_the_default_of_linkedin_maps_every_property_to_its_path() -> None:
    default = template_default("linkedin-sales-navigator")
    mapped = default.users.evaluate(
        {**RECORD, "jobTitle": "Buyer", "city": "Oslo", "department": "Sales", "manager": "m-1"}, CONTEXT
    )
    assert mapped.values == {
        "externalId": "object-1",
        "userName": "ada@example.org",
        "name.givenName": "Ada",
        "name.familyName": "Example",
        "displayName": "Ada Example",
        "title": "Buyer",
        'addresses[type eq "work"].locality': "Oslo",
        'emails[type eq "work"].value': "ada@example.org",
        f"{ENTERPRISE}:department": "Sales",
        "active": True,
    }
    assert mapped.references == {f"{ENTERPRISE}:manager": "m-1"}
    assert mapped.matching == (MatchingValue(attribute="externalId", value="object-1"),)
    assert (mapped.missing, mapped.failures, mapped.cleared, mapped.ignored_object) == ((), (), (), False)
    assert default.groups is not None
    group = default.groups.evaluate({"id": "g-1", "displayName": "Sellers"}, CONTEXT)
    assert group.values == {"displayName": "Sellers", "externalId": "g-1"}
    assert group.matching == (MatchingValue(attribute="displayName", value="Sellers"),)
    assert default.groups.members_path == "members"


def test_what_is_read_from_graph_is_named_and_computed_attributes_are_not() -> None:
    default = template_default("linkedin-sales-navigator")
    assert default.source_attributes(ObjectType.USER) == (
        "accountEnabled", "city", "department", "displayName", "givenName", "id", "jobTitle", "mail", "manager", "surname",
        "userPrincipalName",
    )  # fmt: skip
    assert default.source_attributes(ObjectType.GROUP) == ("displayName", "id", "securityEnabled")
    wide = compiled(
        row("title", 'Append([extensionAttribute3], "x")'),
        row("nickName", "[extension_0123456789abcdef0123456789abcdef_nick]"),
        row("roles", "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])"),
        scope={"groups": [{"clauses": [clause("usageLocation", "EQUALS", "NO")]}]},
    )
    assert wide.source_attributes(ObjectType.USER) == (
        "accountEnabled", "extension_0123456789abcdef0123456789abcdef_nick", "id", "onPremisesExtensionAttributes",
        "usageLocation", "userPrincipalName",
    )  # fmt: skip
    assert wide.groups is None
    assert wide.source_attributes(ObjectType.GROUP) == ("displayName", "id", "securityEnabled")


def test_who_leaves_is_not_active_and_the_rest_is_mapped_all_the_same() -> None:
    mapped = evaluate(row("displayName", "[displayName]"), IsSoftDeleted=True)
    assert mapped.values["active"] is False
    assert mapped.values["displayName"] == "Ada Example"
    mapping = users()
    assert mapping.active_path == "active"
    assert [mapping.active_value(RECORD, CONTEXT, leaves=leaves) for leaves in (True, False)] == [False, True]


def test_the_names_of_entra_are_read_from_the_properties_of_graph() -> None:
    mapped = evaluate(
        row('phoneNumbers[type eq "work"].value', "[telephoneNumber]"),
        row('phoneNumbers[type eq "mobile"].value', "[mobile]"),
        row("title", "[extensionAttribute3]"),
        row("name.formatted", 'Join(" ", [facsimileTelephoneNumber], [physicalDeliveryOfficeName])'),
        row("externalId", "[objectId]"),
        row("nickName", "[originalUserPrincipalName]"),
        businessPhones=["1", "2"],
        mobilePhone="3",
        faxNumber="4",
        officeLocation="5",
        onPremisesExtensionAttributes={"extensionAttribute3": "6"},
        userPrincipalName="a_b_home.example#EXT#@tenant.example",
    )
    assert mapped.values == {
        "userName": "a_b@home.example",
        "active": True,
        'phoneNumbers[type eq "work"].value': "1",
        'phoneNumbers[type eq "mobile"].value': "3",
        "title": "6",
        "name.formatted": "4 5",
        "externalId": "object-1",
        "nickName": "a_b_home.example#EXT#@tenant.example",
    }
    assert mapped.matching[0].value == "a_b@home.example"


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
def test_null_is_not_provisioned_and_a_default_is_for_creates_only(empty: Any) -> None:
    mapped = evaluate(
        row("title", "[jobTitle]", defaultValue="New"), row("nickName", "[city]"), jobTitle=empty, city=empty
    )
    assert "title" not in mapped.values
    assert mapped.defaults == {"title": "New"}
    assert mapped.for_create()["title"] == "New"
    assert "nickName" not in mapped.for_create()


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
def test_a_missing_required_value_is_named(empty: Any) -> None:
    mapped = evaluate(userPrincipalName=empty)
    assert mapped.missing == ("userName",)
    assert mapped.matching == ()


CONSTANTS: dict[str, dict[str, Any]] = {
    "by a default value": row("userType", defaultValue='An "employee"'),
    "by its name": row("userType") | {"source": {"type": "Constant", "name": 'An "employee"'}},
    "by its text": row("userType") | {"source": {"type": "Constant", "expression": '"An \\"employee\\""'}},
}


@pytest.mark.parametrize("constant", CONSTANTS.values(), ids=CONSTANTS)
def test_a_constant_always_flows(constant: dict[str, Any]) -> None:
    assert evaluate(constant).values["userType"] == 'An "employee"'


def test_a_source_without_text_is_read_from_its_parts() -> None:
    parts = {"type": "Function", "name": "Append", "parameters": [
        {"key": "source", "value": {"type": "Attribute", "name": "givenName", "parameters": []}},
        {"key": "suffix", "value": {"type": "Constant", "name": "!", "parameters": []}},
    ]}  # fmt: skip
    mapping = users(row("title") | {"source": parts}, row("nickName") | {"source": {"name": "surname"}})
    values = mapping.evaluate(RECORD, CONTEXT).values
    assert (values["title"], values["nickName"]) == ("Ada!", "Example")


CLEARING = {
    "a plain mapping": ({}, {}, True),
    "switched off for all": ({}, {"metadata": [{"key": "Seatkeeper.FlowNullValues", "value": "false"}]}, False),
    "only during creation": ({"flowType": "ObjectAddOnly"}, {}, False),
    "only adding values": ({"flowType": "ValueAddOnly"}, {}, False),
    "only where there is none": ({"flowType": "AttributeAddOnly"}, {}, False),
}


@pytest.mark.parametrize(("more", "mapping", "cleared"), CLEARING.values(), ids=CLEARING)
def test_a_cleared_attribute_flows_unless_the_mapping_says_otherwise(
    more: dict[str, Any], mapping: dict[str, Any], cleared: bool
) -> None:
    mapped = evaluate(row("title", "[jobTitle]", **more), mapping=mapping)
    assert (mapped.cleared == ("title",)) is cleared


def test_one_attribute_can_be_told_to_keep_what_the_source_cleared() -> None:
    export = entra_export()
    for attribute in export["directories"][1]["objects"][0]["attributes"]:
        if attribute["name"] == "title":
            attribute["metadata"] = [{"key": "Seatkeeper.FlowNullValues", "value": "false"}]
    cleared = compile_schema(read_schema(export), SCIM).users.evaluate(RECORD, CONTEXT).cleared
    assert "title" not in cleared
    assert "preferredLanguage" in cleared


def test_what_is_matched_by_or_required_is_never_cleared() -> None:
    mapped = evaluate(row("externalId", "[employeeId]", matchingPriority=2), userPrincipalName=None)
    assert mapped.cleared == ()


def test_an_expression_can_leave_an_attribute_or_the_whole_object_alone() -> None:
    mapped = evaluate(
        row("title", "IgnoreFlowIfNullOrEmpty([jobTitle])"),
        row("nickName", 'IIF([givenName] = "Ada", IgnoreAttributeFlow, [givenName])'),
    )
    assert mapped.ignored == ("title", "nickName")
    assert (mapped.cleared, mapped.ignored_object) == ((), False)
    assert evaluate(row("title", 'IIF([givenName] = "Ada", IgnoreObjectFlow, "x")')).ignored_object


def test_one_attribute_that_fails_is_named_and_takes_no_other_with_it() -> None:
    mapped = evaluate(
        row("title", "Item([proxyAddresses], [department])"), row("nickName", "[givenName]"), row("locale", "[proxyAddresses]"),
        department="canary", proxyAddresses=["canary-1", "canary-2"],
    )  # fmt: skip
    assert mapped.values["nickName"] == "Ada"
    assert [failure.path for failure in mapped.failures] == ["title", "locale"]
    assert not {"title", "locale"} & {*mapped.values, *mapped.cleared}
    assert mapped.failures[0].source == "Item([proxyAddresses], [department])"
    assert "canary" not in str(mapped.failures)


def test_a_required_attribute_that_fails_keeps_the_create_back() -> None:
    mapping = users(row("userName", "Item([proxyAddresses], [department])", matchingPriority=1), base=USER_ROWS[1:])
    mapped = mapping.evaluate({**RECORD, "department": "x"}, CONTEXT)
    assert mapped.missing == ("userName",)
    assert mapped.failures


def test_values_become_what_their_attribute_takes() -> None:
    mapped = evaluate(
        row("title", "Len([displayName])"), row("nickName", "[accountEnabled]"), row("locale", "[proxyAddresses]"),
        row("roles", "AssertiveAppRoleAssignmentsComplex([appRoleAssignments])"),
        proxyAddresses=["only"], appRoleAssignments=[{"id": "r", "value": "User", "displayName": "User"}],
    )  # fmt: skip
    assert mapped.values["title"] == "11"
    assert mapped.values["nickName"] == "True"
    assert mapped.values["locale"] == "only"
    assert [role["value"] for role in mapped.values["roles"]] == ["User"]


def test_matching_values_come_in_order_of_precedence_and_without_those_that_are_empty() -> None:
    rows = (row("externalId", "[objectId]", matchingPriority=3), row("nickName", "[mailNickname]", matchingPriority=2))
    assert [item.attribute for item in evaluate(*rows).matching] == ["userName", "externalId"]
    assert [item.attribute for item in evaluate(*rows, mailNickname="ada").matching] == [
        "userName",
        "nickName",
        "externalId",
    ]


def test_each_path_carries_how_it_flows() -> None:
    mapping = users(
        row("title", "[jobTitle]", flowType="AttributeAddOnly", flowBehavior="FlowAlways"),
        row("nickName", "Redact([givenName])"),
        flowTypes="Add,Update",
    )
    title = mapping.attributes["title"]
    assert (title.flow_type, title.flow_behavior) == (FlowType.ATTRIBUTE_ADD_ONLY, FlowBehavior.FLOW_ALWAYS)
    assert mapping.flows == {ObjectFlow.ADD, ObjectFlow.UPDATE}
    assert mapping.redacted == {"nickName"}
    assert (title.differs("a", "A"), mapping.attributes["userName"].differs("a", "A")) == (True, False)
    assert mapping.attributes["userName"].differs("a", "b")


def test_random_values_are_the_same_each_time_and_differ_by_object_and_attribute() -> None:
    rows = (row("title", "Guid()", flowType="ObjectAddOnly"), row("nickName", "Guid()", flowType="ObjectAddOnly"))
    first, again = evaluate(*rows).values, evaluate(*rows).values
    assert first == again
    assert first["title"] != first["nickName"]


def test_the_three_filters_are_asked_apart() -> None:
    sales = [{"name": "sales", "clauses": [clause("department", "EQUALS", "Sales")]}]
    mapping = users(scope={"groups": sales, "inputFilterGroups": sales})
    by = mapping.filter
    assert [part.evaluate(RECORD).passed for part in (by.scope, by.input, by.category)] == [False, False, True]
    assert by.scope.evaluate(RECORD).failed == ("sales department EQUALS Sales",)
    assert by.scope.evaluate({**RECORD, "department": "Sales"}).passed


@pytest.mark.parametrize(
    ("targets", "chosen"),
    [
        (("userType", "active"), "active"),
        (("userType", "ACTIVE"), "active"),
        (("userType", "enabled"), "enabled"),
        (("userType", "title"), "userType"),
        (("title",), "title"),
    ],
    ids=["active", "active spelt otherwise", "a boolean", "the first of equals", "the only one"],
)
def test_leaving_is_written_to_active_wherever_its_mapping_stands(targets: tuple[str, ...], chosen: str) -> None:
    made = document(*(row(path, "[IsSoftDeleted]") for path in targets), base=USER_ROWS[:1])
    made["synchronizationRules"][0] |= {"sourceDirectoryName": "T", "targetDirectoryName": "T"}
    own = {"name": "User", "attributes": [{"name": "enabled", "type": "Boolean"}]}
    made["directories"] = [{"name": "T", "objects": [own]}]
    assert compile_schema(read_schema(made), SCIM).users.active_path == chosen


def test_deprovisioning_is_entras_unless_the_mapping_says_otherwise() -> None:
    linkedin = template_default("linkedin-sales-navigator")
    assert {event: step.action for event, step in linkedin.users.deprovisioning.items()} == dict.fromkeys(
        Event, Action.DISABLE
    )
    assert linkedin.groups is not None
    assert linkedin.groups.deprovisioning[Event.UNASSIGNED].action is Action.DELETE
    assert users().deprovisioning[Event.HARD_DELETED].action is Action.DELETE
    told = users(
        row("title", "[jobTitle]"),
        metadata=[
            {"key": "Seatkeeper.WhenUnassigned", "value": '{"setAttribute": "title", "value": "Left"}'},
            {"key": "Seatkeeper.WhenSoftDeleted", "value": "delete"},
            {"key": "Seatkeeper.KeepManagingReleasedLinks", "value": "false"},
            {"key": "IsCustomerDefined", "value": "true"},
        ],
    )
    assert told.deprovisioning[Event.UNASSIGNED] == Deprovisioning(
        action=Action.SET_ATTRIBUTE, attribute="title", value="Left"
    )
    assert told.deprovisioning[Event.SOFT_DELETED].action is Action.DELETE
    assert (told.keep_managing_released_links, users().keep_managing_released_links) == (False, True)


@pytest.mark.parametrize(
    ("attribute", "said", "path", "written"),
    [("ACTIVE", '"False"', "active", False), ("title", "5", "title", "5"), ("title", "true", "title", "True")],
    ids=["a word for a boolean, spelt otherwise", "a number for a text", "a boolean for a text"],
)
def test_what_is_set_of_who_leaves_is_what_the_attribute_takes(
    attribute: str, said: str, path: str, written: Any
) -> None:
    value = f'{{"setAttribute": "{attribute}", "value": {said}}}'
    told = users(row("title", "[jobTitle]"), metadata=[{"key": "Seatkeeper.WhenUnassigned", "value": value}])
    step = told.deprovisioning[Event.UNASSIGNED]
    assert (step.attribute, step.value) == (path, written)
    assert type(step.value) is type(written)


def test_an_immutable_attribute_is_written_with_a_create_alone_and_never_cleared() -> None:
    made = compile_schema(read_schema(defined("title", mutability="Immutable")), SCIM).users
    assert (made.attributes["title"].flow_type, made.attributes["title"].flow_null_values) == ("ObjectAddOnly", False)


@pytest.mark.parametrize(
    ("required", "title", "created"), [(True, None, "None yet"), (True, "Buyer", "Buyer"), (False, None, None)]
)
def test_a_required_attribute_without_a_value_is_created_with_the_default_of_its_definition(
    required: bool, title: str | None, created: str | None
) -> None:
    made = compile_schema(read_schema(defined("title", required=required, defaultValue="None yet")), SCIM).users
    mapped = made.evaluate({**RECORD, "jobTitle": title}, CONTEXT)
    assert (mapped.for_create().get("title"), mapped.missing, mapped.values.get("title")) == (created, (), title)


def test_the_default_mapping_is_quick() -> None:
    mapping = template_default("linkedin-sales-navigator").users
    record = {**RECORD, "jobTitle": "Buyer", "city": "Oslo", "department": "Sales", "manager": "m-1"}
    best = min(_seconds(mapping, record) for _ in range(5))
    assert 1000 / best > 10_000, "users a second, on a machine that does other things too"


def _seconds(mapping: CompiledObjectMapping, record: dict[str, Any]) -> float:
    began = time.perf_counter()
    for _ in range(1000):
        mapping.evaluate(record, CONTEXT)
    return time.perf_counter() - began


ANY = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=6)
    | st.lists(st.text(max_size=3) | st.integers(), max_size=3)
)
ANY_RECORD = st.dictionaries(
    st.sampled_from(
        [*RECORD, "jobTitle", "manager", "businessPhones", "onPremisesExtensionAttributes", "appRoleAssignments"]
    ),
    ANY | st.dictionaries(st.text(max_size=3), ANY, max_size=2),
)
WIDE = compile_schema(read_schema(entra_export()), SCIM).users


@given(ANY_RECORD)
def test_no_record_breaks_the_mapping_and_every_path_is_accounted_for(record: dict[str, Any]) -> None:
    for mapping in (WIDE, template_default("linkedin-sales-navigator").users):
        mapped = mapping.evaluate(record, CONTEXT)
        assert all(value not in EMPTY for value in mapped.values.values())
        assert mapped == mapping.evaluate(record, CONTEXT)
        failed = {failure.path for failure in mapped.failures}
        there = {*mapped.values, *mapped.references}
        assert not there & (failed | set(mapped.cleared) | set(mapped.missing))
        for path, attribute in mapping.attributes.items():
            assert (
                path in there | failed | {*mapped.missing, *mapped.cleared, *mapped.ignored} or not attribute.required
            )
