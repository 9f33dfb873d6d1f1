"""Dates written and read by .NET format strings, in the invariant culture ("Custom date and time format strings", "Standard ...")."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from shared.schema.expressions.date_parsing import (
    DAYS,
    MONTHS,
    NO_SUCH_TIME,
    fraction_ticks,
    full_year,
    in_utc,
    zone_ticks,
)
from shared.schema.expressions.date_styles import DEFAULT, Styles, adjusted, without_blanks
from shared.schema.expressions.moments import (
    TICKS_PER_HOUR,
    TICKS_PER_MINUTE,
    TICKS_PER_SECOND,
    DateError,
    Kind,
    Moment,
    moment_of,
)

_LONG_DATE: Final = "dddd, dd MMMM yyyy"
_STANDARD: Final = {
    "d": "MM/dd/yyyy",
    "D": _LONG_DATE,
    "f": f"{_LONG_DATE} HH:mm",
    "F": f"{_LONG_DATE} HH:mm:ss",
    "g": "MM/dd/yyyy HH:mm",
    "G": "MM/dd/yyyy HH:mm:ss",
    "m": "MMMM dd",
    "M": "MMMM dd",
    "o": "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
    "O": "yyyy'-'MM'-'dd'T'HH':'mm':'ss.fffffffK",
    "r": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "R": "ddd, dd MMM yyyy HH':'mm':'ss 'GMT'",
    "s": "yyyy'-'MM'-'dd'T'HH':'mm':'ss",
    "t": "HH:mm",
    "T": "HH:mm:ss",
    "u": "yyyy'-'MM'-'dd HH':'mm':'ss'Z'",
    "U": f"{_LONG_DATE} HH:mm:ss",
    "y": "yyyy MMMM",
    "Y": "yyyy MMMM",
}
_LONGEST_FORMAT: Final = 200
_RUNS: Final = frozenset("dfFghHKmMstyzZ:/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A piece of a format: a specifier with its length, or with length 0 a literal."""

    sign: str
    length: int = 0


@lru_cache(maxsize=512)
def parts_of(pattern: str, *, reading: bool) -> tuple[_Part, ...]:
    """Return the pieces of a format. Raises DateError when it is none."""
    if not pattern or len(pattern) > _LONGEST_FORMAT:
        raise DateError("is empty or too long for a format")
    if len(pattern) == 1:
        if pattern not in _STANDARD:
            raise DateError("is a single letter that is no standard format; write % before a custom one")
        pattern = _STANDARD[pattern]
    parts: list[_Part] = []
    at = 0
    while at < len(pattern):
        found, at = _part_at(pattern, at, reading=reading)
        parts += found
    return tuple(parts)


def _part_at(pattern: str, at: int, *, reading: bool) -> tuple[list[_Part], int]:
    sign = pattern[at]
    if sign in "'\"":
        end = pattern.find(sign, at + 1)
        if end < 0:
            raise DateError("has a quote that is not closed")
        return [_Part(sign=literal) for literal in pattern[at + 1 : end]], end + 1
    if sign in "\\%":
        if at + 1 >= len(pattern) or (sign == "%" and pattern[at + 1] == "%"):
            raise DateError(f"has {sign} with nothing after it")
        return ([_Part(sign=pattern[at + 1])], at + 2) if sign == "\\" else ([], at + 1)
    if sign not in _RUNS or (sign == "Z" and not reading):
        return [_Part(sign=sign)], at + 1
    length = 1
    while sign not in "K:/Z" and pattern[at + length : at + length + 1] == sign:
        length += 1
    if sign in "fF" and length > 7:
        raise DateError("has more than seven digits of a second")
    return [_Part(sign=sign, length=length)], at + length


def format_date(moment: Moment, pattern: str) -> str:
    """Return a moment in a format (``DateTime.ToString``). Raises DateError when the format is none."""
    made: list[str] = []
    for part in parts_of(pattern, reading=False):
        if part.sign == "F" and part.length:
            digits = f"{moment.time % TICKS_PER_SECOND:07}"[: part.length].rstrip("0")
            if not digits and made and made[-1] == ".":
                made.pop()
            made.append(digits)
        else:
            made.append(_written(moment, part) if part.length else part.sign)
    return "".join(made)


