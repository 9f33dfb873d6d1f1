"""Resource units and the token bucket ("Microsoft Graph service-specific throttling limits": identity and access)."""

QUOTA = {"S": 3500, "M": 5000, "L": 8000}
WINDOW = 10.0
COST = {"users": 2, "groups": 2, "groups/members": 3, "getByIds": 3, "checkMemberGroups": 4}


def resource_units(call_class: str, *, selects: bool, top: int | None) -> int:
    """The cost of a request: listed or 1, less 1 for ``$select``, less 1 for a ``$top`` below 20, never below 1."""
    return max(1, COST.get(call_class, 1) - int(selects) - int(top is not None and top < 20))


class Bucket:
    """Units spent by the app in this tenant, in windows of 10 seconds."""

    __slots__ = ("_begun", "_spent")

    def __init__(self) -> None:
        self._begun = 0.0
        self._spent = 0

    def spend(self, units: int, now: float, size: str) -> tuple[float | None, float]:
        """Take units; returns (seconds to wait, or ``None`` when granted; the share of the quota that is used)."""
        if not 0 <= now - self._begun < WINDOW:
            self._begun, self._spent = now, 0
        self._spent += units
        share = self._spent / QUOTA[size]
        return (self._begun + WINDOW - now if share > 1 else None), share
