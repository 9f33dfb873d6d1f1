"""Dates in any of the usual forms, as .NET's DateTime.Parse reads them in the invariant culture: month before day, English names."""

import re
from typing import Final

from shared.schema.expressions.moments import (
    TICKS_PER_HOUR,
    TICKS_PER_MINUTE,
    TICKS_PER_SECOND,
    DateError,
    Kind,
    Moment,
    moment_of,
)

MONTHS: Final = (
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
DAYS: Final = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
LAST_TWO_DIGIT_YEAR: Final = 2029
LONGEST: Final = 100
NO_SUCH_TIME: Final = "has a time of day that no clock shows"
_CANONICAL: Final = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}) (\d{1,2}):(\d\d):(\d\d) (AM|PM)\Z")
_MONTH: Final = "(?P<name>" + "|".join(f"{month}|{month[:3]}" for month in MONTHS) + ")"
_WEEKDAY: Final = "(?:(?P<weekday>" + "|".join(f"{day}|{day[:3]}" for day in DAYS) + r")(?:\s*,\s*|\s+))?"
_GAP: Final = r"(?:\s*[-/.,]\s*|\s+)"
_CLOCK: Final = (
    r"(?=\d+\s*[:AP])(?P<hour>\d{1,2})(?::(?P<minute>\d{1,2})(?::(?P<second>\d{1,2})(?:\.(?P<fraction>\d{1,16}))?)?)?"
)
_TIME: Final = _CLOCK + r"(?:\s*(?P<half>AM|PM)\b)?"
_ZONE: Final = r"(?:\s*(?P<zone>Z|\bGMT|[+-]\d{1,2}(?::?\d{2})?)Z?)?"
_YEAR, _MONTH_NUMBER, _DAY = r"(?P<year>\d{3,4})", r"(?P<month>\d{1,2})", r"(?P<day>\d{1,2})"
_ANY_YEAR: Final = r"(?P<year>\d{1,4})"
_DATES: Final = (
    f"{_YEAR}{_GAP}{_MONTH_NUMBER}{_GAP}{_DAY}",
    f"{_MONTH_NUMBER}{_GAP}{_DAY}{_GAP}{_ANY_YEAR}",
    f"{_MONTH_NUMBER}{_GAP}{_YEAR}{_GAP}{_DAY}",
    f"{_DAY}{_GAP}?{_MONTH}{_GAP}?{_ANY_YEAR}",
    f"{_MONTH}{_GAP}?{_DAY}{_GAP}{_ANY_YEAR}",
    f"{_YEAR}{_GAP}?{_MONTH}{_GAP}?{_DAY}",
    f"{_MONTH}{_GAP}?{_YEAR}{_GAP}{_DAY}",
    f"{_MONTH}{_GAP}?{_YEAR}",
    f"{_YEAR}{_GAP}?{_MONTH}",
    f"{_YEAR}[-/]{_MONTH_NUMBER}",
    f"{_MONTH_NUMBER}[-/]{_YEAR}",
    f"{_MONTH_NUMBER}[-/]{_DAY}",
    f"{_MONTH}{_GAP}?{_DAY}",
    rf"(?P<year>\d{{1,2}}){_GAP}?{_MONTH}",
)
_ISO: Final = (
    rf"{_YEAR}-{_MONTH_NUMBER}-{_DAY}\s*T\s*(?P<hour>\d\d):(?P<minute>\d\d)"
    rf"(?::(?P<second>\d\d)(?:\.(?P<fraction>\d{{1,16}}))?)?{_ZONE}\Z"
)
_FORMS: Final = tuple(
    re.compile(form, re.IGNORECASE | re.ASCII)
    for form in (
        _ISO,
        *(
            form
            for date in _DATES
            for form in (
                rf"{_WEEKDAY}{date}(?:\s*,\s*|\s+){_TIME}{_ZONE}\Z",
                rf"{_WEEKDAY}{date}{_ZONE}\Z",
                rf"{_TIME}\s+{_WEEKDAY}{date}\Z",
            )
        ),
        rf"{_TIME}{_ZONE}\Z",
    )
)


