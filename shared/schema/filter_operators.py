"""Operators of scoping filters ("Scoping users or groups to be provisioned with scoping filters", Microsoft Entra).

Each takes the value of an attribute, as text, and what the clause compares with. The null rule stands before all of them: on a value that
is null or empty every operator is false, also the negative ones; only IS NULL is true.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from shared.contracts.synchronization_schema import AttributeType

Compare = Callable[[str, str], bool]
_ANY: Final = (AttributeType.BOOLEAN, AttributeType.BINARY, AttributeType.REFERENCE, AttributeType.INTEGER, AttributeType.STRING)
_TEXT: Final = (AttributeType.STRING, AttributeType.INTEGER)
INTEGER: Final = re.compile(r"[0-9]{1,18}")
"""Both sides of a comparison by size: 0, 1, 2 and so on."""


class Kind(StrEnum):
    """How an operator is evaluated."""

    PRESENCE = "presence"
    BOOLEAN = "boolean"
    TEXT = "text"
    PATTERN = "pattern"
    SIZE = "size"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operator:
    """One operator. ``expected`` is what a presence, boolean or pattern has to be; ``compare`` decides between two texts."""

    name: str
    kind: Kind
    supported: tuple[AttributeType, ...]
    expected: bool = True
    compare: Compare | None = None

    @property
    def unary(self) -> bool:
        """Return whether a clause with it compares with nothing."""
        return self.kind in {Kind.PRESENCE, Kind.BOOLEAN}

    @property
    def negative(self) -> bool:
        """Return whether people expect it to be true for somebody without a value, which the null rule denies."""
        return self.name.startswith(("NOT ", "!"))


_ALL: Final = (
    Operator(name="EQUALS", kind=Kind.TEXT, supported=_ANY, compare=lambda value, operand: value == operand),
    Operator(name="NOT EQUALS", kind=Kind.TEXT, supported=_ANY, compare=lambda value, operand: value != operand),
    Operator(name="IS NULL", kind=Kind.PRESENCE, supported=_ANY, expected=False),
    Operator(name="IS NOT NULL", kind=Kind.PRESENCE, supported=_ANY),
    Operator(name="IS TRUE", kind=Kind.BOOLEAN, supported=(AttributeType.BOOLEAN,)),
    Operator(name="IS FALSE", kind=Kind.BOOLEAN, supported=(AttributeType.BOOLEAN,), expected=False),
    Operator(name="REGEX MATCH", kind=Kind.PATTERN, supported=_TEXT),
    Operator(name="NOT REGEX MATCH", kind=Kind.PATTERN, supported=_TEXT, expected=False),
    Operator(
        name="GREATER_THAN", kind=Kind.SIZE, supported=_TEXT, compare=lambda value, operand: int(value) > int(operand)
    ),
    Operator(
        name="GREATER_THAN_OR_EQUALS",
        kind=Kind.SIZE,
        supported=_TEXT,
        compare=lambda value, operand: int(value) >= int(operand),
    ),
    Operator(name="INCLUDES", kind=Kind.TEXT, supported=_TEXT, compare=lambda value, operand: operand in value),
    Operator(name="ENDS_WITH", kind=Kind.TEXT, supported=_TEXT, compare=lambda value, operand: value.endswith(operand)),
    Operator(name="&", kind=Kind.TEXT, supported=_TEXT, compare=lambda value, operand: value in operand),
    Operator(name="!&", kind=Kind.TEXT, supported=_TEXT, compare=lambda value, operand: value not in operand),
)
OPERATORS: Final = {operator.name: operator for operator in _ALL}
UNSUPPORTED: Final = {
    "ISMEMBEROF": "IsMemberOf is listed by Microsoft Graph, and Entra does not support it in filters either",
}


def _folded(name: str) -> str:
    return re.sub(r"[\s_-]+", "", name).upper()


_BY_SPELLING: Final = {_folded(name): operator for name, operator in OPERATORS.items()}


def find_operator(name: str) -> Operator | None:
    """Return the operator of this name, however it is spelt (``IS NOT NULL``, ``IsNotNull``, ``IS_NOT_NULL``), or nothing."""
    return _BY_SPELLING.get(_folded(name))


def why_unsupported(name: str) -> str | None:
    """Return why an operator that Microsoft names cannot be used, or nothing when nobody knows such an operator."""
    return UNSUPPORTED.get(_folded(name))


def operator_schemas() -> list[dict[str, Any]]:
    """Return the operators as Microsoft Graph lists them (``filterOperatorSchema``)."""
    return [
        {
            "id": operator.name,
            "name": operator.name,
            "arity": "Unary" if operator.unary else "Binary",
            "multivaluedComparisonType": "All",
            "supportedAttributeTypes": [kind.value for kind in operator.supported],
        }
        for operator in _ALL
    ]
