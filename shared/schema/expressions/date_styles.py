"""DateTimeStyles of .NET: which blanks a text may have around its date, and what becomes of its zone."""

import re
from functools import lru_cache
from typing import Final, TypeAlias

from shared.schema.expressions.moments import DateError, Kind, Moment

Styles: TypeAlias = frozenset[str]
DEFAULT: Final[Styles] = frozenset({"AllowLeadingWhite", "AllowTrailingWhite", "RoundtripKind"})
NAMES: Final[Styles] = frozenset(
    {
        *("None", "AllowLeadingWhite", "AllowTrailingWhite", "AllowInnerWhite", "AllowWhiteSpaces"),
        *("NoCurrentDateDefault", "AdjustToUniversal", "AssumeLocal", "AssumeUniversal", "RoundtripKind"),
    }
)
_CONVERTING: Final[Styles] = frozenset({"AdjustToUniversal", "AssumeLocal", "AssumeUniversal"})
_BLANKS: Final = re.compile(r"\s+")


@lru_cache(maxsize=128)
def styles_of(text: str) -> Styles:
    """Return the styles that a text names, with commas between them; the default ones for an empty text. Raises DateError."""
    names = frozenset(name for part in text.split(",") if (name := part.strip()))
    if not names:
        return DEFAULT
    if names - NAMES:
        raise DateError("names a style that .NET does not have")
    if ("RoundtripKind" in names and names & _CONVERTING) or {"AssumeLocal", "AssumeUniversal"} <= names:
        raise DateError("combines styles that exclude each other")
    if "AllowWhiteSpaces" in names:
        names |= {"AllowLeadingWhite", "AllowTrailingWhite", "AllowInnerWhite"}
    return names


def without_blanks(text: str, styles: Styles) -> str:
    """Return a text, or a format, without the blanks that the styles allow."""
    if styles is DEFAULT:
        return text.strip()
    if "AllowInnerWhite" in styles:
        inner = _BLANKS.sub("", text)
        start, end = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        text = f"{start}{inner}{end}" if inner else text
    if "AllowLeadingWhite" in styles:
        text = text.lstrip()
    return text.rstrip() if "AllowTrailingWhite" in styles else text


def adjusted(moment: Moment, styles: Styles) -> Moment:
    """Return a moment with the kind that the styles give it."""
    if moment.kind is Kind.UNSPECIFIED and not styles & {"AssumeLocal", "AssumeUniversal"}:
        return moment
    if "AdjustToUniversal" in styles or (moment.kind is Kind.UTC and "RoundtripKind" in styles):
        return Moment(ticks=moment.ticks, kind=Kind.UTC)
    return Moment(ticks=moment.ticks, kind=Kind.LOCAL)
