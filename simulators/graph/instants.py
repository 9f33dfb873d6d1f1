"""Instants as Microsoft Graph writes them."""

import re
from datetime import UTC, datetime

_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z")


def instant(text: str | None, now: float) -> str:
    """An ISO 8601 instant with seven digits after the second, as Graph writes it; ``now`` when none is given.

    Raises ``ValueError`` for a text that is no such instant.
    """
    if text is None:
        return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise ValueError("must be like 2026-03-01T10:00:00Z")
    return f"{found.group(1)}.{(found.group(2) or ''):0<7}Z"


def seconds(text: str) -> float:
    """The epoch seconds of an ISO 8601 instant with a zone; raises ``ValueError``."""
    # Python reads up to six digits after the second, Graph writes seven.
    shortened = re.sub(r"(\.\d{6})\d+", r"\1", text.strip())
    read = datetime.fromisoformat(shortened)
    return read.replace(tzinfo=read.tzinfo or UTC).timestamp()
