"""Whether more was said to have left in one cycle than the guard lets pass, by what was said alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from services.assignment_watcher.policy import Policy
from shared.contracts.assignments import DirectoryAssignment
from tests.fuzz.outcome import effective
from tests.fuzz.shadow import Counts

News = Sequence[tuple[DirectoryAssignment | None, DirectoryAssignment]]


class Guard:
    """``approved``: whoever waited in a hold that an operator approved."""

    def __init__(self, policy: dict[str, Any]) -> None:
        limits = Policy(**policy)
        self._count, self._percent = limits.guard_count, limits.guard_percent
        self.approved: set[str] = set()
        self._counts: Counts | None = None

    def judge(self, news: News, counts: Counts, latest: Mapping[str, DirectoryAssignment]) -> Iterator[str]:
        """Look at the removals of each cycle. When another role counts since the last news, who was effective before is not known here."""
        if not news:
            return
        known, self._counts = self._counts == counts, counts
        removed = [message for before, message in news if effective(before, counts.roles)]
        removed = [message for message in removed if not effective(message, counts.roles)]
        # More cannot have been assigned before the cycle: everybody of whom anything was said.
        most = max(self._count, len(latest) * self._percent / 100)
        unapproved = Counter(message.cycle_id for message in removed if message.object_id not in self.approved)
        self.approved -= {message.object_id for message in removed}
        if known:
            yield from (
                f"cycle {cycle} said {number} removals that nobody approved; the guard lets {most:g} pass"
                for cycle, number in unapproved.items()
                if number > most
            )
