"""How fast a target is called: requests are spread evenly instead of sent in bursts. Pure: the time is passed in.

The generic cell rate algorithm (ITU-T I.371, virtual scheduling): one number, the time at which the next request is due.
"""

from typing import Final

SHARE: Final = 0.99
"""Of the allowed rate: clocks differ, and what a target refuses costs more than what it would have allowed."""
TOLERANCE_SECONDS: Final = 0.2
"""What was missed because this process was busy may be caught up, up to this much: a fifth of the burst that a target which allows
so many requests a second takes."""
SMOOTH_BELOW: Final = 20.0
"""Below this rate a timer is exact enough, and a target may allow no burst at all."""


class Pacer:
    """A token bucket for one target. ``wait`` says how long until a request may go, ``take`` notes that it goes."""

    __slots__ = ("_due", "_interval", "_tolerance")

    def __init__(self, requests_per_second: float, now: float) -> None:
        self._interval = 1.0 / (requests_per_second * SHARE)
        self._tolerance = TOLERANCE_SECONDS if requests_per_second >= SMOOTH_BELOW else 0.0
        self._due = now

    def wait(self, now: float) -> float:
        """Return the seconds until a request may go: 0 or less means now."""
        return self._due - self._tolerance - now

    def take(self, now: float) -> None:
        """Note that a request goes now."""
        self._due = max(self._due, now) + self._interval

    def hold(self, until: float) -> None:
        """Let nothing go before ``until``, and nothing be caught up then."""
        self._due = max(self._due, until + self._tolerance)


FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 60.0


class Pauses:
    """How long everything waits when a target asks to slow down, and does not always say for how long."""

    __slots__ = ("_in_row", "_until")

    def __init__(self) -> None:
        self._in_row = 0
        self._until = 0.0

    def asked(self, wait: float | None, now: float) -> float:
        """Return the seconds to hold everything from now; 0 when a pause of at least that length is under way.

        Without ``wait`` each pause in a row is twice the one before; answers to requests that were sent before it are not another one.
        """
        if wait is None:
            if now < self._until:
                return 0.0
            wait = min(FIRST_PAUSE_SECONDS * 2.0 ** min(self._in_row, 60), LONGEST_PAUSE_SECONDS)
            self._in_row += 1
        if now + wait <= self._until:
            return 0.0
        self._until = now + wait
        return wait

    def over(self) -> None:
        """Note that the target answered as it should."""
        self._in_row = 0
