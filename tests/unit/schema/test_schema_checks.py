"""What cannot be done is refused by name and place; what is probably not meant is a warning."""

import json
from dataclasses import dataclass
from typing import Any

import pytest

from shared.contracts.templates.template import Template
from shared.schema import checks_of_filters
from shared.schema.checks import read_schema
from shared.schema.compiling import compile_schema
from shared.schema.expressions.functions import replacing
from shared.schema.findings import SchemaRefusedError, Severity
from shared.schema.sources import compiled
from shared.schema.trying import try_expression
from tests.support.builders_schema import (
    CONTEXT,
    ENTERPRISE,
    LINKEDIN,
    SCIM,
    USER_ROWS,
    clause,
    defined,
    document,
    found,
    row,
    with_groups,
)

USERS = "synchronizationRules.0.objectMappings.0"
GROUPS = "synchronizationRules.0.objectMappings.1"
THIRD = f"{USERS}.attributeMappings.2"


def scoped(*clauses: dict[str, Any]) -> dict[str, Any]:
    return document(scope={"groups": [{"name": "f", "clauses": list(clauses)}]})


def with_rule(**more: Any) -> dict[str, Any]:
    made = document()
    made["synchronizationRules"][0] |= more
    return made


def told(key: str, value: str) -> dict[str, Any]:
    return document(metadata=[{"key": key, "value": value}])


def left(attribute: str, value: Any) -> list[dict[str, Any]]:
    """Metadata that sets an attribute of who leaves."""
    return [{"key": "Seatkeeper.WhenUnassigned", "value": json.dumps({"setAttribute": attribute, "value": value})}]


def switch(word: str) -> list[dict[str, str]]:
    return [{"key": "Seatkeeper.FlowNullValues", "value": word}]


def patterned(number: int) -> dict[str, Any]:
    """Mappings with that many patterns of 9,800 characters, each inside another function."""
    text = f'ToLower(Replace([city], , "{"y" * 9_800}", , "x", , ), )'
    targets = ("title", "nickName", "displayName", "name.givenName", "name.familyName", "locale", "timezone")
    return document(*(row(target, text) for target in targets[:number]))


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
    "a reference to set": Case(
        "NotAReference", f"{USERS}.metadata",
        document(row(f"{ENTERPRISE}:manager", "[manager]"), metadata=left(f"{ENTERPRISE}:manager", "u-1")),
    ),
    "a matching attribute to empty": Case(
        "EmptyValue", f"{USERS}.metadata",
        document(row("externalId", "[objectId]", matchingPriority=2), metadata=left("externalId", " ")),
    ),
    "a required attribute to empty": Case("EmptyValue", f"{USERS}.metadata", document(metadata=left("userName", ""))),
    "a word to set where a boolean is": Case("WrongType", f"{USERS}.metadata", document(metadata=left("active", "no"))),
    "a NUL to set": Case(
        "NulCharacter", f"{USERS}.metadata", document(row("title", "[jobTitle]"), metadata=left("title", "a\x00b"))
    ),
    "a group that is to be disabled": Case(
        "UnsupportedForGroups", f"{GROUPS}.metadata",
        with_groups(metadata=[{"key": "Seatkeeper.WhenUnassigned", "value": "disable"}]),
    ),
    "an attribute to set of a group": Case(
        "UnsupportedForGroups", f"{GROUPS}.metadata", with_groups(metadata=left("displayName", "Left"))
    ),
    "links of groups that are kept": Case(
        "UnsupportedForGroups", f"{GROUPS}.metadata",
        with_groups(metadata=[{"key": "Seatkeeper.KeepManagingReleasedLinks", "value": "false"}]),
    ),
    "groups without the name that they need": Case(
        "RequiredNotMapped", f"{GROUPS}.attributeMappings",
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
    "an empty value among several": Case(
        "OperandMissing",
        f"{USERS}.scope.groups.0.clauses.0.targetOperand.values.0",
        scoped(clause("department", "INCLUDES", "", "Sales")),
    ),
    "a text that is to be true": Case(
        "UnsupportedOperator",
        f"{USERS}.scope.groups.0.clauses.0.operatorName",
        scoped(clause("department", "IS TRUE")),
    ),
    "a pattern for a boolean": Case(
        "UnsupportedOperator",
        f"{USERS}.scope.groups.0.clauses.0.operatorName",
        scoped(clause("accountEnabled", "REGEX MATCH", "^True$")),
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
    "patterns of filters that are too long together": Case(
        "PatternsTooLong", "synchronizationRules", scoped(clause("city", "REGEX MATCH", *[f"^{'x' * 9_990}$"] * 7))
    ),
    "patterns of mappings that are too long together": Case(
        "PatternsTooLong", "synchronizationRules", patterned(7)
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
    "two attributes that could be the activity": Case(
        "AmbiguousActivity",
        f"{THIRD}.source",
        document(row("userType", "[IsSoftDeleted]"), row("title", "[IsSoftDeleted]"), base=USER_ROWS[:1]),
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
    "a priority that fits no column": Case(
        "InvalidDocument", "synchronizationRules.0.priority", with_rule(priority=2**70)
    ),
    "a NUL in a text": Case("NulCharacter", f"{THIRD}.defaultValue", document(row("title", defaultValue="a\x00b"))),
    "a NUL in an annotation": Case(
        "NulCharacter", "@odata.context.0", document() | {"@odata.context": ["a\x00b"]}
    ),
    "a NUL in a name": Case("NulCharacter", THIRD, document(row("title", "[jobTitle]") | {"@x\x00": 1})),
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


def test_groups_that_are_not_enabled_need_no_name() -> None:
    assert found(with_groups(attributeMappings=[], enabled=False)) == ()


def test_the_finding_of_a_switch_names_its_attribute() -> None:
    assert "title" in found(defined("title", metadata=switch("maybe")))[0].message


def test_patterns_that_are_too_long_together_are_not_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    def compile_pattern(_: str) -> None:
        raise AssertionError("a pattern was compiled")

    monkeypatch.setattr(checks_of_filters, "compile_pattern", compile_pattern)
    monkeypatch.setattr(replacing, "compile_pattern", compile_pattern)
    assert [finding.code for finding in found(patterned(7))] == ["PatternsTooLong"]
    assert [finding.code for finding in found(CASES["patterns of filters that are too long together"].document)] == [
        "PatternsTooLong"
    ]
    monkeypatch.undo()
    assert found(patterned(6)) == ()


def test_an_expression_that_is_tried_out_is_not_kept() -> None:
    kept = compiled.cache_info().currsize
    for number in range(3):
        assert try_expression(f'Append([city], "tried out {number}")', None, CONTEXT.now)["parsingSucceeded"]
    assert compiled.cache_info().currsize == kept


def test_a_directory_extension_takes_every_operator_since_its_type_is_not_known() -> None:
    extension = f"extension_{'0' * 32}_contractor"
    assert found(scoped(clause(extension, "IS TRUE"), clause(extension, "GREATER_THAN", "1"))) == ()
