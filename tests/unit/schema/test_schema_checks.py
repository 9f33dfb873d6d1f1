"""What cannot be done is refused by name and place; what is probably not meant is a warning."""

from typing import Any

import pytest

from shared.schema.findings import Severity
from shared.schema.sources import compiled
from shared.schema.trying import try_expression
from tests.support.builders_schema import (
    CONTEXT,
    ENTERPRISE,
    LINKEDIN,
    USER_ROWS,
    clause,
    document,
    found,
    row,
    with_groups,
)
from tests.support.schema_cases import THIRD, USERS, Case, expect


def with_rule(**more: Any) -> dict[str, Any]:
    made = document()
    made["synchronizationRules"][0] |= more
    return made


CASES = {
    "an expression that does not parse": Case(
        "InvalidExpression", f"{THIRD}.source.expression", document(row("title", "Left([jobTitle], ")), position=18
    ),
    "a function nobody knows": Case(
        "InvalidExpression", f"{THIRD}.source.expression", document(row("title", "Shout([jobTitle])")), position=1
    ),
    "an expression of 10,001 characters": Case(
        "InvalidExpression",
        f"{THIRD}.source.expression",
        document(row("title", f'Append([jobTitle], "{"x" * 10_000}")')),
    ),
    "a pattern in an expression that does not compile": Case(
        "InvalidExpression",
        f"{THIRD}.source.expression",
        document(row("title", 'Replace([jobTitle], , "(", , "", , )')),
    ),
    "a name that disagrees with its expression": Case(
        "SourceDisagrees",
        f"{THIRD}.source.name",
        document(row("title") | {"source": {"name": "department", "expression": "[jobTitle]", "type": "Attribute"}}),
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
        "WrongType",
        f"{USERS}.attributeMappings.1.defaultValue",
        document(row("active", defaultValue="maybe"), base=USER_ROWS[:1]),
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
        "ReferenceInFunction",
        f"{THIRD}.source.expression",
        document(row("title", 'Switch([manager], "a", "b", "c")')),
        position=8,
    ),
    "a function for a reference": Case(
        "NotAReference", f"{THIRD}.source", document(row(f"{ENTERPRISE}:manager", 'Append([displayName], "x")'))
    ),
    "a reference for a text": Case("NotAReference", f"{THIRD}.source", document(row("title", "[manager]"))),
    "SelectUniqueValue on updates": Case(
        "SelectUniqueValue",
        f"{THIRD}.source.expression",
        document(row("nickName", "SelectUniqueValue([mail], [displayName])")),
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
        "Unsupported",
        "synchronizationRules.0.containerFilter",
        with_rule(containerFilter={"includedContainers": ["x"]}),
    ),
    "a directory that is not there": Case(
        "UnknownDirectory",
        "synchronizationRules.0.sourceDirectoryName",
        with_rule(sourceDirectoryName="A", targetDirectoryName="B") | {"directories": [{"name": "B"}]},
    ),
    "a newer format": Case(
        "NewerFormat", "metadata.0", document() | {"metadata": [{"key": "Seatkeeper.Format", "value": "99"}]}
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
    "an unknown property that says something": Case("InvalidDocument", f"{USERS}", document(priorty=1)),
    "an unknown flow type": Case(
        "InvalidDocument", f"{THIRD}.flowType", document(row("title", "[jobTitle]", flowType="Sometimes"))
    ),
    "an unknown action": Case("InvalidDocument", f"{USERS}.flowTypes", document(flowTypes="Add, Explode")),
    "a number where text belongs": Case(
        "InvalidDocument",
        f"{THIRD}.targetAttributeName",
        document(row("title", "[jobTitle]") | {"targetAttributeName": 7}),
    ),
    "a priority that fits no column": Case(
        "InvalidDocument", "synchronizationRules.0.priority", with_rule(priority=2**70)
    ),
    "a NUL in a text": Case("NulCharacter", f"{THIRD}.defaultValue", document(row("title", defaultValue="a\x00b"))),
    "a NUL in an annotation": Case("NulCharacter", "@odata.context.0", document() | {"@odata.context": ["a\x00b"]}),
    "a NUL in a name": Case("NulCharacter", THIRD, document(row("title", "[jobTitle]") | {"@x\x00": 1})),
    "a precedence below zero": Case(
        "InvalidDocument", f"{THIRD}.matchingPriority", document(row("title", "[jobTitle]", matchingPriority=-1))
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_is_named_with_its_place_and_a_remedy(case: Case) -> None:
    expect(case)


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


def test_an_expression_that_is_tried_out_is_not_kept() -> None:
    kept = compiled.cache_info().currsize
    for number in range(3):
        assert try_expression(f'Append([city], "tried out {number}")', None, CONTEXT.now)["parsingSucceeded"]
    assert compiled.cache_info().currsize == kept
