"""From the text of an expression to its tokens."""

import re
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from typing import Final

from shared.schema.expressions.errors import ExpressionError
from shared.schema.expressions.values import LARGEST, SMALLEST

LONGEST_EXPRESSION: Final = 10_000
_BLANK: Final = re.compile(r"\s*")
_WORD: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
_HEX: Final = re.compile(r"&[Hh]([0-9A-Fa-f]+)")
_TEXT: Final = re.compile(r'"((?:[^"\\]|\\.)*)"', re.DOTALL)
_ESCAPE: Final = re.compile(r'\\(["\\])')
_CURLY: Final = "\u201c\u201d\u201e\u201f\u00ab\u00bb\u2018\u2019"


class Kind(StrEnum):
    """What a token is."""

    ATTRIBUTE = "an attribute in brackets"
    TEXT = "a text in double quotes"
    NUMBER = "a number"
    WORD = "a name"
    OPEN = "("
    CLOSE = ")"
    COMMA = ","
    COMPARATOR = "a comparison"
    END = "the end of the expression"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One token: ``text`` without its marks, ``number`` of a number, and where it begins (from 1)."""

    kind: Kind
    text: str
    position: int
    number: int | Decimal = 0


def tokens_of(text: str) -> list[Token]:
    """Return the tokens, the last one of kind END. Raises ExpressionError."""
    if len(text) > LONGEST_EXPRESSION:
        raise ExpressionError(
            f"the expression has {len(text)} characters, {LONGEST_EXPRESSION} are allowed",
            LONGEST_EXPRESSION + 1,
            "a shorter expression; split it over two attributes",
        )
    tokens: list[Token] = []
    at = _skip(text, 0)
    while at < len(text):
        token, at = _token(text, at)
        tokens.append(token)
        at = _skip(text, at)
    tokens.append(Token(kind=Kind.END, text="", position=len(text) + 1))
    return tokens


def _skip(text: str, at: int) -> int:
    found = _BLANK.match(text, at)
    return found.end() if found else at


_MARKS: Final = {"(": Kind.OPEN, ")": Kind.CLOSE, ",": Kind.COMMA}


def _token(text: str, at: int) -> tuple[Token, int]:
    position, character = at + 1, text[at]
    if character in _MARKS:
        return Token(kind=_MARKS[character], text=character, position=position), at + 1
    if character in "=<>":
        length = 2 if text[at : at + 2] in {"<>", ">=", "<="} else 1
        return Token(kind=Kind.COMPARATOR, text=text[at : at + length], position=position), at + length
    if character == "[":
        return _attribute(text, at)
    if found := _TEXT.match(text, at):
        return Token(kind=Kind.TEXT, text=_ESCAPE.sub(r"\1", found[1]), position=position), found.end()
    if character == '"':
        raise ExpressionError(
            "a text is not closed",
            position,
            'a closing double quote; write a quote inside the text as \\" and a backslash as \\\\',
        )
    return _number_or_word(text, at)


def _number_or_word(text: str, at: int) -> tuple[Token, int]:
    position, character = at + 1, text[at]
    if found := _HEX.match(text, at):
        number: int | Decimal = _whole(found[1], 16, position)
        return Token(kind=Kind.NUMBER, text=found[0], position=position, number=number), found.end()
    if found := _NUMBER.match(text, at):
        number = _fraction(found[0], position) if found[1] else _whole(found[0], 10, position)
        return Token(kind=Kind.NUMBER, text=found[0], position=position, number=number), found.end()
    if found := _WORD.match(text, at):
        return Token(kind=Kind.WORD, text=found[0], position=position), found.end()
    if character in _CURLY:
        raise ExpressionError("a typographic quote", position, 'a straight double quote (")')
    if character == "&":
        raise ExpressionError(
            "& stands only before H and hexadecimal digits",
            position,
            "a number such as &HF; join texts with Join or Append",
        )
    raise ExpressionError(
        "a character that has no meaning here", position, 'a function, [an attribute], "a text" or a number'
    )


def _attribute(text: str, at: int) -> tuple[Token, int]:
    """Read to the bracket that closes the name; brackets inside it (``emails[type eq "work"].value``) come in pairs."""
    depth = 0
    for index in range(at, len(text)):
        depth += (text[index] == "[") - (text[index] == "]")
        if depth == 0:
            name = text[at + 1 : index].strip()
            if not name:
                raise ExpressionError(
                    "an attribute without a name", at + 1, "the name of a source attribute, as in [displayName]"
                )
            return Token(kind=Kind.ATTRIBUTE, text=name, position=at + 1), index + 1
    raise ExpressionError("an attribute is not closed", at + 1, "a closing bracket after the attribute's name")


def _whole(digits: str, base: int, position: int) -> int:
    number = int(digits, base) if len(digits) <= 20 else LARGEST + 1
    if not SMALLEST <= number <= LARGEST:
        raise ExpressionError("a number that does not fit in 64 bits", position, "a number up to 9223372036854775807")
    return number


def _fraction(digits: str, position: int) -> Decimal:
    if len(digits) > 28:
        raise ExpressionError("a number with too many digits", position, "at most 28 digits")
    return Decimal(digits)
