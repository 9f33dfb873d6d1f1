"""The tester for expressions (Microsoft Graph, ``parseExpression``): what an expression means, and what it gives for one object."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from shared.schema.conversion import as_text
from shared.schema.expressions import (
    EvaluationContext,
    EvaluationError,
    Expression,
    ExpressionError,
    Ignore,
    compile_expression,
    to_source,
)

SEED = "parseExpression"


def try_expression(text: str, record: Mapping[str, Any] | None, now: datetime) -> dict[str, Any]:
    """Return a ``parseExpressionResponse``. The attributes of ``record`` have the names that the expression uses.

    Without a record the expression is parsed and not evaluated. Nothing is kept: whoever may look may try any number of expressions.
    """
    try:
        expression = compile_expression(text)
    except ExpressionError as error:
        wrong = _error("ParsingFailed", error.message, error.position, f"expected {error.expected}")
        return _answer(error=wrong)
    if record is None:
        return _answer(expression)
    try:
        value = expression.evaluate(record, EvaluationContext(now=now, seed=SEED))
    except EvaluationError as error:
        return _answer(expression, error=_error("EvaluationFailed", error.reason, error.position, str(error)))
    return _answer(expression, result=_texts(value), evaluated=True)


def _answer(
    expression: Expression | None = None,
    *,
    result: list[str] | None = None,
    evaluated: bool = False,
    error: dict[str, Any] | None = None,
) -> dict[str, Any]:
    return {
        "parsingSucceeded": expression is not None,
        "evaluationSucceeded": evaluated,
        "evaluationResult": result or [],
        "parsedExpression": to_source(expression.tree) if expression else None,
        "error": error,
    }


def _error(code: str, message: str, position: int, details: str) -> dict[str, Any]:
    return {"code": code, "message": message, "target": f"position {position}", "details": [{"message": details}]}


def _texts(value: Any) -> list[str]:
    """Return the result as Graph does: a list of texts, empty for null."""
    if value is None:
        return []
    return [_text(item) for item in value] if isinstance(value, list | tuple) else [_text(value)]


def _text(value: Any) -> str:
    return str(value.value) if isinstance(value, Ignore) else as_text(value)
