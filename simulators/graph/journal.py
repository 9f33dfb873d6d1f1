"""What was asked of the simulator: counts per class of request and status, and the CPU it took."""

import time
from collections import Counter, defaultdict
from typing import Any


class Journal:
    """Counts since the last reset. Requests to ``/_sim`` are not counted, though their CPU is."""

    def __init__(self) -> None:
        self._counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._cpu = time.process_time()
        self._units = 0

    def record(self, call_class: str, status: int | str, units: int = 0) -> None:
        """Count one request; the status is "reset" when the connection was dropped instead."""
        self._counts[call_class][str(status)] += 1
        self._units += units

    def reset(self) -> None:
        """Begin anew."""
        self._counts.clear()
        self._cpu = time.process_time()
        self._units = 0

    def as_json(self) -> dict[str, Any]:
        """``{"requests": {class: {"count", "status": {"200": n}}}, "resourceUnits", "cpuSeconds"}``."""
        requests = {k: {"count": sum(v.values()), "status": dict(v)} for k, v in sorted(self._counts.items())}
        return {"requests": requests, "resourceUnits": self._units, "cpuSeconds": time.process_time() - self._cpu}
