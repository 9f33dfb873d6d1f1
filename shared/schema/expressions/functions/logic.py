"""Functions that decide: which branch, which value, whether there is one."""

from collections.abc import Mapping
from typing import Any, Final

from shared.schema.expressions.comparing import truth_of
from shared.schema.expressions.function import Evaluator, Example, Function, Parameter, Site, Takes, Type, eager
from shared.schema.expressions.values import EvaluationContext, as_text, is_empty


def _iif(site: Site) -> Evaluator:
    condition, when_true, when_false = (argument.evaluate for argument in site.arguments)
    holds = site.guarded(lambda record, context: truth_of(condition(record, context)))

    def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        return when_true(record, context) if holds(record, context) else when_false(record, context)

    return run


def _switch(site: Site) -> Evaluator:
    source, default, *pairs = site.arguments
    read = source.text()
    otherwise = default.evaluate
    keys, values = pairs[::2], [pair.evaluate for pair in pairs[1::2]]
    literals = [as_text(key.literal, key.name) for key in keys]
    if all(literal is not None for literal in literals):
        table: dict[Any, Evaluator] = {}
        for literal, value in zip(literals, values, strict=True):
            table.setdefault(literal, value)

        def look_up(record: Mapping[str, Any], context: EvaluationContext) -> Any:
            return table.get(read(record, context) or "", otherwise)

        choose = site.guarded(look_up)
    else:
        choose = _searching(site, read, [key.text() for key in keys], values, otherwise)

    def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        return choose(record, context)(record, context)

    return run


def _searching(
    site: Site, read: Evaluator, keys: list[Evaluator], values: list[Evaluator], otherwise: Evaluator
) -> Evaluator:
    def search(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        wanted = read(record, context) or ""
        for key, value in zip(keys, values, strict=True):
            if (key(record, context) or "") == wanted:
                return value
        return otherwise

    return site.guarded(search)


def _coalesce(site: Site) -> Evaluator:
    sources = [argument.evaluate for argument in site.arguments]

    def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        for source in sources:
            value = source(record, context)
            if value is not None and value != []:
                return value
        return None

    return run


_EXPRESSION: Final = Parameter(name="expression", type=Type.OBJECT)

FUNCTIONS: Final = (
    Function(
        name="CBool",
        parameters=(Parameter(name="expression", type=Type.OBJECT, takes=Takes.CONDITION),),
        rule="True for a comparison that holds, a number that is not zero and the text True; False otherwise.",
        examples=(Example(expression="CBool([a] = [b])", attributes={"a": "x", "b": "x"}, result=True),),
        build=eager(truth_of),
    ),
    Function(
        name="Coalesce",
        parameters=(Parameter(name="source", type=Type.OBJECT, repeats=True),),
        rule="The first value that is not null, null when all are; empty text is not null. The last argument serves as default.",
        examples=(
            Example(
                expression="Coalesce([mail], [userPrincipalName])",
                attributes={"userPrincipalName": "John.Doe@contoso.com"},
                result="John.Doe@contoso.com",
            ),
        ),
        build=_coalesce,
    ),
    Function(
        name="IIF",
        parameters=(
            Parameter(name="condition", type=Type.BOOLEAN, takes=Takes.CONDITION),
            Parameter(name="valueIfTrue", type=Type.OBJECT, takes=Takes.BRANCH),
            Parameter(name="valueIfFalse", type=Type.OBJECT, takes=Takes.BRANCH),
        ),
        rule="One of two values; only that one is evaluated. Comparisons: = <> > >= < <=; one with a null or empty "
        "operand fails. No And, no Or: nest IIF.",
        examples=(
            Example(
                expression='IIF([country]="USA", [country], [department])',
                attributes={"country": "USA", "department": "Sales"},
                result="USA",
            ),
        ),
        build=_iif,
    ),
    Function(
        name="IsNull",
        parameters=(_EXPRESSION,),
        rule="True when there is no value.",
        examples=(Example(expression="IsNull([displayName])", result=True),),
        build=eager(lambda value: value is None or value == []),
    ),
    Function(
        name="IsNullOrEmpty",
        parameters=(_EXPRESSION,),
        rule="True when there is no value or an empty text.",
        examples=(Example(expression="IsNullOrEmpty([displayName])", attributes={"displayName": ""}, result=True),),
        build=eager(is_empty),
    ),
    Function(
        name="IsPresent",
        parameters=(_EXPRESSION,),
        rule="The opposite of IsNullOrEmpty.",
        examples=(Example(expression="IsPresent([displayName])", attributes={"displayName": "Ada"}, result=True),),
        build=eager(lambda value: not is_empty(value)),
    ),
    Function(
        name="IsString",
        parameters=(_EXPRESSION,),
        rule="True for text, False for numbers, booleans, several values and null.",
        examples=(Example(expression="IsString([displayName])", attributes={"displayName": "Ada"}, result=True),),
        build=eager(lambda value: isinstance(value, str)),
    ),
    Function(
        name="Not",
        parameters=(Parameter(name="source", type=Type.BOOLEAN),),
        rule="False for True, True for everything else.",
        examples=(Example(expression="Not([IsSoftDeleted])", attributes={"IsSoftDeleted": True}, result=False),),
        build=eager(lambda value: as_text(value, "source") != "True"),
    ),
    Function(
        name="Switch",
        parameters=(
            Parameter(name="source"),
            Parameter(name="defaultValue", type=Type.OBJECT, required=False, takes=Takes.BRANCH),
            Parameter(name="key", repeats=True, key="switchValue"),
            Parameter(
                name="value", type=Type.OBJECT, required=False, repeats=True, takes=Takes.BRANCH, key="switchValue"
            ),
        ),
        rule="The value of the first key equal to the source, with its case; the default otherwise. Null source "
        'matches the key "". Only one value is evaluated.',
        examples=(
            Example(
                expression='Switch([state], "Australia/Sydney", "QLD", "Australia/Brisbane")',
                attributes={"state": "QLD"},
                result="Australia/Brisbane",
            ),
            Example(
                expression='Switch([IsSoftDeleted], , "False", "True", "True", "False")',
                attributes={"IsSoftDeleted": False},
                result="True",
            ),
        ),
        build=_switch,
    ),
)
