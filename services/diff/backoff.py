"""When a change that did not succeed is tried again. Pure: the same person and attempt give the same time.

A fault that passes by itself is tried again within seconds. What lasts is *escrowed* (Entra): tried at the next cycle, and then less and
less often, until it expires. Why these steps: docs/decisions/0035.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from zlib import crc32

_SPREAD = 0.1

ESCROW_STEPS: Final = tuple(timedelta(hours=hours) for hours in (2, 6, 12, 24))
"""Waits before the second, third, ... attempt of an escrow; the last one goes on."""
ESCROW_EXPIRES: Final = timedelta(days=28)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """What follows a failure. ``escrowed``: it counts as failed. ``at``: the next attempt, nothing when the escrow has expired."""

    at: datetime | None
    escrowed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Backoff:
    """The schedule of attempts.

    ``soon``: the wait after a fault that passes by itself; it doubles, and after ``patience`` attempts the fault is escrowed. ``first``:
    the wait before the first attempt of an escrow (a cycle); then come ``steps``, the last of them again and again, until ``expires``
    after the first failure. No wait is longer than ``longest``.
    """

    first: timedelta
    soon: timedelta
    longest: timedelta
    patience: int
    steps: tuple[timedelta, ...] = ESCROW_STEPS
    expires: timedelta = ESCROW_EXPIRES

    def plan(
        self, key: str, *, attempts: int, escrows: int, failing_since: datetime, at: datetime, passes: bool
    ) -> Retry:
        """Return what follows the ``attempts``-th failure in a row (from 1) about ``key``.

        ``escrows``: how many of them were escrowed before this one, the first at ``failing_since``. ``passes``: the fault may pass
        by itself.
        """
        if passes and attempts < self.patience:
            doublings = min(attempts - 1, 40)  # more would overflow; the limit is reached long before
            return Retry(
                at=at + self._spread(f"{key}/{attempts}", self.soon.total_seconds() * 2**doublings), escrowed=False
            )
        waits = (self.first, *self.steps)
        wait = waits[min(escrows, len(waits) - 1)]
        next_at = at + self._spread(f"{key}/{attempts}", wait.total_seconds())
        return Retry(at=next_at if next_at <= failing_since + self.expires else None, escrowed=True)

    def _spread(self, key: str, seconds: float) -> timedelta:
        """Return the wait, a little more or less for each key, so that many failures of one moment do not come back in one moment."""
        limit = self.longest.total_seconds()
        share = crc32(key.encode()) / 0xFFFFFFFF
        return timedelta(seconds=min(min(seconds, limit) * (1 - _SPREAD + 2 * _SPREAD * share), limit))
