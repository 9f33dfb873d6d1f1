"""What a process knows of itself: which dependency it waits for and why, and whether each of its loops still moves."""

import time

from prometheus_client import Gauge

from shared.runtime.log import logger

_log = logger(__name__)
_WAITING = Gauge("seatkeeper_waiting", "1 while the service waits for this dependency.", ["dependency"])

STALLED_AFTER_SECONDS = 120.0
"""Longer than every time limit inside a loop, so that only a loop that really stands still is called stalled."""


class Health:
    """Waiting reasons (readiness) and heartbeats of loops (liveness). A dependency that is down never makes a process unlive."""

    def __init__(self) -> None:
        self._waiting: dict[str, str] = {}
        self._beats: dict[str, float] = {}
        self.started = False

    def wait_for(self, dependency: str, reason: str) -> None:
        """Say that the service waits for ``dependency``, and why; said in the log once for each new reason."""
        if self._waiting.get(dependency) != reason:
            _log.warning("waiting", action="wait", dependency=dependency, reason=reason)
        self._waiting[dependency] = reason
        _WAITING.labels(dependency).set(1)

    def arrived(self, dependency: str) -> None:
        """Say that ``dependency`` is there (again)."""
        if self._waiting.pop(dependency, None) is not None:
            _log.info("no longer waiting", action="wait_over", dependency=dependency)
            _WAITING.labels(dependency).set(0)

    def beat(self, loop: str) -> None:
        """Say that ``loop`` moves."""
        self._beats[loop] = time.monotonic()

    def finished(self, loop: str) -> None:
        """Say that ``loop`` ended on purpose."""
        self._beats.pop(loop, None)

    @property
    def waiting(self) -> dict[str, str]:
        """Return dependency and reason of everything that is waited for."""
        return dict(self._waiting)

    @property
    def ready(self) -> bool:
        """Return whether the service has started and waits for nothing."""
        return self.started and not self._waiting

    def stalled(self) -> list[str]:
        """Return the loops that have not moved for too long."""
        now = time.monotonic()
        return sorted(loop for loop, at in self._beats.items() if now - at > STALLED_AFTER_SECONDS)
