"""ISO 8601 durations as people write them: ``PT1M`` stays ``PT1M`` on the way back."""

from datetime import timedelta
from typing import Annotated

from pydantic import PlainSerializer


def format_duration(value: timedelta) -> str:
    """Return the shortest ISO 8601 duration with days, hours, minutes and seconds (RFC 3339, appendix A)."""
    hours, rest = divmod(value.seconds, 3_600)
    minutes, seconds = divmod(rest, 60)
    fraction = f".{value.microseconds:06d}".rstrip("0") if value.microseconds else ""
    time = f"{hours}H" * bool(hours) + f"{minutes}M" * bool(minutes)
    time += f"{seconds}{fraction}S" * bool(seconds or fraction)
    date = f"{value.days}D" * bool(value.days)
    return f"P{date}{'T' * bool(time)}{time}" if date or time else "PT0S"


Duration = Annotated[timedelta, PlainSerializer(format_duration, return_type=str, when_used="json")]
