"""What was asked of the SCIM endpoint: counters of every request, and a bounded ring of the writes."""

import time
from typing import Any, Final

_RING: Final = 500_000
_WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})
Entry = tuple[int, float, str, str, str | None, str | None, int, bool, int]


class Journal:
    """Counts requests by method and answers by status; keeps the last 500,000 writes in order of their answers."""

    def __init__(self, capacity: int = _RING) -> None:
        self._capacity = capacity
        self._seq = 0
        self.reset()

    def reset(self) -> None:
        """Start counting anew; `seq` goes on rising, so a reader's position stays valid."""
        self._first = self._seq + 1
        self._ring: list[Entry] = []
        self.requests: dict[str, int] = dict.fromkeys(("GET", "POST", "PATCH", "PUT", "DELETE"), 0)
        self.statuses: dict[str, int] = {}
        self.in_flight_max = 0
        self.cpu_from = time.process_time()

    def count(self, method: str, status: int) -> None:
        """Count one request and its answer; status 0 means that the connection was dropped instead."""
        self.requests[method] = self.requests.get(method, 0) + 1
        key = str(status) if status else "dropped"
        self.statuses[key] = self.statuses.get(key, 0) + 1

    def write(
        self,
        *,
        at: float,
        method: str,
        resource: str,
        resource_id: str | None,
        external_id: str | None,
        status: int,
        accepted: bool,
        members: int = 0,
    ) -> None:
        """Note one write: `at` is when it arrived (epoch seconds), `accepted` whether it was committed, `members` how many it named."""
        if method not in _WRITES:
            return
        self._seq += 1
        entry = (self._seq, at, method, resource, resource_id, external_id, status, accepted, members)
        if len(self._ring) < self._capacity:
            self._ring.append(entry)
        else:
            self._ring[(self._seq - self._first) % self._capacity] = entry

    def since(self, seq: int, limit: int) -> list[dict[str, Any]]:
        """At most `limit` writes with a higher `seq`, oldest first."""
        start = max(seq + 1, self._first, self._seq - self._capacity + 1)
        stop = min(self._seq + 1, start + limit)
        return [_as_json(self._ring[(number - self._first) % self._capacity]) for number in range(start, stop)]


def _as_json(entry: Entry) -> dict[str, Any]:
    seq, at, method, resource, resource_id, external_id, status, accepted, members = entry
    return {
        "seq": seq,
        "at": at,
        "method": method,
        "resource": resource,
        "id": resource_id,
        "externalId": external_id,
        "status": status,
        "accepted": accepted,
        "members": members,
    }
