"""Filters: one `attribute eq "value"`, which is all that the service is known to understand (RFC 7644 section 3.4.2.2)."""

import re
from typing import Final

import orjson

from simulators.linkedin.attributes import CORE_GROUP, CORE_USER
from simulators.linkedin.errors import ScimError

_LITERAL: Final = r'"(?:[^"\\]|\\.)*"|true|false|null|-?\d+'
_EQUALS: Final = re.compile(rf"\s*([A-Za-z][^\s\"]*(?:\[[^\]]*\][^\s]*)?)\s+eq\s+({_LITERAL})\s*", re.IGNORECASE)
_CONDITION: Final = re.compile(rf"\s*([\w$.-]+)\s+eq\s+({_LITERAL})\s*", re.IGNORECASE)
_AND: Final = re.compile(r"and\b", re.IGNORECASE)
_PREFIXES: Final = (CORE_USER.lower() + ":", CORE_GROUP.lower() + ":")


def parse_equals(text: str) -> tuple[str, str]:
    """The lower-case attribute (without its schema URN) and the string of `attribute eq "string"`.

    Raises ScimError 400 invalidFilter for everything else.
    """
    match = _EQUALS.fullmatch(text)
    if match is None:
        raise ScimError(400, 'Only filters of the form attribute eq "value" are supported.', "invalidFilter")
    name = match[1].lower()
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    value = _literal(match[2])
    if not isinstance(value, str):
        raise ScimError(400, "The value of the filter must be a string.", "invalidFilter")
    return name, value


def parse_conditions(text: str) -> list[tuple[str, object]]:
    """The conditions inside a value path, `type eq "work" and primary eq true`: lower-case sub-attributes and values.

    Raises ScimError 400 invalidFilter for any other operator.
    """
    conditions: list[tuple[str, object]] = []
    position = 0
    while True:
        match = _CONDITION.match(text, position)
        if match is None:
            break
        conditions.append((match[1].lower(), _literal(match[2])))
        position = match.end()
        if position == len(text):
            return conditions
        joined = _AND.match(text, position)
        if joined is None:
            break
        position = joined.end()
    raise ScimError(400, "A value path may hold only conditions with eq, joined by and.", "invalidFilter")


def _literal(text: str) -> object:
    try:
        return orjson.loads(text if text[0] == '"' else text.lower())
    except orjson.JSONDecodeError:
        raise ScimError(400, "The value of the filter is not a JSON value.", "invalidFilter") from None