def _name(names: tuple[str, ...], index: int, length: int) -> str:
    return names[index][:3] if length == 3 else names[index]


def _year(year: int, length: int) -> str:
    return f"{year % 100 if length < 3 else year:0{length}}"


def _zone(length: int) -> str:
    return "+00:00" if length > 2 else "+00"[: length + 1]


_WRITERS: Final[dict[str, Callable[[Moment, int], str]]] = {
    "d": lambda moment, length: (
        f"{moment.date.day:0{length}}" if length < 3 else _name(DAYS, moment.date.weekday(), length)
    ),
    "M": lambda moment, length: (
        f"{moment.date.month:0{length}}" if length < 3 else _name(MONTHS, moment.date.month - 1, length)
    ),
    "y": lambda moment, length: _year(moment.date.year, length),
    "h": lambda moment, length: f"{moment.time // TICKS_PER_HOUR % 12 or 12:0{min(length, 2)}}",
    "H": lambda moment, length: f"{moment.time // TICKS_PER_HOUR:0{min(length, 2)}}",
    "m": lambda moment, length: f"{moment.time // TICKS_PER_MINUTE % 60:0{min(length, 2)}}",
    "s": lambda moment, length: f"{moment.time // TICKS_PER_SECOND % 60:0{min(length, 2)}}",
    "f": lambda moment, length: f"{moment.time % TICKS_PER_SECOND:07}"[:length],
    "t": lambda moment, length: ("AM" if moment.time < 12 * TICKS_PER_HOUR else "PM")[: min(length, 2)],
    "z": lambda _moment, length: _zone(length),
    "K": lambda moment, _length: {Kind.UTC: "Z", Kind.LOCAL: "+00:00", Kind.UNSPECIFIED: ""}[moment.kind],
    "g": lambda _moment, _length: "A.D.",
}


def _written(moment: Moment, part: _Part) -> str:
    write = _WRITERS.get(part.sign)
    return write(moment, part.length) if write else part.sign


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """A format for reading: an expression with one group for each field, and what each group says."""

    expression: "re.Pattern[str]"
    fields: tuple[Callable[[str], tuple[str, int]], ...]
    utc: bool
    half_day: bool


@lru_cache(maxsize=512)
def _form_of(pattern: str, *, inner_blanks: bool) -> _Form:
    """Return how texts of a format are read. Raises DateError when it is none.

    Groups are possessive: .NET takes as many digits as a field may have and never gives one back.
    """
    written: list[str] = []
    fields: list[Callable[[str], tuple[str, int]]] = []
    parts = parts_of(pattern, reading=True)
    if inner_blanks:
        parts = tuple(part for part in parts if part.length or not part.sign.isspace())
    for part in parts:
        if not part.length:
            written.append(re.escape(part.sign))
            continue
        group, says = _field(part)
        if part.sign == "F" and written and written[-1] == r"\.":
            written[-1] = rf"(?:\.{group})?+"
        else:
            written.append(group)
        fields.append(says)
    return _Form(
        expression=re.compile("".join(written) + r"\Z", re.IGNORECASE | re.ASCII),
        fields=tuple(fields),
        utc=pattern == "U",
        half_day=any(part.sign == "h" and part.length for part in parts),
    )


def parse_exact(text: str, pattern: str, today: Moment, styles: Styles = DEFAULT) -> Moment:
    """Return the moment that a text of exactly that format names (``DateTime.ParseExact``). Raises DateError."""
    form = _form_of(without_blanks(pattern, styles) or pattern, inner_blanks="AllowInnerWhite" in styles)
    found = form.expression.match(without_blanks(text, styles))
    if not found:
        raise DateError("does not have the form that inputFormat says")
    said: dict[str, int] = {"utc": 1} if form.utc else {}
    for says, held in zip(form.fields, found.groups(), strict=True):
        name, value = says(held or "")
        if name and said.setdefault(name, value) != value:
            raise DateError("says the same thing twice, differently")
        if name == "zone" and held.upper() in {"Z", "GMT"}:
            said["utc"] = 1
    if "NoCurrentDateDefault" in styles and not said.keys() & {"year", "month", "day"}:
        today = Moment(ticks=0)
    return adjusted(_assembled(said, today, half_day=form.half_day), styles)


