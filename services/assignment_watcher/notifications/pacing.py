"""When hints let a job be polled: the first at once, those that follow together, and never so that polls take all the time."""

from typing import Final

COALESCE_SECONDS: Final = 1.0
"""Hints that come within so many seconds of the start of a poll lead to one poll together. Even a change right after a poll is then seen
within this second and the time of the next poll, which keeps "change to event" below two."""

LARGEST_SHARE: Final = 0.5
"""Polls that hints ask for take at most this share of the time: in a tenant of 100,000 people something changes always."""


class Pace:
    """The hints of one job. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._hinted_at: float | None = None
        self._began: float | None = None
        self._ended: float | None = None

    def hint(self, now: float) -> None:
        """Take a hint into account. Hints before the next poll are one."""
        if self._hinted_at is None:
            self._hinted_at = now

    def begin(self, now: float) -> None:
        """A poll starts, whatever for: what was hinted at until now is what it is going to see."""
        self._hinted_at, self._began, self._ended = None, now, None

    def end(self, now: float) -> None:
        """The poll ended."""
        self._ended = now

    @property
    def due(self) -> float | None:
        """Return when the next poll is due because of a hint, or nothing when there was none since the last poll began."""
        if self._hinted_at is None:
            return None
        if self._began is None:
            return self._hinted_at
        lasted = (self._ended if self._ended is not None else self._began) - self._began
        return max(self._hinted_at, self._began + max(COALESCE_SECONDS, lasted / LARGEST_SHARE))
