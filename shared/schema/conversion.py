"""From what a mapping produced to what an attribute of the target takes, by the type in its definition."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

from shared.contracts.synchronization_schema import AttributeType

_WHOLE: Final = re.compile(r"\s*[+-]?[0-9]{1,18}\s*")


class ConversionError(ValueError):
    """A value does not fit its attribute. The text says why and what to do, never the value."""


Convert = Callable[[Any], Any]


def is_empty(value: Any) -> bool:
    """Return whether a value is null or empty, and so is not provisioned; false and 0 are values."""
    return value is None or (not value and value in ("", [], {}, ()))


def converter(kind: AttributeType, *, multivalued: bool) -> Convert:
    """Return what makes a value fit an attribute; it raises ``ConversionError``. Null and empty values are never given to it."""
    one = _ONE[kind]
    return (lambda value: _many(one, value)) if multivalued else (lambda value: one(_single(value)))


def _many(one: Convert, value: Any) -> list[Any]:
    values = value if isinstance(value, list | tuple) else [value]
    return [item if isinstance(item, dict) else one(item) for item in values if not is_empty(item)]


def _single(value: Any) -> Any:
    if isinstance(value, list | tuple):
        if len(value) > 1:
            raise ConversionError(
                "has several values, and the attribute takes one; pick one with Item or combine them with Join"
            )
        value = value[0]
    if isinstance(value, dict):
        raise ConversionError("is a complex value, and the attribute takes a single one; map one of its parts")
    return value


def as_text(value: Any) -> str:
    """Return a value as the text that mappings, matching and filters have of it: True and False, whole digits."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "True" if value else "False"
    if isinstance(value, Decimal):
        return format(value, "f")
    return str(value)


def _boolean(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    word = as_text(value).strip().casefold()
    if word in {"true", "1"}:
        return True
    if word in {"false", "0"}:
        return False
    raise ConversionError(
        "is neither True nor False, and the attribute is a boolean; use Switch to say which values mean which"
    )


def _integer(value: Any) -> int:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, Decimal | float) and value == int(value):
        return int(value)
    if isinstance(value, int):
        return value
    if not isinstance(value, str) or not _WHOLE.fullmatch(value):
        raise ConversionError("is not a whole number, and the attribute is an integer")
    return int(value)


def _reference(value: Any) -> str:
    if isinstance(value, str):
        return value
    raise ConversionError("is not the id of an object, and the attribute is a reference")


_ONE: Final[dict[AttributeType, Convert]] = {
    AttributeType.STRING: as_text,
    AttributeType.DATE_TIME: as_text,
    AttributeType.BINARY: as_text,
    AttributeType.BOOLEAN: _boolean,
    AttributeType.INTEGER: _integer,
    AttributeType.REFERENCE: _reference,
}