_TWO_DIGITS: Final = {"h": "hour", "H": "hour", "m": "minute", "s": "second", "d": "day", "M": "month"}


def _field(part: _Part) -> tuple[str, Callable[[str], tuple[str, int]]]:
    """Return the group that reads a specifier, and what its text says: a field and its value."""
    sign, length = part.sign, part.length
    if sign in "dM" and length > 2:
        names = DAYS if sign == "d" else MONTHS
        name = "weekday" if sign == "d" else "month"
        short = tuple(one[:3] if length == 3 else one for one in names)
        values = {one.lower(): number for number, one in enumerate(short, int(sign == "M"))}
        return f"({'|'.join(short)})", lambda text: (name, values[text.lower()])
    if sign in _TWO_DIGITS:
        named = _TWO_DIGITS[sign]
        return (r"(\d{1,2}+)" if length == 1 else r"(\d\d)"), lambda text: (named, int(text))
    if sign == "y":
        digits = r"(\d{1,2}+)" if length == 1 else rf"(\d{{{length}}})"
        return digits, lambda text: ("year", full_year(int(text)) if length < 3 else int(text))
    if sign in "fF":
        return rf"(\d{{{length if sign == 'f' else 0},{length}}}+)", lambda text: ("fraction", fraction_ticks(text))
    return _mark(part)


def _mark(part: _Part) -> tuple[str, Callable[[str], tuple[str, int]]]:
    sign, length = part.sign, part.length
    if sign == "t":
        half = "([AP])" if length == 1 else "([AP]M)"
        return half, lambda text: ("afternoon", int(text[0].lower() == "p"))
    if sign in "zKZ":
        offset = {1: r"[+-]\d{1,2}+", 2: r"[+-]\d{2}"}.get(length, r"[+-]\d{2}:?\d{2}")
        zone = {"Z": "(Z|GMT)", "K": r"((?:Z|[+-]\d{1,2}+:?\d{2})?)", "z": f"({offset})"}[sign]
        return zone, lambda text: ("zone" if text else "", zone_ticks(text))
    return (r"(A\.D\.|AD)" if sign == "g" else f"({re.escape(sign)})"), lambda _text: ("", 0)


def _assembled(fields: dict[str, int], today: Moment, *, half_day: bool) -> Moment:
    own = today.date
    year, month, day = (fields.get(name) for name in ("year", "month", "day"))
    if year is None and month is None and day is None:
        year, month, day = own.year, own.month, own.day
    hour = _hour(fields, half_day=half_day)
    minute, second = fields.get("minute", 0), fields.get("second", 0)
    if hour > 23 or minute > 59 or second > 59:
        raise DateError(NO_SUCH_TIME)
    time = ((hour * 60 + minute) * 60 + second) * TICKS_PER_SECOND + fields.get("fraction", 0)
    moment = (
        moment_of(own.year if year is None else year, 1 if month is None else month, 1 if day is None else day)
    ).plus(time)
    if fields.get("weekday", moment.date.weekday()) != moment.date.weekday():
        raise DateError("names another day of the week than its date has")
    if "zone" not in fields and "utc" not in fields:
        return moment
    shifted = in_utc(moment, fields.get("zone", 0))
    return Moment(ticks=shifted.ticks, kind=Kind.UTC if "utc" in fields else Kind.LOCAL)


def _hour(fields: dict[str, int], *, half_day: bool) -> int:
    hour, afternoon = fields.get("hour", 0), fields.get("afternoon")
    if half_day:
        if hour > 12:
            raise DateError(NO_SUCH_TIME)
        return hour % 12 + 12 * (afternoon or 0)
    if afternoon is not None and (hour >= 12) != bool(afternoon):
        raise DateError(NO_SUCH_TIME)
    return hour
