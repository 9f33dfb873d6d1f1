"""The values that expressions work with, and how one kind is read as another (as .NET's Convert with the invariant culture)."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, TypeAlias

from shared.schema.expressions.errors import UnusableValue

LONGEST_TEXT: Final = 65_536
MOST_VALUES: Final = 10_000
_INTEGER: Final = re.compile(r"\s*[+-]?[0-9]{1,19}\s*\Z")
_NUMBER: Final = re.compile(r"\s*[+-]?([0-9]{1,19}(\.[0-9]{0,19})?|\.[0-9]{1,19})\s*\Z")
SMALLEST, LARGEST = -(2**63), 2**63 - 1
LARGEST_EXPONENT: Final = 28


class Ignore(Enum):
    """Results that are not values: what they name stays as it is at the target."""

    ATTRIBUTE = "IgnoreAttributeFlow"
    OBJECT = "IgnoreObjectFlow"


IGNORE_ATTRIBUTE: Final = Ignore.ATTRIBUTE
IGNORE_OBJECT: Final = Ignore.OBJECT

Value: TypeAlias = str | int | Decimal | bool | list[Any] | dict[str, Any] | Ignore | None
"""None is null; a list is multi-valued; a dict is one complex value (an app role)."""


class FlowIgnored(Exception):  # noqa: N818 - not an error: how a branch says that nothing flows, from any depth
    """Ends an evaluation with one of the ``Ignore`` results."""

    def __init__(self, what: Ignore) -> None:
        super().__init__(what)
        self.what = what


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationContext:
    """What an evaluation may depend on beside the object: nothing else, so that a repeat gives the same result.

    ``now`` is what ``Now()`` returns (aware, any zone). ``seed`` names the object and the mapping: ``Guid`` and
    ``RandomString`` derive their
    value from it. ``default_domain`` is the tenant's. ``is_used`` answers for ``SelectUniqueValue`` whether the target has a value already;
    without it the first candidate is taken.
    """

    now: datetime
    seed: str
    default_domain: str | None = None
    is_used: Callable[[str], bool] | None = None


def kind_of(value: Any) -> str:
    """Return what a value is, for messages that may not show it."""
    if value is None:
        return "null"
    names = {bool: "a boolean", str: "text", int: "a number", Decimal: "a number", float: "a number"}
    names |= {list: "a list of values", tuple: "a list of values", dict: "a complex value"}
    return names.get(type(value), f"of type {type(value).__name__}")


def is_empty(value: Any) -> bool:
    """Tell whether a value is null, empty text or an empty list."""
    return value is None or value in ("", [])


def single(value: Any, argument: str) -> Any:
    """Return the one value of a list of one; an empty list is null. Raises UnusableValue for several."""
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise UnusableValue(
                argument, "has several values where one is needed; pick one with Item or combine them with Join"
            )
        return value[0] if value else None
    return value


def as_text(value: Any, argument: str) -> str | None:
    """Return a value as text: numbers with invariant digits, booleans as True and False, null as None."""
    if type(value) is str or value is None:
        return value
    value = single(value, argument)
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, int) and SMALLEST <= value <= LARGEST:
        return str(value)
    number = _decimal(value)
    if number is not None:
        return as_digits(number)
    raise UnusableValue(argument, f"is {kind_of(value)} that cannot be written as text")


def _decimal(value: Any) -> Decimal | None:
    """Return a fraction as a Decimal; None when it is none, not finite, or of a size that .NET's Decimal does not have."""
    if isinstance(value, float):
        value = Decimal(repr(value))
    if not isinstance(value, Decimal) or not value.is_finite():
        return None
    return value if not value or abs(value.adjusted()) <= LARGEST_EXPONENT else None


def as_digits(value: Decimal) -> str:
    """Return a number without exponent and without needless zeros."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") or "0" if "." in text else text


def as_integer(value: Any, argument: str) -> int | None:
    """Return a value as a whole number of 64 bits; digits in a text count, null is None."""
    value = single(value, argument)
    if value is None:
        return None
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str):
        if not _INTEGER.match(value):
            raise UnusableValue(argument, "is text that is not a whole number")
        value = int(value)
    if isinstance(value, float | Decimal):
        number = _decimal(value)
        if number is None or number != number.to_integral_value():
            raise UnusableValue(argument, "is not a whole number")
        value = int(number)
    if not isinstance(value, int):
        raise UnusableValue(argument, f"is {kind_of(value)} where a number is needed")
    if not SMALLEST <= value <= LARGEST:
        raise UnusableValue(argument, "does not fit in 64 bits")
    return value


def as_number(value: Any) -> int | Decimal | None:
    """Return a number, or the number that a text writes in digits; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, float | Decimal):
        return _decimal(value)
    if isinstance(value, str) and _NUMBER.match(value):
        return Decimal(value.strip())
    return None


def as_list(value: Any) -> list[Any]:
    """Return the values of a multi-valued attribute; a single value is a list of one, null an empty one."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]


def bounded(text: str) -> str:
    """Return the text. Raises UnusableValue when it is longer than any target accepts."""
    if len(text) > LONGEST_TEXT:
        raise too_long()
    return text


def too_long() -> UnusableValue:
    """Return the error of a result that would be longer than LONGEST_TEXT."""
    return UnusableValue(None, f"the result would be longer than {LONGEST_TEXT} characters")
