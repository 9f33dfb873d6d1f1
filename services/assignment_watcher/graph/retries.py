"""Bounded patience: how often and how long one request is tried, and the gate that all requests of an application share."""

import asyncio
import random
import time
from dataclasses import dataclass
from typing import Final

from services.assignment_watcher.graph.answers import backoff
from services.assignment_watcher.sources.source import SourceUnavailableError

LONGEST_WAIT_SECONDS: Final = 900.0
"""A Retry-After beyond this is taken for a mistake: the gate opens then, and the next request shows whether it was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Limits of one request: tries, seconds for all of them together, and the wait before the second try."""

    tries: int = 6
    seconds: float = 600.0
    first_wait_seconds: float = 0.5


class Gate:
    """Holds back every request of one application in one tenant while it is throttled: asking meanwhile would count again."""

    def __init__(self) -> None:
        self._until = 0.0

    def hold(self, seconds: float) -> None:
        """Let nothing pass for so many seconds from now."""
        self._until = max(self._until, time.monotonic() + seconds)

    @property
    def remaining(self) -> float:
        """Return the seconds until the gate opens."""
        return max(0.0, self._until - time.monotonic())


class Attempts:
    """The tries of one request to ``peer``. ``made`` counts them."""

    def __init__(self, patience: Patience, gate: Gate, peer: str = "Microsoft Graph") -> None:
        self._patience = patience
        self._gate = gate
        self._peer = peer
        self._ends = time.monotonic() + patience.seconds
        self.made = 0

    async def pass_gate(self) -> float:
        """Return the seconds that were waited for the gate to open; raises ``SourceUnavailableError`` when that takes too long."""
        waited = 0.0
        while (wait := self._gate.remaining) > 0:
            if time.monotonic() + wait > self._ends:
                raise SourceUnavailableError(
                    f"{self._peer} asks to wait {wait:.0f} s, longer than one request may take", http_status=429
                )
            began = time.monotonic()
            await asyncio.sleep(wait)
            waited += time.monotonic() - began
        return waited

    async def wait(self, problem: str, *, status: int | None, asked: float | None, everybody: bool) -> None:
        """Wait before the next try: as long as the answer ``asked``, else longer each time; with ``everybody`` the gate closes meanwhile.

        An absurd wish is capped at ``LONGEST_WAIT_SECONDS``, and one of nothing at all counts as none. Raises
        ``SourceUnavailableError`` with ``problem`` when there is no next try.
        """
        seconds = asked
        if not seconds:
            seconds = backoff(self.made, self._patience.first_wait_seconds, random.random())  # noqa: S311 - jitter is no secret
        if seconds > LONGEST_WAIT_SECONDS:
            problem = f"{problem}; it asks to wait {seconds:.0f} s, of which {LONGEST_WAIT_SECONDS:.0f} s are waited"
            seconds = LONGEST_WAIT_SECONDS
        if everybody:
            self._gate.hold(seconds)
        if self.made >= self._patience.tries or time.monotonic() + seconds > self._ends:
            tries = "once" if self.made == 1 else f"{self.made} times"
            raise SourceUnavailableError(f"{problem}; tried {tries}", http_status=status)
        if not everybody:
            await asyncio.sleep(seconds)
