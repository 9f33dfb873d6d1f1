"""Functions on several values: what makes them, picks from them, and makes one of them."""

from collections.abc import Mapping
from typing import Any, Final

from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.function import Evaluator, Example, Function, Parameter, Site, Type, eager
from shared.schema.expressions.values import LONGEST_TEXT, MOST_VALUES, EvaluationContext, as_list, as_text, too_long


def item(values: Any, index: int | None) -> Any:
    """Return the value at an index, from 1; null when there are fewer."""
    if index is None or index < 1:
        raise UnusableValue("index", "is less than 1; the first value has index 1")
    found = as_list(values)
    return found[index - 1] if index <= len(found) else None


def remove_duplicates(values: Any) -> list[Any]:
    """Return the values, each once, in their order."""
    kept: dict[str, Any] = {}
    for value in as_list(values):
        kept.setdefault(f"{type(value).__name__} {value!r}", value)
    return list(kept.values())


def split(text: str | None, delimiter: str | None) -> list[str] | None:
    """Return the parts of a text between delimiters, without the spaces around them."""
    if text is None:
        return None
    if not delimiter:
        raise UnusableValue("delimiter", "is empty")
    if text.count(delimiter) >= MOST_VALUES:
        raise UnusableValue("source", f"would give more than {MOST_VALUES} values")
    return [part.strip(" ") for part in text.split(delimiter)]


def _join(site: Site) -> Evaluator:
    separator, *sources = site.arguments
    between = separator.text()
    parts = [(source.evaluate, source.name) for source in sources]

    def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
        found: list[str] = []
        length = 0
        for evaluate, name in parts:
            value = evaluate(record, context)
            for one in value if isinstance(value, list | tuple) else (value,):
                if text := as_text(one, name):
                    found.append(text)
                    length += len(text)
        text = between(record, context) or ""
        if length + len(text) * len(found) > LONGEST_TEXT:
            raise too_long()
        return text.join(found)

    return site.guarded(run)


_PROXIES: Final = {"proxyAddresses": ["SMTP:ada@example.org", "smtp:a@example.org", "smtp:a@example.org"]}
_VALUES: Final = Parameter(name="attribute", type=Type.OBJECT)

FUNCTIONS: Final = (
    Function(
        name="Count",
        parameters=(_VALUES,),
        rule="How many values there are; 0 for null.",
        examples=(Example(expression="Count([proxyAddresses])", attributes=_PROXIES, result=3),),
        build=eager(lambda values: len(as_list(values))),
    ),
    Function(
        name="Item",
        parameters=(_VALUES, Parameter(name="index", type=Type.INTEGER)),
        rule="The value at the index, counted from 1; null when there are fewer.",
        examples=(Example(expression="Item([proxyAddresses], 1)", attributes=_PROXIES, result="SMTP:ada@example.org"),),
        build=eager(item),
    ),
    Function(
        name="Join",
        parameters=(Parameter(name="separator"), Parameter(name="source", type=Type.OBJECT, repeats=True)),
        rule="All values with the separator between them. Several values of a source count one by one; null and empty ones are left out.",
        examples=(
            Example(
                expression='Join(", ", "", [surname], [givenName])',
                attributes={"surname": "Doe", "givenName": "John"},
                result="Doe, John",
            ),
        ),
        build=_join,
    ),
    Function(
        name="RemoveDuplicates",
        parameters=(_VALUES,),
        rule="The values, each once, in their order; case counts.",
        examples=(
            Example(
                expression="RemoveDuplicates([proxyAddresses])",
                attributes=_PROXIES,
                result=["SMTP:ada@example.org", "smtp:a@example.org"],
            ),
        ),
        build=eager(remove_duplicates),
    ),
    Function(
        name="Split",
        parameters=(Parameter(name="source"), Parameter(name="delimiter")),
        rule="The parts between the delimiters as several values, without the spaces around them.",
        examples=(
            Example(
                expression='Split([extensionAttribute5], ",")',
                attributes={"extensionAttribute5": "A, B"},
                result=["A", "B"],
            ),
        ),
        build=eager(split),
    ),
)
