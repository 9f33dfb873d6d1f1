"""Filters and patterns that cannot be evaluated, or are probably not meant, are told by name and place."""

import pytest

from shared.schema import checks_of_filters
from shared.schema.expressions.functions import replacing
from shared.schema.findings import Severity
from tests.support.builders_schema import clause, found
from tests.support.schema_cases import USERS, Case, expect, patterned, scoped

CASES = {
    "an operator nobody knows": Case(
        "UnsupportedOperator", f"{USERS}.scope.groups.0.clauses.0.operatorName", scoped(clause("city", "LIKE", "O%"))
    ),
    "IsMemberOf": Case(
        "UnsupportedOperator",
        f"{USERS}.scope.groups.0.clauses.0.operatorName",
        scoped(clause("city", "IsMemberOf", "g")),
    ),
    "a filter by what nobody has": Case(
        "UnknownSourceAttribute",
        f"{USERS}.scope.groups.0.clauses.0.sourceOperandName",
        scoped(clause("town", "EQUALS", "x")),
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
    "patterns of mappings that are too long together": Case("PatternsTooLong", "synchronizationRules", patterned(7)),
    "a pattern without anchors": Case(
        "UnanchoredPattern",
        f"{USERS}.scope.groups.0.clauses.0.targetOperand.values.0",
        scoped(clause("city", "REGEX MATCH", "Oslo")),
        Severity.WARNING,
    ),
    "a negative operator and the null rule": Case(
        "NullRule", f"{USERS}.scope.groups.0.clauses.0", scoped(clause("city", "NOT EQUALS", "Oslo")), Severity.WARNING
    ),
}


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_what_is_wrong_with_a_filter_is_named_with_its_place_and_a_remedy(case: Case) -> None:
    expect(case)


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


def test_a_directory_extension_takes_every_operator_since_its_type_is_not_known() -> None:
    extension = f"extension_{'0' * 32}_contractor"
    assert found(scoped(clause(extension, "IS TRUE"), clause(extension, "GREATER_THAN", "1"))) == ()
