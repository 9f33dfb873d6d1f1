"""What cannot be done is refused by name and place; what is probably not meant is a warning."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.templates import TEMPLATES
from shared.contracts.templates.template import Template
from shared.schema.checks import check_schema, read_schema
from shared.schema.compiling import compile_schema, with_parsed_sources
from shared.schema.findings import SchemaRefusedError, Severity
from tests.support.builders_schema import (
    CONTEXT,
    ENTERPRISE,
    LINKEDIN,
    SCIM,
    USER_ROWS,
    clause,
    document,
    entra_export,
    found,
    row,
)

USERS = "synchronizationRules.0.objectMappings.0"
THIRD = f"{USERS}.attributeMappings.2"


def scoped(*clauses: dict[str, Any]) -> dict[str, Any]:
    return document(scope={"groups": [{"name": "f", "clauses": list(clauses)}]})


def with_rule(**more: Any) -> dict[str, Any]:
    made = document()
    made["synchronizationRules"][0] |= more
    return made


def with_groups(**more: Any) -> dict[str, Any]:
    made = document()
    rows = [row("displayName", "[displayName]", matchingPriority=1), row("members", "[members]")]
    groups = {"sourceObjectName": "Group", "targetObjectName": "Group", "attributeMappings": rows}
    made["synchronizationRules"][0]["objectMappings"].append(groups | more)
    return made


def told(key: str, value: str) -> dict[str, Any]:
    return document(metadata=[{"key": key, "value": value}])


@dataclass(frozen=True)
class Case:
    """A document, and what is found in it first."""

    code: str
    path: str
    document: dict[str, Any]
    severity: Severity = Severity.ERROR
    position: int | None = None
    template: Template = SCIM


CASES = {
    "an expression that does not parse": Case(
        "InvalidExpression", f"{THIRD}.source.expression", document(row("title", "Left([jobTitle], ")), position=18
    ),
    "a function nobody knows": Case(
        "InvalidExpression", f"{THIRD}.source.expression", document(row("title", "Shout([jobTitle])")), position=1
    ),
    "an expression of 10,001 characters": Case(
        "InvalidExpression", f"{THIRD}.source.expression", document(row("title", f'Append([jobTitle], "{"x" * 10_000}")'))
    ),
    "a pattern in an expression that does not compile": Case(
        "InvalidExpression", f"{THIRD}.source.expression", document(row("title", 'Replace([jobTitle], , "(", , "", , )'))
    ),
    "a name that disagrees with its expression": Case(
        "SourceDisagrees",
        f"{THIRD}.source.name",
        document(
            row("title") | {"source": {"name": "department", "expression": "[jobTitle]", "type": "Attribute"}}
        ),
    ),
    "an attribute the source does not have": Case(
        "UnknownSourceAttribute", f"{THIRD}.source", document(row("title", "[jobtitle]"))
    ),
    "an attribute inside an expression the source does not have": Case(
        "UnknownSourceAttribute", f"{THIRD}.source", document(row("title", 'Append([shoeSize], "x")'))
    ),
    "an attribute the target does not have": Case(
        "UnknownTargetAttribute", f"{THIRD}.targetAttributeName", document(row("shoeSize", "[jobTitle]"))
    ),
    "an attribute LinkedIn does not have": Case(
        "UnknownTargetAttribute",
        f"{USERS}.attributeMappings.3.targetAttributeName",
        document(
            row("externalId", "[objectId]", matchingPriority=1),
            row('phoneNumbers[type eq "work"].value', "[telephoneNumber]"),
            base=(row("userName", "[userPrincipalName]"), USER_ROWS[1]),
        ),
        template=LINKEDIN,
    ),
    "a path that is none": Case(
        "InvalidTargetPath",
        f"{THIRD}.targetAttributeName",
        document(row("emails[type eq work].value", "[mail]")),
        position=16,
    ),
    "two mappings to one target": Case(
        "DuplicateTarget", f"{THIRD}.targetAttributeName", document(row("USERNAME", "[mail]"))
    ),
    "the anchor": Case("NotWritable", f"{THIRD}.targetAttributeName", document(row("id", "[objectId]"))),
    "a constant of the wrong type": Case(
        "WrongType", f"{USERS}.attributeMappings.1.defaultValue", document(row("active", defaultValue="maybe"), base=USER_ROWS[:1])
    ),
    "a default of the wrong type": Case(
        "WrongType",
        f"{USERS}.attributeMappings.1.defaultValue",
        document(row("active", "Not([IsSoftDeleted])", defaultValue="maybe"), base=USER_ROWS[:1]),
    ),
    "app roles mapped directly": Case(
        "DirectAppRoleAssignments", f"{THIRD}.source", document(row("roles", "[appRoleAssignments]"))
    ),
    "a reference in Switch": Case(
        "ReferenceInFunction", f"{THIRD}.source.expression", document(row("title", 'Switch([manager], "a", "b", "c")')), position=8
    ),
    "a function for a reference": Case(
        "NotAReference", f"{THIRD}.source", document(row(f"{ENTERPRISE}:manager", 'Append([displayName], "x")'))
    ),
    "a reference for a text": Case("NotAReference", f"{THIRD}.source", document(row("title", "[manager]"))),
    "SelectUniqueValue on updates": Case(
        "SelectUniqueValue", f"{THIRD}.source.expression", document(row("nickName", "SelectUniqueValue([mail], [displayName])"))
    ),
    "SelectUniqueValue for matching": Case(
        "SelectUniqueValue",
        f"{USERS}.attributeMappings.1.source.expression",
        document(
            row("userName", "SelectUniqueValue([mail], [displayName])", matchingPriority=1, flowType="ObjectAddOnly"),
            base=USER_ROWS[1:],
        ),
    ),
    "SelectUniqueValue inside": Case(
        "InvalidExpression",
        f"{THIRD}.source.expression",
        document(row("nickName", 'Append(SelectUniqueValue([mail], [displayName]), "x")', flowType="ObjectAddOnly")),
    ),
    "matching by chance": Case(
        "MatchingByChance",
        f"{USERS}.attributeMappings.1.source.expression",
        document(row("userName", "Guid()", matchingPriority=1), base=USER_ROWS[1:]),
    ),
    "matching by what LinkedIn cannot be searched by": Case(
        "NotFilterable",
        f"{USERS}.attributeMappings.0.matchingPriority",
        document(row("externalId", "[objectId]")),
        template=LINKEDIN,
    ),
    "one precedence twice": Case(
        "DuplicatePrecedence",
        f"{THIRD}.matchingPriority",
        document(row("externalId", "[objectId]", matchingPriority=1)),
    ),
    "nothing to match by": Case(
        "NoMatching", f"{USERS}.attributeMappings", document(base=(row("userName", "[mail]"), USER_ROWS[1]))
    ),
    "a required attribute that is not mapped": Case(
        "RequiredNotMapped",
        f"{USERS}.attributeMappings",
        document(row("externalId", "[objectId]", matchingPriority=1), base=USER_ROWS[1:]),
    ),
    "the mapping of users switched off": Case("UsersDisabled", f"{USERS}.enabled", document(enabled=False)),
    "no mapping of users": Case("NoRule", "synchronizationRules", {"synchronizationRules": []}),
    "a rule without users": Case(
        "NoUserMapping",
        "synchronizationRules",
        {"synchronizationRules": [{"objectMappings": [with_groups()["synchronizationRules"][0]["objectMappings"][1]]}]},
    ),
    "users mapped twice": Case(
        "DuplicateObjectMapping",
        "synchronizationRules.0.objectMappings.1",
        with_rule(objectMappings=document()["synchronizationRules"][0]["objectMappings"] * 2),
    ),
    "devices": Case(
        "UnsupportedObject",
        "synchronizationRules.0.objectMappings.1",
        with_groups(sourceObjectName="Device", targetObjectName="Device"),
    ),
    "a container filter": Case(
        "Unsupported", "synchronizationRules.0.containerFilter", with_rule(containerFilter={"includedContainers": ["x"]})
    ),
    "a directory that is not there": Case(
        "UnknownDirectory",
        "synchronizationRules.0.sourceDirectoryName",
        with_rule(sourceDirectoryName="A", targetDirectoryName="B") | {"directories": [{"name": "B"}]},
    ),
    "a newer format": Case(
        "NewerFormat", "metadata.0", document() | {"metadata": [{"key": "Seatkeeper.Format", "value": "99"}]}
    ),
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
    "an operator nobody knows": Case(
        "UnsupportedOperator", f"{USERS}.scope.groups.0.clauses.0.operatorName", scoped(clause("city", "LIKE", "O%"))
    ),
    "IsMemberOf": Case(
        "UnsupportedOperator", f"{USERS}.scope.groups.0.clauses.0.operatorName", scoped(clause("city", "IsMemberOf", "g"))
    ),
    "a filter by what nobody has": Case(
        "UnknownSourceAttribute", f"{USERS}.scope.groups.0.clauses.0.sourceOperandName", scoped(clause("town", "EQUALS", "x"))
    ),
    "a clause without a value": Case(
        "OperandMissing", f"{USERS}.scope.groups.0.clauses.0.targetOperand.values", scoped(clause("city", "EQUALS"))
    ),
    "a size that is no number": Case(
        "NotAnInteger",
        f"{USERS}.scope.groups.0.clauses.0.targetOperand.values.0",
        scoped(clause("extensionAttribute1", "GREATER_THAN", "1.5")),
    ),
    "a pattern that does not compile": Case(
        "InvalidPattern",
        f"{USERS}.scope.groups.0.clauses.0.targetOperand.values.0",
        scoped(clause("city", "REGEX MATCH", "^(Oslo$")),
    ),
    "a pattern without anchors": Case(
        "UnanchoredPattern",
        f"{USERS}.scope.groups.0.clauses.0.targetOperand.values.0",
        scoped(clause("city", "REGEX MATCH", "Oslo")),
        Severity.WARNING,
    ),
    "a negative operator and the null rule": Case(
        "NullRule", f"{USERS}.scope.groups.0.clauses.0", scoped(clause("city", "NOT EQUALS", "Oslo")), Severity.WARNING
    ),
    "nothing mapped from IsSoftDeleted": Case(
        "ActivityNotMapped", f"{USERS}.attributeMappings", document(base=USER_ROWS[:1]), Severity.WARNING
    ),
    "active mapped from accountEnabled": Case(
        "ActivityNotMapped",
        f"{USERS}.attributeMappings.1.source",
        document(row("active", "[accountEnabled]"), base=USER_ROWS[:1]),
        Severity.WARNING,
    ),
    "a value that never settles": Case(
        "NeverSettles", f"{THIRD}.source.expression", document(row("nickName", "Now()")), Severity.WARNING
    ),
    "a mapping of nothing": Case("NothingFlows", f"{THIRD}.source", document(row("title")), Severity.WARNING),
    "no action allowed": Case("NoActions", f"{USERS}.flowTypes", document(flowTypes="None"), Severity.WARNING),
    "an unknown property that says something": Case(
        "InvalidDocument", f"{USERS}", document(priorty=1)
    ),
    "an unknown flow type": Case(
        "InvalidDocument", f"{THIRD}.flowType", document(row("title", "[jobTitle]", flowType="Sometimes"))
    ),
    "an unknown action": Case("InvalidDocument", f"{USERS}.flowTypes", document(flowTypes="Add, Explode")),
    "a number where text belongs": Case(
        "InvalidDocument", f"{THIRD}.targetAttributeName", document(row("title", "[jobTitle]") | {"targetAttributeName": 7})
    ),
    "a precedence below zero": Case(
        "InvalidDocument", f"{THIRD}.matchingPriority", document(row("title", "[jobTitle]", matchingPriority=-1))
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_is_named_with_its_place_and_a_remedy(case: Case) -> None:
    findings = found(case.document, case.template)
    (finding,) = [item for item in findings if (item.code, item.path) == (case.code, case.path)]
    assert finding.severity is case.severity
    assert finding.remedy
    if case.position is not None:
        assert finding.position == case.position
    errors = [item for item in findings if item.severity is Severity.ERROR]
    assert bool(errors) is (case.severity is Severity.ERROR)
    if not errors:
        assert compile_schema(read_schema(case.document), case.template).warnings == findings
        return
    with pytest.raises(SchemaRefusedError, match=str(len(errors))):
        compile_schema(read_schema(case.document), case.template)


@pytest.mark.parametrize(
    "name",
    [
        "appRoleAssignments",
        "userType",
        "manager",
        "employeeHireDate",
        "proxyAddresses",
        "IsSoftDeleted",
        "accountExpires",
    ],
)
def test_attributes_that_entra_keeps_out_of_filters_are_refused(name: str) -> None:
    (finding,) = found(scoped(clause(name, "IS NOT NULL")))
    assert finding.code == "ForbiddenFilterAttribute"
    assert name in finding.message


def test_everything_that_is_wrong_is_found_at_once() -> None:
    wrong = document(
        row("shoeSize", "[jobTitle]"), row("title", "Left("), scope={"groups": [{"clauses": [clause("town", "LIKE")]}]}
    )
    assert [finding.code for finding in found(wrong)] == [
        "UnknownTargetAttribute",
        "InvalidExpression",
        "UnknownSourceAttribute",
        "UnsupportedOperator",
    ]


def test_a_misspelt_name_gets_the_one_that_was_meant() -> None:
    assert "jobTitle" in found(document(row("title", "[jobtitle]")))[0].remedy
    assert "displayName" in found(document(row("displayname2", "[mail]")))[0].remedy


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)
def test_the_default_of_a_template_has_nothing_wrong_with_it(template: Template) -> None:
    assert check_schema(template.schema, template).findings == ()


def test_an_export_of_entra_is_taken_and_survives_the_way_out_and_back() -> None:
    schema = read_schema(entra_export())
    assert [finding.code for finding in check_schema(schema, SCIM).findings] == []
    assert read_schema(schema.document()) == schema
    assert with_parsed_sources(schema) == schema, "what Entra took apart already stays as it is"
    exported = schema.document()
    assert exported["@odata.context"] == entra_export()["@odata.context"]
    assert kept(entra_export(), exported) == []


def kept(before: Any, after: Any, path: str = "") -> list[str]:
    """The places where something that was said before is not said after."""
    if before in (None, False, "", [], {}):
        return [] if after in (None, False, "", [], {}) else [path]
    if isinstance(before, dict):
        return [place for key, value in before.items() for place in kept(value, after.get(key), f"{path}.{key}")]
    if isinstance(before, list):
        if len(before) != len(after):
            return [path]
        return [place for index, value in enumerate(before) for place in kept(value, after[index], f"{path}.{index}")]
    return [] if before == after or (path.endswith("discoverabilities") and before == "None") else [path]


def test_an_export_of_the_generic_application_does_not_fit_linkedin_and_every_row_is_named() -> None:
    findings = found(entra_export(), LINKEDIN)
    named = {finding.message.rpartition(" ")[2] for finding in findings if finding.code == "UnknownTargetAttribute"}
    assert "preferredLanguage" in named
    assert f"{ENTERPRISE}:employeeNumber" in named


def test_an_attribute_of_the_schemas_own_directory_can_be_mapped_where_the_target_is_open() -> None:
    export = entra_export()
    users = export["synchronizationRules"][0]["objectMappings"][1]["attributeMappings"]
    badge = "urn:ietf:params:scim:schemas:extension:Contoso:2.0:User:badge"
    users.append(row(badge, "[extensionAttribute3]"))
    assert found(export) == ()


SOURCES = [
    "[jobTitle]",
    'Append([city], "x")',
    'IIF([city] = "a", [city], IgnoreAttributeFlow)',
    'Replace([city], "a", , , "b", , )',
]
ROWS = st.builds(
    row,
    st.sampled_from(["title", "nickName", 'emails[type eq "work"].value']),
    st.none() | st.sampled_from(SOURCES),
    flowType=st.sampled_from(["Always", "objectaddonly", None]),
    defaultValue=st.none() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
)


@given(st.lists(ROWS, max_size=3, unique_by=lambda item: item["targetAttributeName"]))
def test_what_is_exported_is_imported_as_the_same_schema(rows: list[dict[str, Any]]) -> None:
    schema = read_schema(document(*rows))
    assert read_schema(schema.document()) == schema
    shown = with_parsed_sources(schema)
    assert read_schema(shown.document()) == shown
    assert read_schema(shown.model_dump(mode="json", by_alias=True, exclude_defaults=True)) == shown
    again, once = (compile_schema(item, SCIM).users for item in (shown, schema))
    for record in ({}, {"city": "a", "jobTitle": "b"}):
        assert again.evaluate(record, CONTEXT) == once.evaluate(record, CONTEXT)


EXAMPLES: list[Callable[[], dict[str, Any]]] = [document, entra_export, with_groups]


@given(st.data())
def test_no_document_does_more_than_be_refused(data: Any) -> None:
    made = data.draw(st.sampled_from(EXAMPLES))()
    anything = st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.lists(st.integers(), max_size=2)
    for _ in range(data.draw(st.integers(1, 3))):
        holder: Any = made
        while True:
            keys = list(holder) if isinstance(holder, dict) else range(len(holder))
            if not keys:
                break
            key = data.draw(st.sampled_from(list(keys)))
            if isinstance(holder[key], dict | list) and holder[key] and data.draw(st.booleans() | st.just(True)):
                holder = holder[key]
                continue
            holder[key] = data.draw(anything)
            break
    for template in TEMPLATES.values():
        assert all(finding.remedy and finding.message for finding in found(made, template))
