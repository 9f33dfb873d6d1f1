"""Upper, lower and title case as .NET's TextInfo: one character becomes one character, whatever the language's full rules say."""

import unicodedata
from collections.abc import Callable
from functools import cache
from typing import Final

_DOTLESS, _DOTTED = "\u0131", "\u0130"
_TURKIC: Final = ("tr", "az")
_DIGRAPHS: Final = {
    character: middle
    for middle, three in (("ǅ", "Ǆǅǆ"), ("ǈ", "Ǉǈǉ"), ("ǋ", "Ǌǋǌ"), ("ǲ", "Ǳǲǳ"))
    for character in three
}
_LETTERS: Final = frozenset({"Lu", "Ll", "Lt", "Lm", "Lo"})
_SEPARATORS: Final = frozenset({"Zs", "Zl", "Zp", "Cc", "Cf"})


@cache
def _simple_lower(character: str) -> str:
    lower = character.lower()
    return lower if len(lower) == 1 else "i" if character == _DOTTED else character


@cache
def _simple_upper(character: str) -> str:
    upper = character.upper()
    if len(upper) == 1:
        return upper
    title = character.title()
    return title if len(title) == 1 else character


def lower(text: str, culture: str = "") -> str:
    """Return the text in lower case; ``culture`` is a name such as tr-TR, empty for the invariant one."""
    if culture.lower().partition("-")[0] in _TURKIC:
        return "".join(_DOTLESS if character == "I" else _simple_lower(character) for character in text)
    if text.isascii():
        return text.lower()
    if culture:
        return "".join(map(_simple_lower, text))
    return "".join(character if character == _DOTTED else _simple_lower(character) for character in text)


def upper(text: str, culture: str = "") -> str:
    """Return the text in upper case; ``culture`` is a name such as tr-TR, empty for the invariant one."""
    if culture.lower().partition("-")[0] in _TURKIC:
        return "".join(_DOTTED if character == "i" else _simple_upper(character) for character in text)
    if text.isascii():
        return text.upper()
    if culture:
        return "".join(map(_simple_upper, text))
    return "".join(character if character == _DOTLESS else _simple_upper(character) for character in text)


def _ends_word(character: str) -> bool:
    category = unicodedata.category(character)
    return category in _SEPARATORS or category[0] in "PS"


def title(text: str) -> str:
    """Return the text in lower case with the first letter of each word in title case (TextInfo.ToTitleCase of the lowered text).

    A word begins with a letter and ends before punctuation, a symbol or a space; an apostrophe does not end it.
    """
    made: list[str] = []
    inside = False
    for character in lower(text):
        if inside:
            inside = character == "'" or not _ends_word(character)
        elif unicodedata.category(character) in _LETTERS:
            inside = True
            made.append(_DIGRAPHS.get(character) or upper(character))
            continue
        made.append(character)
    return "".join(made)


def capitalise(text: str, separators: str) -> str:
    """Return the text in lower case with an upper-case character at its beginning and after each of the separators."""
    made: list[str] = []
    raise_next: Callable[[str], str] = upper
    for character in lower(text):
        made.append(raise_next(character))
        raise_next = upper if character in separators else str
    return "".join(made)
