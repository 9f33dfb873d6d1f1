"""Functions on text. Positions and lengths count UTF-16 code units; null text stays null unless the rule says otherwise."""

import base64
import re
import unicodedata
from collections.abc import Callable
from typing import Final

from shared.schema.expressions import casing
from shared.schema.expressions.errors import UnusableValue
from shared.schema.expressions.function import Evaluator, Example, Function, Parameter, Site, Takes, Type, eager
from shared.schema.expressions.utf16 import from_units, length_of, to_units
from shared.schema.expressions.values import bounded

_CULTURE: Final = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8}){0,4}\Z")
_STRIPPED: Final = frozenset("acdegilnorstuyzACDEGILNORSTUYZ")
_SPECIAL: Final = {
    "æ": "ae",
    "Æ": "AE",
    "ø": "oe",
    "Ø": "OE",
    "œ": "oe",
    "Œ": "OE",
    "ß": "ss",
    "ẞ": "SS",
    "ł": "l",
    "Ł": "L",
    "\u0131": "i",
    "đ": "d",
    "Đ": "D",
}


def append(source: str | None, suffix: str | None) -> str | None:
    """Return source and suffix together."""
    return None if source is None else bounded(source + (suffix or ""))


def in_str(text: str | None, sought: str | None, start: int | None, compare: str | None) -> int:
    """Return where a text stands in another, from 1; 0 when it does not (VB InStr)."""
    first = 1 if start is None else start
    if first < 1:
        raise UnusableValue("start", "is less than 1; positions begin at 1")
    if compare not in {None, "vbTextCompare", "vbBinaryCompare", "0", "1"}:
        raise UnusableValue("compareType", "is neither vbTextCompare nor vbBinaryCompare")
    units, wanted = to_units(text or ""), to_units(sought or "")
    if compare in {"vbTextCompare", "1"}:
        units, wanted = casing.lower(units), casing.lower(wanted)
    if not units or first > len(units) + (not wanted):
        return 0
    return units.find(wanted, first - 1) + 1


def left(text: str | None, count: int | None) -> str:
    """Return the first characters; the whole text when the count is negative or too large."""
    if text is None or count == 0:
        return ""
    if count is None or count < 0 or count >= len(text) * 2:
        return text
    return from_units(to_units(text)[:count])


def mid(text: str | None, start: int | None, count: int | None) -> str:
    """Return characters from a position on, from 1; fewer when the text ends (VB Mid)."""
    if start is None or start < 1:
        raise UnusableValue("start", "is less than 1; positions begin at 1")
    if count is None or count < 0:
        raise UnusableValue("length", "is less than 0")
    return from_units(to_units(text or "")[start - 1 : start - 1 + count])


def word(text: str | None, number: int | None, delimiters: str | None) -> str:
    """Return one of the words that any of the delimiters separate, from 1."""
    if text is None or number is None or number < 1:
        return ""
    words = [text]
    if delimiters:
        words = re.split("[" + "".join(map(re.escape, delimiters)) + "]+", text)
    words = [one for one in words if one]
    return words[number - 1] if number <= len(words) else ""


def normalize_diacritics(text: str | None) -> str | None:
    """Return the text with base letters in place of the letters with marks that the table names."""
    if text is None or text.isascii():
        return text
    return bounded("".join(map(_without_mark, unicodedata.normalize("NFC", text))))


def _without_mark(character: str) -> str:
    if character in _SPECIAL:
        return _SPECIAL[character]
    base = unicodedata.normalize("NFD", character)[0]
    return base if base in _STRIPPED else character


def to_base64(text: str | None) -> str | None:
    """Return the base64 of the UTF-16LE bytes."""
    return None if text is None else bounded(base64.b64encode(text.encode("utf-16-le", "surrogatepass")).decode())


def to_hex(text: str | None) -> str | None:
    """Return the UTF-8 bytes in upper-case hexadecimal."""
    return None if text is None else bounded(from_units(text).encode().hex().upper())


def proper_case(text: str | None, separators: str | None) -> str | None:
    """Return the text with each word capitalised."""
    if text is None:
        return None
    return casing.capitalise(text, separators) if separators else casing.title(text)


def strip_spaces(text: str | None) -> str | None:
    """Return the text without spaces."""
    return None if text is None else text.replace(" ", "")


def _cased(change: Callable[[str, str], str]) -> Callable[[Site], Evaluator]:
    def convert(text: str | None, culture: str | None) -> str | None:
        if culture and not _CULTURE.match(culture):
            raise UnusableValue("culture", "is not the name of a culture such as en-US")
        return None if text is None else change(text, culture or "")

    make = eager(convert)

    def build(site: Site) -> Evaluator:
        culture = site.arguments[1]
        if isinstance(culture.literal, str) and culture.literal and not _CULTURE.match(culture.literal):
            raise culture.wrong(
                "is not the name of a culture", "a name such as en-US or tr-TR, or nothing for the invariant culture"
            )
        return make(site)

    return build


_SOURCE: Final = Parameter(name="source")
_CULTURE_PARAMETER: Final = Parameter(name="culture", required=False)
_JOHN: Final = {"userPrincipalName": "John.Doe@contoso.com", "givenName": "John", "state": "QLD"}

