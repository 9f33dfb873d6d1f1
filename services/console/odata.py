"""The part of OData ``$filter`` that the provisioning log takes: ``name eq 'value'`` joined by ``and``."""

import re
from collections.abc import Mapping
from typing import Final

_TOKEN: Final = re.compile(r"\s*(?:(?P<text>'(?:[^']|'')*')|(?P<word>[A-Za-z/]+))")
MOST_CHARACTERS: Final = 1000


class FilterError(ValueError):
    """The filter cannot be read; the message says what is taken instead and never repeats the filter."""


def read_filter(text: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Return the wanted value by column. ``properties`` maps the property names that are taken to columns.

    Raises ``FilterError`` for anything but equality of a known property with a text in single quotes, joined by ``and``.
    """
    if len(text) > MOST_CHARACTERS:
        raise FilterError(f"is longer than {MOST_CHARACTERS} characters")
    tokens = _tokens(text)
    wanted: dict[str, str] = {}
    while True:
        if len(tokens) < 3 or tokens[0].startswith("'") or tokens[1].lower() != "eq" or not tokens[2].startswith("'"):
            raise FilterError("is not understood; write name eq 'value', joined by and")
        column = properties.get(tokens[0])
        if column is None:
            raise FilterError(f"names a property that cannot be filtered; known: {', '.join(sorted(properties))}")
        value = tokens[2][1:-1].replace("''", "'")
        if "\x00" in value:
            raise FilterError("holds a NUL character")
        if wanted.setdefault(column, value) != value:
            raise FilterError("asks one property for two values at once")
        tokens = tokens[3:]
        if not tokens:
            return wanted
        if tokens[0].lower() != "and":
            raise FilterError("is not understood; write name eq 'value', joined by and")
        tokens = tokens[1:]


def _tokens(text: str) -> list[str]:
    tokens, position, text = [], 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise FilterError("is not understood; write name eq 'value', joined by and")
        tokens.append(match["text"] or match["word"])
        position = match.end()
    return tokens
