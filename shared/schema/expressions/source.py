"""Trees as the ``source`` of an attribute mapping in a synchronization schema (Microsoft Graph, attributeMappingSource)."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from shared.schema.expressions.errors import ExpressionError
from shared.schema.expressions.function import Function, Parameter
from shared.schema.expressions.parser import DEEPEST, parse_operand
from shared.schema.expressions.registry import FUNCTIONS
from shared.schema.expressions.tree import (
    Attribute,
    Call,
    Comparator,
    Comparison,
    Empty,
    Node,
    Number,
    Text,
    Word,
    print_tree,
)

_COMPARATORS: Final = frozenset(comparator.value for comparator in Comparator)
_MOST_PARAMETERS: Final = 1_000


def to_source(node: Node) -> dict[str, Any]:
    """Return the parsed source of a tree: ``{expression, name, parameters: [{key, value}], type}``. Arguments left out are left out."""
    parameters: list[dict[str, Any]] = []
    match node:
        case Attribute(name=name):
            kind = "Attribute"
        case Text(text=name) | Word(name=name):
            kind = "Constant"
        case Number():
            kind, name = "Constant", print_tree(node)
        case Comparison(comparator=comparator, left=left, right=right):
            kind, name = "Function", comparator.value
            parameters = [_pair("left", left), _pair("right", right)]
        case Call(function=name, arguments=arguments):
            kind = "Function"
            keys = [_key(name, index) for index in range(len(arguments))]
            parameters = [
                _pair(key, one) for key, one in zip(keys, arguments, strict=True) if not isinstance(one, Empty)
            ]
        case Empty():
            kind, name = "Constant", ""
    return {"expression": print_tree(node), "name": name, "parameters": parameters, "type": kind}


def _pair(key: str, node: Node) -> dict[str, Any]:
    return {"key": key, "value": to_source(node)}


def _key(function: str, index: int) -> str:
    found = FUNCTIONS.get(function)
    parameter = found.parameter(index) if found else None
    return parameter.schema_name if parameter else f"argument{index + 1}"


def from_source(source: Mapping[str, Any]) -> Node:
    """Return the tree of a parsed source. Its ``expression`` decides when there is one, its ``parameters`` otherwise.

    Raises ExpressionError.
    """
    return _node(source, 0)


def _node(source: Any, depth: int) -> Node:
    if not isinstance(source, Mapping):
        raise _wrong("a source is not an object", "{type, name, expression, parameters}")
    if depth > DEEPEST:
        raise _wrong("functions are nested too deeply", f"at most {DEEPEST} functions inside each other")
    kind, name, expression = source.get("type") or "Attribute", source.get("name"), source.get("expression")
    if isinstance(expression, str) and expression.strip():
        try:
            return parse_operand(expression)
        except ExpressionError:
            if kind != "Constant":
                raise
    if not isinstance(name, str):
        raise _wrong("a source has neither an expression nor a name", "the name of the attribute, function or constant")
    if kind == "Attribute":
        return Attribute(name=name)
    if kind == "Constant":
        return Text(text=name)
    if kind == "Function":
        return _call(name, source.get("parameters") or (), depth)
    raise _wrong("a source has a type that is not known", "Attribute, Constant or Function")


def _call(name: str, parameters: Any, depth: int) -> Node:
    if not isinstance(parameters, Sequence) or isinstance(parameters, str) or len(parameters) > _MOST_PARAMETERS:
        raise _wrong("the parameters of a source are not a list", f"at most {_MOST_PARAMETERS} {{key, value}}")
    given: list[tuple[str, Node]] = []
    for parameter in parameters:
        key = parameter.get("key") if isinstance(parameter, Mapping) else None
        if not isinstance(key, str):
            raise _wrong(f"a parameter of {name[:60]} has no key", "{key, value}")
        given.append((key, _node(parameter.get("value"), depth + 1)))
    if name in _COMPARATORS:
        if len(given) != 2:
            raise _wrong(f"{name} has {len(given)} operands", "two operands")
        return Comparison(comparator=Comparator(name), left=given[0][1], right=given[1][1])
    function = FUNCTIONS.get(name)
    if function is None:
        raise _wrong(f"there is no function {name[:60]}", "one of the functions of docs/expressions.md")
    return Call(function=name, arguments=_in_order(function, given))


def _in_order(function: Function, given: list[tuple[str, Node]]) -> tuple[Node, ...]:
    arguments: list[Node] = []
    left = list(given)
    for parameter in function.parameters:
        if parameter.repeats:
            break
        index = next((at for at, (key, _) in enumerate(left) if _names(parameter, key)), None)
        arguments.append(Empty() if index is None else left.pop(index)[1])
    repeating = [parameter for parameter in function.parameters if parameter.repeats]
    for key, node in left:
        if not any(_names(parameter, key) for parameter in repeating):
            raise _wrong(f"{function.name} has no parameter {key[:60]}", function.signature)
        arguments.append(node)
    while not repeating and arguments and isinstance(arguments[-1], Empty):
        arguments.pop()
    return tuple(arguments)


def _names(parameter: Parameter, key: str) -> bool:
    return key.lower() in {parameter.name.lower(), parameter.schema_name.lower()}


def _wrong(message: str, expected: str) -> ExpressionError:
    return ExpressionError(message, 1, expected)
