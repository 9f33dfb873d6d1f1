"""What was asked of the simulator: counts per class of request and status, the requests themselves, and the CPU it took."""

import time
from collections import Counter, defaultdict, deque
from email.utils import parsedate_to_datetime
from typing import Any

KEPT = 20_000


class Journal:
    """Counts since the last reset. Requests to ``/_sim`` are not counted, though their CPU is."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._entries: deque[tuple[float, str, int | str, int]] = deque(maxlen=KEPT)
        self._wait_until = 0.0
        self.reset()

    def arrive(self) -> None:
        """Count a request that came although the answer to an earlier one told the application to wait."""
        if time.monotonic() < self._wait_until:
            self._hasty += 1

    def announce(self, retry_after: str) -> None:
        """Remember a ``Retry-After`` (seconds or an HTTP date); the longest one that is running counts."""
        try:
            dated = retry_after.endswith("GMT")
            seconds = parsedate_to_datetime(retry_after).timestamp() - time.time() if dated else float(retry_after)
        except ValueError:
            return
        self._wait_until = max(self._wait_until, time.monotonic() + seconds)

    def record(self, call_class: str, status: int | str, units: int = 0) -> None:
        """Count one request; the status is "reset" when the connection was dropped instead."""
        self._counts[call_class][str(status)] += 1
        self._units += units
        self._entries.append((time.time(), call_class, status, units))

    def reset(self) -> None:
        """Begin anew."""
        self._counts.clear()
        self._entries.clear()
        self._cpu = time.process_time()
        self._units = 0
        self._hasty = 0
        self._wait_until = 0.0

    def as_json(self, *, entries: bool = False) -> dict[str, Any]:
        """``{"requests": {class: {"count", "status": {"200": n}}}, "resourceUnits", "cpuSeconds", "duringRetryAfter"}``.

        With ``entries`` also the newest requests in order: ``{"at", "class", "status", "units"}``.
        """
        requests = {k: {"count": sum(v.values()), "status": dict(v)} for k, v in sorted(self._counts.items())}
        told: dict[str, Any] = {
            "requests": requests,
            "resourceUnits": self._units,
            "cpuSeconds": time.process_time() - self._cpu,
            "duringRetryAfter": self._hasty,
        }
        if entries:
            names = ("at", "class", "status", "units")
            told["entries"] = [dict(zip(names, entry, strict=True)) for entry in self._entries]
        return told
