"""Scoping filters: every operator, the null rule, groups, and a pattern that never ends."""

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contracts.message import ObjectType
from shared.contracts.synchronization_schema import Filter
from shared.schema.filter_operators import OPERATORS, find_operator, operator_schemas
from shared.schema.filters import CompiledFilter, FilterEvaluationError, compile_filter
from tests.support.builders_schema import clause


def filter_of(*groups: list[dict[str, Any]], kind: str = "groups") -> CompiledFilter:
    named = [{"name": f"filter {number}", "clauses": clauses} for number, clauses in enumerate(groups, start=1)]
    return compile_filter(Filter.model_validate({kind: named}), ObjectType.USER)


def passes(operator: str, value: Any, *operands: str) -> bool:
    return filter_of([clause("department", operator, *operands)]).scope.evaluate({"department": value}).passed


CASES = [
    ("EQUALS", "Sales", ["Sales"], True),
    ("EQUALS", "sales", ["Sales"], False),
    ("EQUALS", 7, ["7"], True),
    ("NOT EQUALS", "Sales", ["Sales"], False),
    ("NOT EQUALS", "sales", ["Sales"], True),
    ("IS NULL", "x", [], False),
    ("IS NOT NULL", "x", [], True),
    ("IS TRUE", True, [], True),
    ("IS TRUE", False, [], False),
    ("IS FALSE", False, [], True),
    ("IS FALSE", True, [], False),
    ("REGEX MATCH", "Sales EMEA", ["EMEA$"], True),
    ("REGEX MATCH", "Sales emea", ["EMEA$"], False),
    ("REGEX MATCH", "Sales EMEA and more", ["EMEA"], True),
    ("NOT REGEX MATCH", "Sales EMEA", ["EMEA"], False),
    ("NOT REGEX MATCH", "Sales", ["EMEA"], True),
    ("GREATER_THAN", "10", ["9"], True),
    ("GREATER_THAN", 9, ["9"], False),
    ("GREATER_THAN", "ten", ["9"], False),
    ("GREATER_THAN_OR_EQUALS", "9", ["9"], True),
    ("GREATER_THAN_OR_EQUALS", "8", ["9"], False),
    ("INCLUDES", "Sales EMEA", ["EMEA"], True),
    ("INCLUDES", "Sales emea", ["EMEA"], False),
    ("ENDS_WITH", "Sales EMEA", ["EMEA"], True),
    ("ENDS_WITH", "EMEA Sales", ["EMEA"], False),
    ("&", "Sales", ["Sales,Marketing"], True),
    ("&", "Sales,Marketing,IT", ["Sales,Marketing"], False),
    ("!&", "IT", ["Sales,Marketing"], True),
    ("!&", "Sales", ["Sales,Marketing"], False),
]


@pytest.mark.parametrize(
    ("operator", "value", "operands", "expected"), CASES, ids=[f"{case[0]}: {case[1]} {case[2]}" for case in CASES]
)
def test_an_operator_decides_as_entra_does(operator: str, value: Any, operands: list[str], expected: bool) -> None:
    assert passes(operator, value, *operands) is expected


def test_every_operator_is_tried() -> None:
    assert {case[0] for case in CASES} == set(OPERATORS)


@pytest.mark.parametrize("operator", OPERATORS)
@pytest.mark.parametrize("empty", [None, "", []], ids=["null", "empty text", "no values"])
def test_the_null_rule_stands_before_every_operator(operator: str, empty: Any) -> None:
    operands = [] if OPERATORS[operator].unary else ["1"]
    assert passes(operator, empty, *operands) is (operator == "IS NULL")
    assert filter_of([clause("department", operator, *operands)]).scope.evaluate({}).passed is (operator == "IS NULL")


@pytest.mark.parametrize("spelling", ["IS NOT NULL", "IsNotNull", "IS_NOT_NULL", "is not null"])
def test_an_operator_is_known_by_every_spelling(spelling: str) -> None:
    operator = find_operator(spelling)
    assert operator is not None
    assert operator.name == "IS NOT NULL"


