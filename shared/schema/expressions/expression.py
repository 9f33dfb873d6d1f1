"""An expression: compiled once, evaluated for each object."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from shared.schema.expressions.compiling import Compiler
from shared.schema.expressions.function import Evaluator
from shared.schema.expressions.parser import parse
from shared.schema.expressions.registry import FUNCTIONS
from shared.schema.expressions.tree import Node, print_tree
from shared.schema.expressions.values import EvaluationContext, FlowIgnored, Value


@dataclass(frozen=True, slots=True, kw_only=True)
class Expression:
    """A compiled expression.

    ``attributes`` are the source attributes it reads, derived ones such as IsSoftDeleted and appRoleAssignments
    among them; ``functions`` those it
    calls. ``random``: its value depends on the seed or the time. ``redacts``: its value may never be shown.
    """

    text: str
    tree: Node
    attributes: frozenset[str]
    functions: frozenset[str]
    random: bool
    redacts: bool
    _run: Evaluator = field(repr=False, compare=False)

    def evaluate(self, record: Mapping[str, Any], context: EvaluationContext) -> Value:
        """Return the value for one object: all its attributes by name, not only those that changed. Raises EvaluationError.

        ``IGNORE_ATTRIBUTE`` and ``IGNORE_OBJECT`` say that nothing is to flow.
        """
        try:
            result: Value = self._run(record, context)
        except FlowIgnored as ignored:
            return ignored.what
        return result


def compile_expression(text: str) -> Expression:
    """Return the compiled expression. Raises ExpressionError, which names position, function, argument and remedy."""
    return compile_tree(parse(text), text)


def compile_tree(tree: Node, text: str | None = None) -> Expression:
    """Return the compiled expression of a tree, whose text is printed when none is given. Raises ExpressionError."""
    compiler = Compiler(FUNCTIONS)
    run = compiler.compile(tree)
    called = frozenset(compiler.called)
    return Expression(
        text=print_tree(tree) if text is None else text,
        tree=tree,
        attributes=frozenset(compiler.attributes),
        functions=called,
        random=any(FUNCTIONS[name].random for name in called),
        redacts=any(FUNCTIONS[name].redacts for name in called),
        _run=run,
    )
