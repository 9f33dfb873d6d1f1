"""From tokens to the tree. What a function takes is checked when the tree is compiled."""

from typing import Final

from shared.schema.expressions.errors import ExpressionError
from shared.schema.expressions.lexer import Kind, Token, tokens_of
from shared.schema.expressions.tree import (
    WORDS,
    Attribute,
    Call,
    Comparator,
    Comparison,
    Empty,
    Node,
    Number,
    Text,
    Word,
)

DEEPEST: Final = 64
COMPARING: Final = ("CBool", "IIF")
_OPERAND: Final = 'a function, [an attribute], "a text" or a number'


def parse(text: str) -> Node:
    """Return the tree of an expression: a call, or one attribute. Raises ExpressionError."""
    node = parse_operand(text)
    if not isinstance(node, Call | Attribute):
        raise ExpressionError(
            "the expression is neither a function nor an attribute",
            node.position,
            "a function, or a mapping of type Constant for a fixed text",
        )
    return node


def parse_operand(text: str) -> Node:
    """Return the tree of an expression, or of a literal by itself. Raises ExpressionError."""
    tokens = tokens_of(text)
    reader = _Reader(tokens)
    if len(tokens) == 1:
        raise ExpressionError("the expression is empty", 1, "a function, or [an attribute]")
    node = reader.expression(depth=0)
    if reader.token.kind is Kind.COMPARATOR:
        raise _comparison(reader.token)
    if reader.token.kind is not Kind.END:
        raise ExpressionError(
            f"{reader.token.text!r} follows the expression",
            reader.token.position,
            "the end; an expression is one function call",
        )
    return node


class _Reader:
    """A place in the tokens."""

    def __init__(self, tokens: list[Token]) -> None:
        self._tokens = tokens
        self._at = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._at]

    def _next(self) -> Token:
        token = self.token
        self._at += token.kind is not Kind.END
        return token

    def expression(self, *, depth: int) -> Node:
        if depth > DEEPEST:
            raise ExpressionError(
                "functions are nested too deeply", self.token.position, f"at most {DEEPEST} functions inside each other"
            )
        token = self._next()
        match token.kind:
            case Kind.ATTRIBUTE:
                return Attribute(name=token.text, position=token.position)
            case Kind.TEXT:
                return Text(text=token.text, position=token.position)
            case Kind.NUMBER:
                return Number(number=token.number, position=token.position)
            case Kind.WORD if self.token.kind is Kind.OPEN:
                return self._call(token, depth)
            case Kind.WORD if token.text in WORDS:
                return Word(name=token.text, position=token.position)
            case Kind.WORD:
                raise ExpressionError(
                    f"the bare word {token.text}",
                    token.position,
                    f'[{token.text}] for an attribute, "{token.text}" for a text',
                )
            case Kind.END:
                raise ExpressionError("the expression ends too early", token.position, _OPERAND)
        raise ExpressionError(f"{token.text!r} where an argument begins", token.position, _OPERAND)

    def _call(self, name: Token, depth: int) -> Call:
        self._next()
        arguments: list[Node] = []
        if self.token.kind is Kind.CLOSE:
            self._next()
            return Call(function=name.text, arguments=(), position=name.position)
        while True:
            arguments.append(self._argument(name.text, depth))
            token = self._next()
            if token.kind is Kind.CLOSE:
                return Call(function=name.text, arguments=tuple(arguments), position=name.position)
            if token.kind is Kind.COMPARATOR:
                raise _comparison(token)
            if token.kind is not Kind.COMMA:
                said = "the expression ends" if token.kind is Kind.END else f"{token.text!r} stands"
                remedy = (
                    "a comma or ) ; there is no And and no Or: nest IIF"
                    if token.text.lower() in {"and", "or"}
                    else "a comma or )"
                )
                raise ExpressionError(f"{said} inside the arguments of {name.text}", token.position, remedy)

    def _argument(self, function: str, depth: int) -> Node:
        if self.token.kind in {Kind.COMMA, Kind.CLOSE}:
            return Empty(position=self.token.position)
        left = self.expression(depth=depth + 1)
        if self.token.kind is not Kind.COMPARATOR or function not in COMPARING:
            return left
        comparator = Comparator(self._next().text)
        right = self.expression(depth=depth + 1)
        return Comparison(comparator=comparator, left=left, right=right, position=left.position)


def _comparison(token: Token) -> ExpressionError:
    return ExpressionError(
        f"the comparison {token.text} stands outside a condition",
        token.position,
        "one comparison as the condition of IIF or as the argument of CBool",
    )
