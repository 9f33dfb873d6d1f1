"""Prometheus metrics of scim-writer. No label holds anything about a person."""

from typing import Final

from prometheus_client import Counter, Gauge

WRITES: Final = Counter("seatkeeper_writes_total", "Commands that were settled.", ["operation", "result"])
REPEATS: Final = Counter("seatkeeper_write_repeats_total", "Commands that are to be tried again.", ["code"])
IN_FLIGHT: Final = Gauge("seatkeeper_writes_in_flight", "Commands that are being executed.", ["job"])
PAUSES: Final = Counter("seatkeeper_target_pauses_total", "Times that a target asked to wait.", ["job"])
PAUSED_SECONDS: Final = Counter(
    "seatkeeper_target_paused_seconds_total", "Seconds that targets asked to wait.", ["job"]
)
BREAKER_OPEN: Final = Gauge("seatkeeper_target_breaker_open", "1 while a target gets nothing but probes.", ["job"])
