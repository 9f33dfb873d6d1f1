"""The expression language of attribute mappings (Microsoft Entra, "Reference for writing expressions for attribute mappings")."""

from shared.schema.expressions.errors import AllValuesUsed, EvaluationError, ExpressionError
from shared.schema.expressions.expression import Expression, compile_expression, compile_tree
from shared.schema.expressions.function import Example, Function, Parameter
from shared.schema.expressions.registry import FUNCTIONS
from shared.schema.expressions.source import from_source, to_source
from shared.schema.expressions.tree import Node
from shared.schema.expressions.values import IGNORE_ATTRIBUTE, IGNORE_OBJECT, EvaluationContext, Ignore, Value

__all__ = [
    "FUNCTIONS",
    "IGNORE_ATTRIBUTE",
    "IGNORE_OBJECT",
    "AllValuesUsed",
    "EvaluationContext",
    "EvaluationError",
    "Example",
    "Expression",
    "ExpressionError",
    "Function",
    "Ignore",
    "Node",
    "Parameter",
    "Value",
    "compile_expression",
    "compile_tree",
    "from_source",
    "to_source",
]
