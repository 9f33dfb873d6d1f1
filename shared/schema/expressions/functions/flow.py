"""Functions about how a value flows: whether at all, shown or not, and which of several candidates."""

from collections.abc import Mapping
from typing import Any, Final

from shared.schema.expressions.errors import AllValuesUsed
from shared.schema.expressions.function import Evaluator, Example, Function, Parameter, Site, Type
from shared.schema.expressions.values import IGNORE_ATTRIBUTE, EvaluationContext, FlowIgnored, as_text, is_empty


def _ignore_if_empty(site: Site) -> Evaluator:
    evaluate = site.arguments[0].evaluate

    def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        value = evaluate(record, context)
        if is_empty(value):
            raise FlowIgnored(IGNORE_ATTRIBUTE)
        return value

    return run


def _redact(site: Site) -> Evaluator:
    return site.arguments[0].evaluate


def _default_domain(_site: Site) -> Evaluator:
    return lambda _record, context: context.default_domain


def _select_unique(site: Site) -> Evaluator:
    rules = [(argument.evaluate, argument.name) for argument in site.arguments]

    def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        any_value = False
        for evaluate, name in rules:
            value = as_text(evaluate(record, context), name)
            if value:
                any_value = True
                if context.is_used is None or not context.is_used(value):
                    return value
        if not any_value:
            return None
        raise AllValuesUsed(
            "every candidate is used at the target; add a rule that gives another one",
            function=site.function,
            argument=None,
            position=site.position,
        )

    return site.guarded(run)


FUNCTIONS: Final = (
    Function(
        name="DefaultDomain",
        parameters=(),
        rule="The default domain of the tenant; null when it is not known.",
        examples=(Example(expression="DefaultDomain()", result="contoso.com"),),
        build=_default_domain,
    ),
    Function(
        name="IgnoreFlowIfNullOrEmpty",
        parameters=(Parameter(name="expression", type=Type.OBJECT),),
        rule="The value; when it is null or empty, the target attribute is left alone.",
        examples=(
            Example(
                expression="IgnoreFlowIfNullOrEmpty([department])",
                attributes={"department": ""},
                result=IGNORE_ATTRIBUTE,
            ),
        ),
        build=_ignore_if_empty,
    ),
    Function(
        name="Redact",
        parameters=(Parameter(name="value", type=Type.OBJECT),),
        rule="The value, which flows but is never shown: logs have [Redact] in its place.",
        examples=(
            Example(
                expression="Redact([userPrincipalName])",
                attributes={"userPrincipalName": "ada@example.org"},
                result="ada@example.org",
            ),
        ),
        build=_redact,
        redacts=True,
    ),
    Function(
        name="SelectUniqueValue",
        parameters=(Parameter(name="rule", type=Type.OBJECT, repeats=True),),
        rule="The first value that the target does not have yet; when it has all of them the object waits. At least "
        "two rules, outermost function only.",
        examples=(
            Example(
                expression='SelectUniqueValue(Join(".", [givenName], [surname]), Join(".", Left([givenName], 1), [surname]))',
                attributes={"givenName": "John", "surname": "Smith"},
                result="John.Smith",
            ),
        ),
        build=_select_unique,
        outermost_only=True,
        fewest=2,
    ),
)
