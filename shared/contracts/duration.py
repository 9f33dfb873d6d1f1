"""ISO 8601 durations as people write them: ``PT1M`` stays ``PT1M`` on the way back."""

from datetime import timedelta
from typing import Annotated

from pydantic import PlainSerializer


def format_duration(value: timedelta) -> str:
    """Return the shortest ISO 8601 duration with days, hours, minutes and seconds (RFC 3339, appendix A)."""
    seconds = value.total_seconds()
    days, rest = divmod(seconds, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, rest = divmod(rest, 60)
    date = f"{int(days)}D" if days else ""
    time = "".join(f"{part:g}{unit}" for part, unit in ((hours, "H"), (minutes, "M"), (round(rest, 6), "S")) if part)
    return f"P{date}{'T' + time if time else ''}" if date or time else "PT0S"


Duration = Annotated[timedelta, PlainSerializer(format_duration, return_type=str, when_used="json")]
