"""What a function of the language is: its parameters, its rule, its examples, and how a call of it becomes a closure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from shared.schema.expressions.errors import EvaluationError, ExpressionError, UnusableValue
from shared.schema.expressions.tree import Empty, Node, Number, Text, Word
from shared.schema.expressions.values import EvaluationContext, Value, as_integer, as_text

Evaluator: TypeAlias = Callable[[Mapping[str, Any], EvaluationContext], Any]


class Type(StrEnum):
    """What a parameter takes, in the words of Graph's ``attributeMappingParameterSchema``; Object is any value."""

    STRING = "String"
    INTEGER = "Integer"
    BOOLEAN = "Boolean"
    DATE_TIME = "DateTime"
    OBJECT = "Object"


class Takes(StrEnum):
    """What a parameter takes beside values."""

    VALUES = "values"
    CONDITION = "a comparison"
    BRANCH = "IgnoreAttributeFlow or IgnoreObjectFlow"
    COMPARE_TYPE = "vbTextCompare or vbBinaryCompare"


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """One parameter. ``repeats``: it, and those that repeat with it, may be given again and again. ``key`` is its
    name in Graph's schema."""

    name: str
    type: Type = Type.STRING
    required: bool = True
    repeats: bool = False
    takes: Takes = Takes.VALUES
    key: str = ""

    @property
    def schema_name(self) -> str:
        """Return the name that the parameter has in a synchronization schema."""
        return self.key or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """An expression with the attributes it is evaluated against and its result; the documentation shows it and a test executes it."""

    expression: str
    result: Value
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Argument:
    """One argument of a call. ``given`` is false for one that was left out, which evaluates to null."""

    function: str
    name: str
    node: Node
    position: int
    evaluate: Evaluator
    type: Type

    @property
    def given(self) -> bool:
        """Tell whether anything was written."""
        return not isinstance(self.node, Empty)

    @property
    def literal(self) -> Any:
        """Return what a literal says, None for anything that is only known for an object."""
        match self.node:
            case Text(text=text):
                return text
            case Number(number=number):
                return number
            case Word(name=name):
                return name
        return None

    def text(self) -> Evaluator:
        """Return a closure that reads the argument as text, or null."""
        evaluate, name = self.evaluate, self.name
        if (literal := self.literal) is not None:
            constant = as_text(literal, name)
            return lambda _record, _context: constant

        def read(record: Mapping[str, Any], context: EvaluationContext) -> Any:
            value = evaluate(record, context)
            return value if type(value) is str or value is None else as_text(value, name)

        return read

    def integer(self) -> Evaluator:
        """Return a closure that reads the argument as a whole number, or null. Raises ExpressionError for a literal that is none."""
        evaluate, name = self.evaluate, self.name
        if (literal := self.literal) is not None:
            try:
                constant = as_integer(literal, name)
            except UnusableValue as error:
                raise self.wrong(error.reason, "a whole number") from None
            return lambda _record, _context: constant
        return lambda record, context: as_integer(evaluate(record, context), name)

    def read(self) -> Evaluator:
        """Return a closure that reads the argument as its parameter's type says."""
        if self.type in {Type.STRING, Type.DATE_TIME}:
            return self.text()
        return self.integer() if self.type is Type.INTEGER else self.evaluate

    def wrong(self, what: str, expected: str) -> ExpressionError:
        """Return the error of an argument that can be seen to be wrong without any object."""
        return ExpressionError(f"{self.function}, argument {self.name}: {what}", self.position, expected)


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """One call of a function in one expression. ``ordinal`` counts the calls of the expression: two calls of ``Guid`` differ by it."""

    function: str
    position: int
    ordinal: int
    arguments: tuple[Argument, ...]

    def guarded(self, body: Evaluator) -> Evaluator:
        """Return the closure with this call's name and position in every error it raises."""
        function, position = self.function, self.position

        def run(record: Mapping[str, Any], context: EvaluationContext) -> Any:
            try:
                return body(record, context)
            except UnusableValue as error:
                raise EvaluationError(
                    error.reason, function=function, argument=error.argument, position=position
                ) from None

        return run


Builder: TypeAlias = Callable[[Site], Evaluator]


@dataclass(frozen=True, slots=True, kw_only=True)
class Function:
    """One of the functions. ``build`` makes the closure of one call; arguments that were left out at the end are
    given to it as empty ones."""

    name: str
    parameters: tuple[Parameter, ...]
    rule: str
    examples: tuple[Example, ...]
    build: Builder
    random: bool = False
    redacts: bool = False
    outermost_only: bool = False
    fewest: int | None = None

    @property
    def signature(self) -> str:
        """Return the call with the names of its parameters, optional ones with a question mark."""
        names = [
            f"{parameter.name}{'' if parameter.required else '?'}{'…' if parameter.repeats else ''}"
            for parameter in self.parameters
        ]
        return f"{self.name}({', '.join(names)})"

    def metadata(self) -> dict[str, Any]:
        """Return what Graph lists of a function (attributeMappingFunctionSchema); any value counts as String there."""
        return {
            "name": self.name,
            "parameters": [
                {
                    "name": parameter.schema_name,
                    "type": (Type.STRING if parameter.type is Type.OBJECT else parameter.type).value,
                    "required": parameter.required,
                    "allowMultipleOccurrences": parameter.repeats,
                }
                for parameter in self.parameters
            ],
        }

    def parameter(self, index: int) -> Parameter | None:
        """Return the parameter of the argument at an index, None when the call has too many."""
        if index < len(self.parameters):
            return self.parameters[index]
        repeating = [parameter for parameter in self.parameters if parameter.repeats]
        return repeating[(index - len(self.parameters)) % len(repeating)] if repeating else None


def eager(function: Callable[..., Value]) -> Builder:
    """Return the builder of a function that wants all its arguments evaluated, read as the types of its parameters."""

    def build(site: Site) -> Evaluator:
        readers = [argument.read() for argument in site.arguments]
        name, position = site.function, site.position
        if len(readers) == 1:
            only = readers[0]

            def run_one(record: Mapping[str, Any], context: EvaluationContext) -> Any:
                try:
                    return function(only(record, context))
                except UnusableValue as error:
                    raise EvaluationError(
                        error.reason, function=name, argument=error.argument, position=position
                    ) from None

            return run_one
        if len(readers) == 2:
            first, second = readers

            def run_two(record: Mapping[str, Any], context: EvaluationContext) -> Any:
                try:
                    return function(first(record, context), second(record, context))
                except UnusableValue as error:
                    raise EvaluationError(
                        error.reason, function=name, argument=error.argument, position=position
                    ) from None

            return run_two
        return site.guarded(lambda record, context: function(*[read(record, context) for read in readers]))

    return build