FUNCTIONS: Final = (
    Function(
        name="Append",
        parameters=(_SOURCE, Parameter(name="suffix")),
        rule="Source and suffix together. Null when the source is null.",
        examples=(
            Example(
                expression='Append([userPrincipalName], ".test")', attributes=_JOHN, result="John.Doe@contoso.com.test"
            ),
        ),
        build=eager(append),
    ),
    Function(
        name="ConvertToBase64",
        parameters=(_SOURCE,),
        rule="Base64 of the UTF-16LE bytes.",
        examples=(Example(expression='ConvertToBase64("Hello world!")', result="SABlAGwAbABvACAAdwBvAHIAbABkACEA"),),
        build=eager(to_base64),
    ),
    Function(
        name="ConvertToUTF8Hex",
        parameters=(_SOURCE,),
        rule="The UTF-8 bytes as upper-case hexadecimal digits.",
        examples=(Example(expression='ConvertToUTF8Hex("Hello world!")', result="48656C6C6F20776F726C6421"),),
        build=eager(to_hex),
    ),
    Function(
        name="InStr",
        parameters=(
            Parameter(name="value1"),
            Parameter(name="value2"),
            Parameter(name="start", type=Type.INTEGER, required=False),
            Parameter(name="compareType", required=False, takes=Takes.COMPARE_TYPE),
        ),
        rule="Where value2 first stands in value1 at or after start, counted from 1; 0 when it does not. "
        "vbTextCompare ignores case; the default does not.",
        examples=(
            Example(expression='InStr("The quick brown fox", "quick")', result=5),
            Example(expression='InStr("repEated", "e", 3, vbBinaryCompare)', result=7),
        ),
        build=eager(in_str),
    ),
    Function(
        name="Left",
        parameters=(Parameter(name="String"), Parameter(name="NumChars", type=Type.INTEGER)),
        rule='The first NumChars characters. 0, and null text, give ""; a negative or too large number gives the whole text.',
        examples=(Example(expression='Left("John Doe", 3)', result="Joh"),),
        build=eager(left),
    ),
    Function(
        name="Len",
        parameters=(_SOURCE,),
        rule="How many UTF-16 units the text has; 0 for null.",
        examples=(Example(expression='Len("John Doe")', result=8),),
        build=eager(lambda text: length_of(text or "")),
    ),
    Function(
        name="Mid",
        parameters=(_SOURCE, Parameter(name="start", type=Type.INTEGER), Parameter(name="length", type=Type.INTEGER)),
        rule='Length characters from start on, counted from 1; fewer at the end of the text. Null text gives "".',
        examples=(Example(expression="Mid([givenName], 1, 3)", attributes=_JOHN, result="Joh"),),
        build=eager(mid),
    ),
    Function(
        name="NormalizeDiacritics",
        parameters=(_SOURCE,),
        rule="Base letters for a c d e g i l n o r s t u y z with marks; ae for æ, oe for ø and œ, ss for ß, l for ł, "
        "i for the dotless one.",
        examples=(
            Example(expression="NormalizeDiacritics([givenName])", attributes={"givenName": "Zoë"}, result="Zoe"),
        ),
        build=eager(normalize_diacritics),
    ),
    Function(
        name="PCase",
        parameters=(_SOURCE, Parameter(name="wordSeparators", required=False)),
        rule="Each word with a capital and the rest small. Words end at the separators given and nowhere else; "
        "without any, as .NET's ToTitleCase.",
        examples=(
            Example(expression='PCase("PINTO-DE\'SILVA", " \'-")', result="Pinto-De'Silva"),
            Example(expression='PCase("john doe")', result="John Doe"),
        ),
        build=eager(proper_case),
    ),
    Function(
        name="StripSpaces",
        parameters=(_SOURCE,),
        rule="The text without spaces (U+0020).",
        examples=(Example(expression='StripSpaces("a b c")', result="abc"),),
        build=eager(strip_spaces),
    ),
    Function(
        name="ToLower",
        parameters=(_SOURCE, _CULTURE_PARAMETER),
        rule="Lower case by the culture's rules, the invariant ones without it. One character stays one character.",
        examples=(Example(expression='ToLower("John.Smith@contoso.com")', result="john.smith@contoso.com"),),
        build=_cased(casing.lower),
    ),
    Function(
        name="ToUpper",
        parameters=(_SOURCE, _CULTURE_PARAMETER),
        rule="Upper case by the culture's rules, the invariant ones without it. One character stays one character.",
        examples=(
            Example(expression='ToUpper("John.Smith@contoso.com")', result="JOHN.SMITH@CONTOSO.COM"),
            Example(expression='ToUpper("izmir", "tr-TR")', result="İZMİR"),
        ),
        build=_cased(casing.upper),
    ),
    Function(
        name="Word",
        parameters=(
            Parameter(name="String"),
            Parameter(name="WordNumber", type=Type.INTEGER),
            Parameter(name="Delimiters"),
        ),
        rule="The word of that number, counted from 1. Every delimiter character separates, several in a row as one. "
        '"" when there is no such word.',
        examples=(Example(expression='Word("This,string!has&many separators", 3, ",!&#")', result="has"),),
        build=eager(word),
    ),
)
