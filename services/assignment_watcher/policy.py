"""How cycles go: sizes, limits, and the clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """How cycles go. ``chunk``: users that are derived and written at once; ``slice_seconds``: how long a full read may hold up a cycle.

    ``damper``: the time between two full reads that a dead link forces; ``guard_*``: more removals in one cycle than both are held.
    ``clock`` gives the time of a cycle.
    """

    chunk: int = 1000
    slice_seconds: float = 10.0
    damper: timedelta = timedelta(hours=6)
    guard_count: int = 50
    guard_percent: int = 10
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
