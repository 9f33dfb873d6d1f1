"""Sources of attribute mappings, as Graph writes them in a synchronization schema."""

from typing import Any

import pytest

from shared.schema.expressions import (
    FUNCTIONS,
    ExpressionError,
    compile_expression,
    compile_tree,
    from_source,
    to_source,
)
from shared.schema.expressions.documentation import EXAMPLE_CONTEXT

REPLACE: dict[str, Any] = {
    "expression": 'Replace([preferredLanguage], "-", , , "_", , )',
    "name": "Replace",
    "parameters": [
        {
            "key": "source",
            "value": {
                "expression": "[preferredLanguage]",
                "name": "preferredLanguage",
                "parameters": [],
                "type": "Attribute",
            },
        },
        {"key": "Find", "value": {"expression": '"-"', "name": "-", "parameters": [], "type": "Constant"}},
        {"key": "Replacement", "value": {"expression": '"_"', "name": "_", "parameters": [], "type": "Constant"}},
    ],
    "type": "Function",
}


def without_text(source: Any) -> Any:
    if isinstance(source, dict):
        return {key: without_text(value) for key, value in source.items() if key != "expression"}
    return [without_text(one) for one in source] if isinstance(source, list) else source


def test_the_parsed_source_of_graph_is_written_and_read() -> None:
    tree = compile_expression(REPLACE["expression"]).tree
    assert to_source(tree) == REPLACE
    assert from_source(REPLACE) == tree
    expression = compile_tree(from_source(without_text(REPLACE)))
    assert expression.evaluate({"preferredLanguage": "en-US"}, EXAMPLE_CONTEXT) == "en_US"


@pytest.mark.parametrize("function", FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_example_survives_the_form_of_parameters(function: Any) -> None:
    for example in function.examples:
        source = without_text(to_source(compile_expression(example.expression).tree))
        assert compile_tree(from_source(source)).evaluate(example.attributes, EXAMPLE_CONTEXT) == example.result


def test_a_constant_is_itself() -> None:
    assert (
        compile_tree(from_source({"type": "Constant", "name": "x", "expression": '"x"'})).evaluate({}, EXAMPLE_CONTEXT)
        == "x"
    )
    assert (
        compile_tree(from_source({"type": "Constant", "name": "a b", "expression": "a b"})).evaluate(
            {}, EXAMPLE_CONTEXT
        )
        == "a b"
    )


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({}, "name"),
        ({"type": "Nonsense", "name": "x"}, "Attribute, Constant or Function"),
        ({"type": "Function", "name": "Nonsense"}, "no function"),
        ({"type": "Function", "name": "Append", "parameters": "x"}, "not a list"),
        ({"type": "Function", "name": "Append", "parameters": [1]}, "no key"),
        (
            {"type": "Function", "name": "Append", "parameters": [{"key": "x", "value": {"name": "y"}}]},
            "no parameter x",
        ),
        ({"type": "Function", "name": "Append", "parameters": [{"key": "source", "value": 1}]}, "not an object"),
        ({"type": "Function", "name": "Append", "expression": "Append("}, "too early"),
    ],
)
def test_a_source_that_cannot_be_used_is_refused_by_name(source: dict[str, Any], words: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        from_source(source)
    assert words in str(caught.value)


def test_the_metadata_of_a_function_has_the_form_of_graph() -> None:
    assert FUNCTIONS["Switch"].metadata() == {
        "name": "Switch",
        "parameters": [
            {"name": "source", "type": "String", "required": True, "allowMultipleOccurrences": False},
            {"name": "defaultValue", "type": "String", "required": False, "allowMultipleOccurrences": False},
            {"name": "switchValue", "type": "String", "required": True, "allowMultipleOccurrences": True},
            {"name": "switchValue", "type": "String", "required": False, "allowMultipleOccurrences": True},
        ],
    }