def parse_date(text: str, today: Moment) -> Moment:
    """Return the moment that a text names: UTC when it says a zone, of no zone otherwise; what it leaves out comes from ``today``.

    Raises DateError.
    """
    if found := _CANONICAL.match(text):
        return _canonical(found)
    stripped = text.strip()
    if len(stripped) > LONGEST:
        raise DateError("is too long for a date")
    for form in _FORMS:
        if found := form.match(stripped):
            return _moment(found.groupdict(), today)
    raise DateError("is not a date that .NET reads; give its form with FormatDateTime")


def _canonical(found: "re.Match[str]") -> Moment:
    month, day, year, hour, minute, second = (int(found[index]) for index in range(1, 7))
    if not 1 <= hour <= 12 or minute > 59 or second > 59:
        raise DateError(NO_SUCH_TIME)
    hour = hour % 12 + 12 * (found[7] == "PM")
    return moment_of(year, month, day, ((hour * 60 + minute) * 60 + second) * TICKS_PER_SECOND)


def _moment(parts: dict[str, str | None], today: Moment) -> Moment:
    own = today.date
    year, month, day = _number(parts, "year"), _number(parts, "month"), _number(parts, "day")
    if name := parts.get("name"):
        month = month_named(name)
    if year is None and month is None and day is None:
        year, month, day = own.year, own.month, own.day
    elif year is not None and len(parts["year"] or "") <= 2:
        year = full_year(year)
    time = _time(parts)
    moment = moment_of(own.year if year is None else year, month or 1, 1 if day is None else day)
    moment = moment.plus(time)
    weekday = parts.get("weekday")
    if weekday and not DAYS[moment.date.weekday()].lower().startswith(weekday.lower()):
        raise DateError("names another day of the week than its date has")
    return in_utc(moment, zone_ticks(parts["zone"])) if parts.get("zone") else moment


def _number(parts: dict[str, str | None], name: str) -> int | None:
    digits = parts.get(name)
    return int(digits) if digits else None


def _time(parts: dict[str, str | None]) -> int:
    hour, minute, second = (_number(parts, name) or 0 for name in ("hour", "minute", "second"))
    half = (parts.get("half") or "").upper()[:1]
    if minute > 59 or second > 59 or hour > 23 or (half == "A" and hour > 12):
        raise DateError(NO_SUCH_TIME)
    if half and hour <= 12:
        hour = hour % 12 + 12 * (half == "P")
    return ((hour * 60 + minute) * 60 + second) * TICKS_PER_SECOND + fraction_ticks(parts.get("fraction") or "")


def fraction_ticks(digits: str) -> int:
    """Return the ticks of the digits after the point of a second, rounded."""
    return round(float(f"0.{digits or 0}") * TICKS_PER_SECOND)


def full_year(year: int) -> int:
    """Return the year that two digits mean: 1930 to 2029."""
    return year + 2000 if year + 2000 <= LAST_TWO_DIGIT_YEAR else year + 1900


def month_named(name: str) -> int:
    """Return the number of the month with an English name, in full or in three letters."""
    return next(number for number, month in enumerate(MONTHS, 1) if month[:3].lower() == name[:3].lower())


def zone_ticks(zone: str | None) -> int:
    """Return how far a zone such as ``+08:00``, ``-7`` or ``Z`` is ahead of UTC. Raises DateError beyond 14 hours."""
    if not zone or zone[0] not in "+-":
        return 0
    digits = zone[1:].replace(":", "")
    hours, minutes = (int(digits[:-2]), int(digits[-2:])) if len(digits) > 2 else (int(digits), 0)
    ticks = hours * TICKS_PER_HOUR + minutes * TICKS_PER_MINUTE
    if minutes > 59 or ticks > 14 * TICKS_PER_HOUR:
        raise DateError("has an offset beyond 14 hours")
    return ticks if zone[0] == "+" else -ticks


def in_utc(moment: Moment, ahead: int) -> Moment:
    """Return a moment of a zone so far ahead of UTC, in UTC. Raises DateError outside the years 1 to 9999."""
    return Moment(ticks=moment.plus(-ahead).ticks, kind=Kind.UTC if ahead == 0 else Kind.LOCAL)
