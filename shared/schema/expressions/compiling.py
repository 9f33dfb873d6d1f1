"""From a tree to closures: what can be seen to be wrong is said now, what can be computed once is computed now."""

from collections.abc import Mapping
from typing import Any, Final

from shared.schema.expressions.comparing import comparison_of
from shared.schema.expressions.errors import ExpressionError
from shared.schema.expressions.function import Argument, Evaluator, Function, Parameter, Site, Takes
from shared.schema.expressions.tree import Attribute, Call, Comparison, Empty, Node, Number, Text, Word
from shared.schema.expressions.values import EvaluationContext, FlowIgnored, Ignore

MOST_PATTERNS: Final = 20
_FLOW_WORDS: Final = {what.value: what for what in Ignore}


class Compiler:
    """Compiles one tree, and notes what it reads and calls."""

    def __init__(self, functions: Mapping[str, Function]) -> None:
        self._functions = functions
        self._by_folded_name = {name.lower(): name for name in functions}
        self._calls = 0
        self._patterns = 0
        self.attributes: set[str] = set()
        self.called: set[str] = set()

    def compile(self, node: Node) -> Evaluator:
        """Return the closure of a whole expression. Raises ExpressionError."""
        return self._closure(node, None, outermost=True)

    def _closure(self, node: Node, place: tuple[str, Parameter] | None, *, outermost: bool = False) -> Evaluator:
        match node:
            case Attribute(name=name):
                self.attributes.add(name)
                return lambda record, _context: record.get(name)
            case Text(text=constant) | Number(number=constant):
                return lambda _record, _context: constant
            case Empty():
                return lambda _record, _context: None
            case Word():
                return _word(node, place)
            case Comparison():
                return self._comparison(node, place)
            case Call():
                return self._call(node, outermost=outermost)

    def _comparison(self, node: Comparison, place: tuple[str, Parameter] | None) -> Evaluator:
        if place is None or place[1].takes is not Takes.CONDITION:
            raise ExpressionError(
                "a comparison outside a condition", node.position, "one comparison as the condition of IIF or in CBool"
            )
        left, right = self._closure(node.left, None), self._closure(node.right, None)
        return comparison_of(node, left, right)

    def _call(self, node: Call, *, outermost: bool) -> Evaluator:
        function = self._function(node)
        if function.outermost_only and not outermost:
            raise ExpressionError(
                f"{function.name} inside another function", node.position, f"{function.name} as the outermost function"
            )
        self._calls += 1
        ordinal = self._calls
        self.called.add(function.name)
        given = list(node.arguments)
        _check_count(function, node)
        while len(given) < len(function.parameters) and not function.parameters[len(given)].repeats:
            given.append(Empty(position=node.position))
        arguments = tuple(self._argument(function, index, argument) for index, argument in enumerate(given))
        site = Site(function=function.name, position=node.position, ordinal=ordinal, arguments=arguments)
        self._patterns += function.name == "Replace" and site.arguments[2].given
        if self._patterns > MOST_PATTERNS:
            raise ExpressionError(
                "too many regular expressions", node.position, f"at most {MOST_PATTERNS} in one expression"
            )
        return function.build(site)

    def _function(self, node: Call) -> Function:
        function = self._functions.get(node.function)
        if function is None:
            close = self._by_folded_name.get(node.function.lower())
            remedy = f"{close} (names are case-sensitive)" if close else "one of the functions of docs/expressions.md"
            raise ExpressionError(f"there is no function {node.function[:60]}", node.position, remedy)
        return function

    def _argument(self, function: Function, index: int, node: Node) -> Argument:
        parameter = function.parameter(index)
        if parameter is None:
            raise ExpressionError(f"{function.name} has too many arguments", node.position, function.signature)
        name = parameter.name
        if parameter.repeats:
            fixed = sum(not one.repeats for one in function.parameters)
            name += f" {(index - fixed) // (len(function.parameters) - fixed) + 1}"
        if parameter.required and isinstance(node, Empty):
            raise ExpressionError(f"{function.name}, argument {name}: is left out", node.position, function.signature)
        closure = self._closure(node, (function.name, parameter))
        return Argument(
            function=function.name, name=name, node=node, position=node.position, evaluate=closure, type=parameter.type
        )


def _word(node: Word, place: tuple[str, Parameter] | None) -> Evaluator:
    takes = place[1].takes if place else Takes.VALUES
    what = _FLOW_WORDS.get(node.name)
    if (what is None) != (takes is Takes.COMPARE_TYPE) or (what is not None and takes is not Takes.BRANCH):
        expected = (
            "IgnoreAttributeFlow and IgnoreObjectFlow as a branch of IIF or Switch; "
            "vbTextCompare and vbBinaryCompare as compareType of InStr"
        )
        raise ExpressionError(f"{node.name} cannot stand here", node.position, expected)
    name = node.name
    if what is None:
        return lambda _record, _context: name
    ignored = what

    def ignore(_record: Mapping[str, Any], _context: EvaluationContext) -> Any:
        raise FlowIgnored(ignored)

    return ignore


def _check_count(function: Function, node: Call) -> None:
    fixed = [parameter for parameter in function.parameters if not parameter.repeats]
    group = len(function.parameters) - len(fixed)
    required = sum(parameter.required for parameter in fixed) if not group else len(function.parameters)
    fewest = required if function.fewest is None else function.fewest
    count = len(node.arguments)
    wrong = ""
    if count < fewest:
        wrong = f"{function.name} has {count} arguments, it needs {fewest}"
    elif not group and count > len(function.parameters):
        wrong = f"{function.name} has {count} arguments, it takes {len(function.parameters)}"
    elif group and (count - len(fixed)) % group:
        wrong = f"{function.name} has {count} arguments; the last ones come in groups of {group}"
    if wrong:
        raise ExpressionError(wrong, node.position, function.signature)
