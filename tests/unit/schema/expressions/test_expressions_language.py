"""The grammar, its errors, and what an expression says of itself."""

from typing import Any

import pytest

from shared.schema.expressions import (
    IGNORE_ATTRIBUTE,
    IGNORE_OBJECT,
    AllValuesUsed,
    EvaluationContext,
    EvaluationError,
    ExpressionError,
    compile_expression,
)
from shared.schema.expressions.documentation import EXAMPLE_CONTEXT


def value(expression: str, **attributes: Any) -> Any:
    return compile_expression(expression).evaluate(attributes, EXAMPLE_CONTEXT)


@pytest.mark.parametrize(
    ("text", "position", "words"),
    [
        ("", 1, "empty"),
        ("   ", 1, "empty"),
        ('"only a text"', 1, "Constant"),
        ("vbTextCompare", 1, "Constant"),
        ("Append([a], suffix)", 13, '"suffix"'),
        ('Append([a], "b', 13, "not closed"),
        ("Append([a, 1)", 8, "not closed"),
        ('Append([], "b")', 8, "without a name"),
        ("Append([a] [b])", 12, "comma"),
        ('Append([a], "b"', 16, "comma or )"),
        ('Append([a], "b") x', 18, "follows"),
        ("append([a], [b])", 1, "Append (names are case-sensitive)"),
        ("Nonsense([a])", 1, "docs/expressions.md"),
        ("Append([a])", 1, "Append(source, suffix)"),
        ("Append([a], )", 13, "suffix"),
        ('Append([a], "b", "c")', 1, "takes 2"),
        ('Switch([a], "d", "k", "v", "l")', 1, "groups of 2"),
        ('Switch([a], "d")', 1, "needs 4"),
        ("SelectUniqueValue([a])", 1, "needs 2"),
        ('Append(SelectUniqueValue([a], [b]), "c")', 8, "outermost"),
        ('Append([a] = "b", "c")', 12, "IIF"),
        ('IIF([a] = "b" And [c] = "d", 1, 2)', 15, "nest IIF"),
        ('IIF([a], [b] = "c", 2)', 10, "condition"),
        ("Append([a], IgnoreAttributeFlow)", 13, "branch"),
        ("InStr([a], [b], 1, [c], 4)", 1, "takes 4"),
        ("InStr([a], vbTextCompare)", 12, "compareType"),
        ('Left([a], "x")', 11, "whole number"),
        ("Left([a], 99999999999999999999)", 11, "64 bits"),
        ('DateAdd("x", 1, [a])', 9, "yyyy"),
        ('FormatDateTime([a], , "yyyy", "q")', 31, "format"),
        ('FormatDateTime([a], "Nonsense", "yyyy", "yyyy")', 21, "RoundtripKind"),
        ('Replace([a], , "(", , "b", , )', 16, "parenthesis is not closed"),
        ('Replace([a], , "a", "g", "b", , )', 21, "(?<name>...)"),
        ('Replace([a], "b")', 9, "template"),
        ('ToLower([a], "no culture!")', 14, "tr-TR"),
        ("Append([a], “b”)", 13, "straight"),
        ("Append([a], &b)", 13, "Join or Append"),
        ("Append([a], #)", 13, "no meaning"),
        ("Join(" * 70 + '"",' + '"a")' * 70, 326, "64 functions"),
    ],
)
def test_an_error_names_the_position_and_the_remedy(text: str, position: int, words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_expression(text)
    assert caught.value.position == position
    assert words in str(caught.value)


def test_an_error_in_a_literal_names_function_and_argument() -> None:
    with pytest.raises(ExpressionError, match=r"position 23: Left, argument NumChars: .*expected: a whole number"):
        compile_expression('Append("x", Left([a], "x"))')


def test_at_most_10000_characters() -> None:
    with pytest.raises(ExpressionError, match="10000 are allowed"):
        compile_expression(f'Append([a], "{"x" * 10_000}")')


def test_at_most_20_regular_expressions() -> None:
    one = 'Replace([a], , "x", , "y", , )'
    compile_expression(f'Join("", {", ".join([one] * 20)})')
    with pytest.raises(ExpressionError, match="20 in one expression"):
        compile_expression(f'Join("", {", ".join([one] * 21)})')


def test_an_expression_says_what_it_reads_and_calls() -> None:
    expression = compile_expression('IIF([IsSoftDeleted] = "True", Guid(), Redact([mail]))')
    assert expression.attributes == {"IsSoftDeleted", "mail"}
    assert expression.functions == {"IIF", "Guid", "Redact"}
    assert expression.random
    assert expression.redacts
    plain = compile_expression('Append([mail], "x")')
    assert not plain.random
    assert not plain.redacts


def test_a_bare_attribute_is_its_value_whatever_that_is() -> None:
    assert value('[urn:x:emails[type eq "work"].value]', **{'urn:x:emails[type eq "work"].value': ["a"]}) == ["a"]


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ('IIF([no]="x", IgnoreObjectFlow, IgnoreAttributeFlow)', IGNORE_ATTRIBUTE),
        ('Switch([a], IgnoreObjectFlow, "y", "z")', IGNORE_OBJECT),
        ('Switch([a], IgnoreObjectFlow, "x", "z")', "z"),
        ('Append(IgnoreFlowIfNullOrEmpty([no]), "x")', IGNORE_ATTRIBUTE),
        ("IgnoreFlowIfNullOrEmpty([a])", "x"),
    ],
)
def test_what_ignores_the_flow_does_so_from_any_depth(expression: str, result: Any) -> None:
    assert value(expression, a="x") == result


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ('[a] = "x"', True),
        ('[a] = "X"', False),
        ('[a] <> "X"', True),
        ('[no] = "x"', False),
        ('[no] <> "x"', False),
        ('[empty] <> "x"', False),
        ('[a] <> ""', True),
        ('"" = ""', True),
        ("[n] > 9", True),
        ('[n] >= "10"', True),
        ("[n] < 9", False),
        ("[text] > 9", True),
        ('[text] = "10"', True),
        ('[zeros] = "10"', False),
        ("[zeros] = 10", True),
        ('"b" > "a"', True),
        ('[flag] = "True"', True),
        ("[flag]", True),
        ("[no]", False),
        ("IsNullOrEmpty([no])", True),
        ('InStr([a], "x") > 0', True),
    ],
)
def test_conditions(condition: str, holds: bool) -> None:
    attributes = {"a": "x", "empty": "", "n": 10, "text": "10", "zeros": "0010", "flag": True}
    assert value(f'IIF({condition}, "yes", "no")', **attributes) == ("yes" if holds else "no")