def test_clauses_are_joined_by_and_groups_by_or_and_every_failed_clause_is_named() -> None:
    both = filter_of(
        [clause("department", "EQUALS", "Sales"), clause("city", "EQUALS", "Oslo")], [clause("country", "EQUALS", "NO")]
    ).scope
    assert both.evaluate({"department": "Sales", "city": "Oslo"}).passed
    assert both.evaluate({"country": "NO"}).passed
    refused = both.evaluate({"department": "Sales", "city": "canary", "country": "canary"})
    assert refused.passed is False
    assert refused.failed == ("filter 1 city EQUALS Oslo", "filter 2 country EQUALS NO")


def test_a_filter_without_clauses_lets_everybody_pass() -> None:
    assert compile_filter(None, ObjectType.USER).scope.evaluate({}).passed
    assert filter_of([]).scope.evaluate({}).passed


def test_the_three_kinds_of_groups_are_kept_apart() -> None:
    ignoring = filter_of([clause("department", "EQUALS", "Sales")], kind="inputFilterGroups")
    assert ignoring.input.evaluate({"department": "IT"}).passed is False
    assert ignoring.scope.evaluate({"department": "IT"}).passed
    assert ignoring.category.evaluate({"department": "IT"}).passed


def test_a_guest_is_filtered_by_the_name_at_home() -> None:
    guests = filter_of([clause("userPrincipalName", "ENDS_WITH", "@home.example")]).scope
    assert guests.evaluate({"userPrincipalName": "ada_home.example#EXT#@tenant.example"}).passed


def test_a_pattern_that_explodes_is_a_failure_with_a_sentence_and_neither_a_hang_nor_a_no() -> None:
    exploding = filter_of([clause("department", "REGEX MATCH", "^(a|a|b|aa)*(a|aa)*$")]).scope
    began = time.monotonic()
    with pytest.raises(FilterEvaluationError) as error:
        exploding.evaluate({"department": "a" * 5000 + "!"})
    assert time.monotonic() - began < 5
    assert error.value.sentence.startswith("filter 1 department REGEX MATCH")
    assert "aaaa" not in str(error.value).replace("^(a|a|b|aa)*(a|aa)*$", "")


def test_nobody_who_passes_another_group_is_held_up_by_a_pattern_that_explodes() -> None:
    either = filter_of(
        [clause("department", "REGEX MATCH", "^(a|a|b|aa)*(a|aa)*$")], [clause("city", "EQUALS", "Oslo")]
    ).scope
    assert either.evaluate({"department": "a" * 5000 + "!", "city": "Oslo"}).passed


def test_operators_are_listed_as_graph_lists_them() -> None:
    listed = {item["name"]: item for item in operator_schemas()}
    assert set(listed) == set(OPERATORS)
    assert listed["IS NULL"]["arity"] == "Unary"
    assert listed["EQUALS"] == {
        "id": "EQUALS",
        "name": "EQUALS",
        "arity": "Binary",
        "multivaluedComparisonType": "All",
        "supportedAttributeTypes": ["Boolean", "Binary", "Reference", "Integer", "String"],
    }


VALUES = st.none() | st.text(max_size=5) | st.integers() | st.booleans() | st.lists(st.text(max_size=3), max_size=2)
TEXTS = ["EQUALS", "INCLUDES", "ENDS_WITH", "&", "REGEX MATCH"]
OPPOSITES = [("EQUALS", "NOT EQUALS"), ("&", "!&"), ("REGEX MATCH", "NOT REGEX MATCH")]


@given(VALUES, st.text(alphabet="abc1", min_size=1, max_size=3), st.sampled_from(OPPOSITES))
def test_of_an_operator_and_its_opposite_one_holds_unless_there_is_no_value(
    value: Any, operand: str, pair: tuple[str, str]
) -> None:
    outcomes = [passes(operator, value, operand) for operator in pair]
    assert outcomes.count(True) == (0 if value in (None, "", []) else 1)


@given(st.dictionaries(st.sampled_from(["department", "city", "country"]), VALUES), st.data())
def test_a_filter_passes_exactly_when_it_names_no_failed_clause(record: dict[str, Any], data: Any) -> None:
    clauses = st.builds(
        clause, st.sampled_from(["department", "city", "country"]), st.sampled_from(TEXTS), st.just("a")
    )
    groups = data.draw(st.lists(st.lists(clauses, min_size=1, max_size=3), max_size=3))
    result = filter_of(*groups).scope.evaluate(record)
    assert result.passed is not bool(result.failed)
