"""Replace, in its five modes. Which one is meant follows from which arguments are given."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from shared.schema.expressions.dotnet_regex import (
    Pattern,
    PatternError,
    PatternTimeoutError,
    ResultTooLongError,
    compile_pattern,
)
from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.function import Argument, Evaluator, Example, Function, Parameter, Site
from shared.schema.expressions.values import LONGEST_TEXT, EvaluationContext, too_long

_LONGEST_PATTERN_OF_AN_ATTRIBUTE: Final = 500
_MODES: Final = (
    "oldValue with replacementValue or template, or regexPattern with replacementValue, or with regexGroupName and "
    "replacementValue or replacementAttributeName"
)


def replace_literally(text: str, old: str, new: str) -> str:
    """Return a text with every occurrence replaced, ordinal; nothing is replaced when there is nothing to look for."""
    if not old:
        return text
    if len(text) + text.count(old) * (len(new) - len(old)) > LONGEST_TEXT:
        raise too_long()
    return text.replace(old, new)


def _replace(site: Site) -> Evaluator:
    source, old, pattern, group, new, other, template = site.arguments
    if old.given and pattern.given:
        raise pattern.wrong("is given together with oldValue", _MODES)
    if old.given and template.given:
        return site.guarded(_into_template(source, old, template))
    if old.given and new.given:
        return site.guarded(_literal(source, old, new))
    if pattern.given and group.given and other.given:
        return site.guarded(_extract(source, pattern, group, other))
    if pattern.given and new.given:
        return site.guarded(
            _by_group(source, pattern, group, new) if group.given else _by_pattern(source, pattern, new)
        )
    raise source.wrong("is given without enough to say what replaces what", _MODES)


def _literal(source: Argument, old: Argument, new: Argument) -> Evaluator:
    text, sought, replacement = source.text(), old.text(), new.text()

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        value = text(record, context)
        if value is None:
            return None
        return replace_literally(value, sought(record, context) or "", replacement(record, context) or "")

    return run


def _into_template(source: Argument, old: Argument, template: Argument) -> Evaluator:
    text, sought, into = source.text(), old.text(), template.text()

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        value = text(record, context)
        if value is None:
            return None
        return replace_literally(into(record, context) or "", sought(record, context) or "", value)

    return run


def _by_pattern(source: Argument, pattern: Argument, new: Argument) -> Evaluator:
    text, compiled, replacement = source.text(), _pattern(pattern), new.text()

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        value = text(record, context)
        if value is None:
            return None
        by, expression = replacement(record, context) or "", compiled(record, context)
        return _bounded(lambda: expression.replace(value, by, LONGEST_TEXT))

    return run


def _by_group(source: Argument, pattern: Argument, group: Argument, new: Argument) -> Evaluator:
    text, compiled, replacement = source.text(), _pattern(pattern), new.text()
    name = _group(pattern, group)

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        value = text(record, context)
        if value is None:
            return None
        by, expression = replacement(record, context) or "", compiled(record, context)
        wanted = _known(expression, name(record, context))
        return _bounded(lambda: expression.replace_group(value, wanted, by, LONGEST_TEXT))

    return run


def _extract(source: Argument, pattern: Argument, group: Argument, other: Argument) -> Evaluator:
    text, compiled, other_text = source.text(), _pattern(pattern), other.text()
    name = _group(pattern, group)

    def run(record: Mapping[str, Any], context: EvaluationContext) -> str | None:
        if value := text(record, context):
            return str(value)
        instead = other_text(record, context)
        if instead is None:
            return None
        expression = compiled(record, context)
        wanted = _known(expression, name(record, context))
        return _bounded(lambda: expression.group(instead, wanted))

    return run


def _pattern(argument: Argument) -> Callable[[Mapping[str, Any], EvaluationContext], Pattern]:
    if isinstance(argument.literal, str):
        try:
            pattern = compile_pattern(argument.literal)
        except PatternError as error:
            raise argument.wrong(f"is no regular expression: {error}", "a regular expression of .NET") from None
        return lambda _record, _context: pattern
    read = argument.text()

    def compiled(record: Mapping[str, Any], context: EvaluationContext) -> Pattern:
        text = read(record, context) or ""
        if len(text) > _LONGEST_PATTERN_OF_AN_ATTRIBUTE:
            raise UnusableValue("regexPattern", f"has more than {_LONGEST_PATTERN_OF_AN_ATTRIBUTE} characters")
        try:
            return compile_pattern(text)
        except PatternError:
            raise UnusableValue("regexPattern", "is no regular expression of .NET") from None

    return compiled


def _group(pattern: Argument, group: Argument) -> Evaluator:
    if (
        isinstance(pattern.literal, str)
        and isinstance(group.literal, str)
        and not compile_pattern(pattern.literal).has_group(group.literal)
    ):
        raise group.wrong("is not a group of the pattern", "the name of a group, written (?<name>...) in the pattern")
    return group.text()


def _known(pattern: Pattern, name: str | None) -> str:
    if name is None or not pattern.has_group(name):
        raise UnusableValue("regexGroupName", "is not a group of the pattern")
    return name


def _bounded(work: Callable[[], str | None]) -> str | None:
    try:
        return work()
    except PatternTimeoutError:
        raise UnusableValue("regexPattern", "did not come to an end in time; make the pattern simpler") from None
    except ResultTooLongError:
        raise too_long() from None
    except ValueError:
        raise UnusableValue("source", f"is longer than {LONGEST_TEXT} characters") from None


def _optional(name: str, key: str = "") -> Parameter:
    return Parameter(name=name, required=False, key=key)


_PHONE: Final = r'"\\+(?<isdCode>\\d* )(?<phoneNumber>\\d{10})"'
FUNCTIONS: Final = (
    Function(
        name="Replace",
        parameters=(
            Parameter(name="source"),
            _optional("oldValue", "Find"),
            _optional("regexPattern", "RegularExpression"),
            _optional("regexGroupName", "RegularExpressionGroupName"),
            _optional("replacementValue", "Replacement"),
            _optional("replacementAttributeName", "ReplacementPropertyName"),
            _optional("template", "Template"),
        ),
        rule="With oldValue and replacementValue: the source with each oldValue replaced. With oldValue and template: "
        "the template with each oldValue "
        "replaced by the source. With regexPattern and replacementValue: each match replaced, groups as ${name}; with "
        "regexGroupName only what the group "
        "holds. With regexPattern, regexGroupName and replacementAttributeName: the source if it has a value, else "
        "the group's part of that attribute.",
        examples=(
            Example(
                expression='Replace([mail], "@contoso.com", , , "", , )',
                attributes={"mail": "john@contoso.com"},
                result="john",
            ),
            Example(
                expression='Replace([UserID], "<username>", , , , , "<username>@contoso.com")',
                attributes={"UserID": "jsmith"},
                result="jsmith@contoso.com",
            ),
            Example(
                expression=f'Replace([telephoneNumber], , {_PHONE}, , "${{phoneNumber}}", , )',
                attributes={"telephoneNumber": "+91 9998887777"},
                result="9998887777",
            ),
            Example(
                expression='Replace([userPrincipalName], , "(?<Suffix>@(.)*)", "Suffix", "", , )',
                attributes={"userPrincipalName": "jsmith@contoso.com"},
                result="jsmith",
            ),
            Example(
                expression=f'Replace([telephoneNumber], , {_PHONE}, "phoneNumber", , [mobile], )',
                attributes={"mobile": "+91 9998887777"},
                result="9998887777",
            ),
        ),
        build=_replace,
    ),
)