def test_only_the_branch_that_is_taken_is_evaluated() -> None:
    wrong = 'Item([a], "[x]")'.replace('"[x]"', "[x]")
    attributes = {"a": "x", "x": 0}
    assert value(f'IIF([a] = "x", "fine", {wrong})', **attributes) == "fine"
    assert value(f'Switch([a], {wrong}, "x", "fine")', **attributes) == "fine"
    assert value(f'Switch([a], "fine", "y", {wrong})', **attributes) == "fine"
    assert value(f'Coalesce("fine", {wrong})', **attributes) == "fine"
    with pytest.raises(EvaluationError):
        value(wrong, **attributes)


def test_an_evaluation_error_names_function_argument_and_position_and_no_value() -> None:
    with pytest.raises(EvaluationError) as caught:
        value('Append("x", CDate([birthday]))', birthday="Ada Lovelace")
    assert str(caught.value).startswith("position 13: CDate, argument expression: ")
    assert "Ada" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize("given", [["a", "b"], {"a": 1}, object(), b"x", 1e400])
def test_a_value_of_the_wrong_type_is_an_evaluation_error(given: Any) -> None:
    with pytest.raises(EvaluationError):
        value("ToLower([x])", x=given)


def test_one_value_in_a_list_counts_as_that_value() -> None:
    assert value("ToUpper([x])", x=["a"]) == "A"
    assert value("ToUpper([x])", x=[]) is None


@pytest.mark.parametrize(
    "expression",
    [
        'Replace([x], "a", , , [x], , )',
        'Replace([x], , "a", , [x], , )',
        'Replace([x], , "(?<g>a)", "g", [x], , )',
        'Replace([x], "a", , , , , [x])',
        'Join("", [x], [x], [x])',
        "Append([x], [x])",
        "ConvertToUTF8Hex([x])",
        "ConvertToBase64([x])",
    ],
)
def test_no_result_grows_without_bound(expression: str) -> None:
    with pytest.raises(EvaluationError, match="longer than 65536"):
        value(expression, x="a" * 40_000)


def test_random_values_repeat_for_a_seed_and_differ_between_calls_and_seeds() -> None:
    expression = compile_expression('Join(" ", Guid(), Guid(), RandomString(20, 2, 2, 2, 2, "0O1lI"))')
    first = expression.evaluate({}, EXAMPLE_CONTEXT)
    assert first == expression.evaluate({}, EXAMPLE_CONTEXT)
    one, two, text = str(first).split(" ")
    assert one != two
    assert len(text) == 20
    assert not set(text) & set("0O1lI")
    other = EvaluationContext(now=EXAMPLE_CONTEXT.now, seed="another")
    assert expression.evaluate({}, other) != first


def test_the_first_unused_candidate_is_selected_and_all_used_is_its_own_error() -> None:
    expression = compile_expression('SelectUniqueValue([a], Append([a], "1"), Append([a], "2"))')

    def context(*used: str) -> EvaluationContext:
        return EvaluationContext(now=EXAMPLE_CONTEXT.now, seed="s", is_used=used.__contains__)

    assert expression.evaluate({"a": "x"}, context("x", "x1")) == "x2"
    with pytest.raises(AllValuesUsed):
        expression.evaluate({"a": "x"}, context("x", "x1", "x2"))


def test_half_a_character_never_leaves_an_expression() -> None:
    assert value('Left("a\U0001f600", 2)') == "a\ufffd"
    assert value('Len("a\U0001f600")') == 3
    assert value('InStr("\U0001f600b", "b")') == 3
