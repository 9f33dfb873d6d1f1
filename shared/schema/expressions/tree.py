"""The tree of a parsed expression, and the text that it stands for."""

from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias


class Comparator(StrEnum):
    """The comparisons of IIF and CBool."""

    EQUAL = "="
    NOT_EQUAL = "<>"
    GREATER = ">"
    GREATER_OR_EQUAL = ">="
    LESS = "<"
    LESS_OR_EQUAL = "<="


@dataclass(frozen=True, slots=True, kw_only=True)
class Attribute:
    """``[name]``: an attribute of the source object."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A literal in quotes; ``text`` is what stands between them, escapes undone."""

    text: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Number:
    """A literal number, decimal or hexadecimal (``&H``)."""

    number: int | Decimal
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Word:
    """A bare word: one of ``WORDS``."""

    name: str
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Empty:
    """An argument that was left out between two commas."""

    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two operands compared; stands only inside IIF and CBool."""

    comparator: Comparator
    left: "Node"
    right: "Node"
    position: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """A function with its arguments, in the order in which they are written."""

    function: str
    arguments: tuple["Node", ...]
    position: int = field(default=0, compare=False)


Node: TypeAlias = Attribute | Text | Number | Word | Empty | Comparison | Call

WORDS = ("vbTextCompare", "vbBinaryCompare", "IgnoreAttributeFlow", "IgnoreObjectFlow")


def quoted(text: str) -> str:
    """Return a text as a literal."""
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def print_tree(node: Node) -> str:
    """Return the text of a tree; parsing it gives an equal tree."""
    match node:
        case Attribute(name=name):
            printed = f"[{name}]"
        case Text(text=text):
            printed = quoted(text)
        case Number(number=number):
            printed = format(number, "f") if isinstance(number, Decimal) else str(number)
        case Word(name=name):
            printed = name
        case Empty():
            printed = ""
        case Comparison(comparator=comparator, left=left, right=right):
            printed = f"{print_tree(left)} {comparator} {print_tree(right)}"
        case Call(function=function, arguments=arguments):
            printed = f"{function}({', '.join(print_tree(argument) for argument in arguments)})"
    return printed
