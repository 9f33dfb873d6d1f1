"""A point in time as .NET's DateTime: ticks of 100 nanoseconds since the year 1, and whether it is UTC, local or
neither. Local is UTC here."""

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final

TICKS_PER_SECOND: Final = 10_000_000
TICKS_PER_MINUTE: Final = 60 * TICKS_PER_SECOND
TICKS_PER_HOUR: Final = 60 * TICKS_PER_MINUTE
TICKS_PER_DAY: Final = 24 * TICKS_PER_HOUR
LAST_TICK: Final = date.max.toordinal() * TICKS_PER_DAY - 1
FILETIME_BEGINS: Final = (date(1601, 1, 1).toordinal() - 1) * TICKS_PER_DAY
_FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)


class Kind(StrEnum):
    """DateTimeKind of .NET."""

    UNSPECIFIED = "Unspecified"
    UTC = "Utc"
    LOCAL = "Local"


class DateError(ValueError):
    """A text is no date, a format is none, or a date lies outside the years 1 to 9999. The message says which, without the text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A point in time."""

    ticks: int
    kind: Kind = Kind.UNSPECIFIED

    @property
    def date(self) -> date:
        """Return the calendar date."""
        return date.fromordinal(self.ticks // TICKS_PER_DAY + 1)

    @property
    def time(self) -> int:
        """Return the ticks since midnight."""
        return self.ticks % TICKS_PER_DAY

    def plus(self, ticks: int) -> "Moment":
        """Return the moment so many ticks later. Raises DateError outside the years 1 to 9999."""
        if not 0 <= self.ticks + ticks <= LAST_TICK:
            raise DateError("the date would lie outside the years 1 to 9999")
        return Moment(ticks=self.ticks + ticks, kind=self.kind)

    def plus_months(self, months: int) -> "Moment":
        """Return the same day so many months later, the last one of a shorter month. Raises DateError outside the years 1 to 9999."""
        own = self.date
        year, month = divmod(own.year * 12 + own.month - 1 + months, 12)
        if not 1 <= year <= date.max.year:
            raise DateError("the date would lie outside the years 1 to 9999")
        day = min(own.day, days_in(year, month + 1))
        return moment_of(year, month + 1, day, self.time, self.kind)

    def canonical(self) -> str:
        """Return the form in which functions hand dates to each other, ``M/d/yyyy h:mm:ss tt``."""
        own, seconds = self.date, self.time // TICKS_PER_SECOND
        hour, minute, second = seconds // 3600, seconds // 60 % 60, seconds % 60
        return f"{own.month}/{own.day}/{own.year:04} {hour % 12 or 12}:{minute:02}:{second:02} {'AM' if hour < 12 else 'PM'}"


def days_in(year: int, month: int) -> int:
    """Return how many days a month has."""
    if month == 12:
        return 31
    return (date(year, month + 1, 1) - date(year, month, 1)).days


def moment_of(year: int, month: int, day: int, time: int = 0, kind: Kind = Kind.UNSPECIFIED) -> Moment:
    """Return the moment of a calendar date and ticks since midnight. Raises DateError when the calendar has no such day."""
    try:
        ordinal = date(year, month, day).toordinal()
    except ValueError:
        raise DateError("the calendar has no such day") from None
    return Moment(ticks=(ordinal - 1) * TICKS_PER_DAY + time, kind=kind)


@lru_cache(maxsize=16)
def moment_from(value: datetime) -> Moment:
    """Return the moment of an aware datetime, in UTC. Kept, because all objects of a batch are decided at one time."""
    since = value.astimezone(UTC) - _FIRST
    return Moment(
        ticks=(since.days * 86_400 + since.seconds) * TICKS_PER_SECOND + since.microseconds * 10, kind=Kind.UTC
    )
