"""Texts as .NET sees them: positions and lengths count UTF-16 code units, not characters."""

from typing import Final

_LAST_OF_ONE_UNIT: Final = "\uffff"


def to_units(text: str) -> str:
    """Return a text with one element for each UTF-16 unit: the same text, unless it has characters that take two."""
    if text.isascii() or max(text) <= _LAST_OF_ONE_UNIT:
        return text
    data = text.encode("utf-16-le", "surrogatepass")
    return "".join(chr(data[at] | data[at + 1] << 8) for at in range(0, len(data), 2))


def from_units(units: str) -> str:
    """Return the text of UTF-16 units. Half a character becomes U+FFFD, as .NET writes it to JSON."""
    if units.isascii() or not any("\ud800" <= unit <= "\udfff" for unit in units):
        return units
    return units.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def length_of(text: str) -> int:
    """Return how many UTF-16 units a text has."""
    return len(text) if text.isascii() else len(text) + sum(character > _LAST_OF_ONE_UNIT for character in text)
