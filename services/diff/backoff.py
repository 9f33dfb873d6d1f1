"""When a change that did not succeed is tried again: after a delay that doubles, spread a little, the same for the same attempt."""

from dataclasses import dataclass
from datetime import timedelta
from zlib import crc32

_SPREAD = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The schedule of retries. ``first``: after a refusal; ``soon``: after a fault that passes by itself; both double up to ``longest``.

    After ``patience`` attempts that were to be repeated later, the person counts as failed; the attempts go on.
    """

    first: timedelta
    soon: timedelta
    longest: timedelta
    patience: int

    def delay(self, key: str, attempts: int, *, soon: bool) -> timedelta:
        """Return how long to wait after the ``attempts``-th attempt (from 1) about ``key``; never longer than ``longest``."""
        start = self.soon if soon else self.first
        doublings = min(attempts - 1, 40)  # more would overflow; the limit is reached long before
        limit = self.longest.total_seconds()
        seconds = min(start.total_seconds() * 2**doublings, limit)
        share = crc32(f"{key}/{attempts}".encode()) / 0xFFFFFFFF
        return timedelta(seconds=min(seconds * (1 - _SPREAD + 2 * _SPREAD * share), limit))
