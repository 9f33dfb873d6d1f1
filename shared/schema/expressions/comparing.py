"""Comparisons, and what counts as true in a condition."""

import operator
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from shared.schema.expressions.errors import EvaluationError, UnusableValue
from shared.schema.expressions.function import Evaluator
from shared.schema.expressions.tree import Comparator, Comparison, Number, Text
from shared.schema.expressions.values import EvaluationContext, as_number, as_text, is_empty

_OPERATORS: Final[dict[Comparator, Callable[[Any, Any], bool]]] = {
    Comparator.EQUAL: operator.eq,
    Comparator.NOT_EQUAL: operator.ne,
    Comparator.GREATER: operator.gt,
    Comparator.GREATER_OR_EQUAL: operator.ge,
    Comparator.LESS: operator.lt,
    Comparator.LESS_OR_EQUAL: operator.le,
}
_EQUALITY: Final = (Comparator.EQUAL, Comparator.NOT_EQUAL)


def comparison_of(node: Comparison, left: Evaluator, right: Evaluator) -> Evaluator:
    """Return a closure that compares. With a null or empty operand that is no literal every comparison fails, also ``<>``.

    Numbers are compared as numbers, texts by code unit and with their case. Two texts that both write numbers are
    numbers for ``<`` and ``>``
    and texts for ``=`` and ``<>``: "007" is not "7".
    """
    compare = _OPERATORS[node.comparator]
    equality = node.comparator in _EQUALITY
    left_literal, right_literal = (isinstance(operand, Text | Number) for operand in (node.left, node.right))
    position = node.position

    def run(record: Mapping[str, Any], context: EvaluationContext) -> bool:
        one, other = left(record, context), right(record, context)
        if (not left_literal and is_empty(one)) or (not right_literal and is_empty(other)):
            return False
        if type(one) is str and type(other) is str and equality:
            return compare(one, other)
        try:
            return _compare(compare, one, other, equality=equality)
        except UnusableValue as error:
            raise EvaluationError(
                error.reason, function="comparison", argument=error.argument, position=position
            ) from None

    return run


def _compare(compare: Callable[[Any, Any], bool], one: Any, other: Any, *, equality: bool) -> bool:
    if not equality or not (isinstance(one, str) and isinstance(other, str)):
        first, second = as_number(one), as_number(other)
        if first is not None and second is not None:
            return compare(first, second)
    texts = as_text(one, "left"), as_text(other, "right")
    if texts[0] is None or texts[1] is None:
        return False
    return compare(*(text.encode("utf-16-be", "surrogatepass") for text in texts if text is not None))


def truth_of(value: Any) -> bool:
    """Return whether a value counts as true (VB ``CBool``): a number that is not zero, True, the text ``True``; null is false.

    Raises UnusableValue for any other text.
    """
    if isinstance(value, bool):
        return value
    if is_empty(value):
        return False
    if isinstance(value, str) and value.strip().lower() in {"true", "false"}:
        return value.strip().lower() == "true"
    number = as_number(value)
    if number is None:
        raise UnusableValue(None, "is neither a comparison nor a number nor True nor False")
    return number != Decimal(0)
