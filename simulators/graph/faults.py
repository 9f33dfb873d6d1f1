"""Faults on demand: which request fails, how, and how often."""

import re
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from random import Random
from typing import Any

from simulators.graph.odata import GraphError

KINDS = (
    *("status", "throttle", "reset", "resetBody", "truncate", "html502", "slow", "stale"),
    *("empty", "loop", "foreignLink", "dropPage", "lostChange", "replay", "duplicate", "deadNextLink"),
    *("wrongContext", "unknownProperties", "unknownType"),
    *("notificationLost", "notificationDoubled", "notificationLate", "notificationReordered"),
    "notificationWrongClientState",
)
NOTIFICATION_KINDS = frozenset(kind for kind in KINDS if kind.startswith("notification"))
"""Their ``match`` is searched in the resource, such as ``Groups/<id>``; ``seconds`` says how late."""
REQUEST_KINDS = frozenset(KINDS) - NOTIFICATION_KINDS
PAGE_KINDS = frozenset(
    {
        *("empty", "loop", "foreignLink", "dropPage", "lostChange", "replay", "duplicate", "deadNextLink"),
        *("wrongContext", "unknownProperties", "unknownType"),
    }
)
CODES = {
    400: "Request_BadRequest",
    401: "InvalidAuthenticationToken",
    403: "Authorization_RequestDenied",
    404: "Request_ResourceNotFound",
    409: "Request_Conflict",
    410: "resyncRequired",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "serviceNotAvailable",
    504: "GatewayTimeout",
}
HTML = b"<html><head><title>502 Bad Gateway</title></head><body><h1>Bad Gateway</h1></body></html>"
NAMES = {"retryAfter": "retry_after", "onRepeat": "on_repeat"}


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault that waits for its request.

    ``match`` is a regular expression searched in the path, ``query`` one searched in the decoded query string; ``method``
    is compared as it is. It fires from the ``nth`` matching request on (1 is the next one), each time with
    ``probability``, ``times`` times (``None``: until deleted); with ``on_repeat`` only for a page that was asked for
    before. ``retry_after``: a number or text sent verbatim, "date" for an HTTP date ``seconds`` ahead, ``None`` for no
    header. ``whole``: a truncated body whose Content-Length fits. ``transactions``: how far behind a "stale" answer is.
    ``count``: how many records are lost, replayed or doubled.
    """

    id: str
    match: str
    kind: str
    query: str | None = None
    method: str | None = None
    status: int = 503
    code: str | None = None
    retry_after: str | None = None
    times: int | None = 1
    nth: int = 1
    probability: float = 1.0
    on_repeat: bool = False
    seconds: float = 1.0
    origin: str = "https://graph.foreign.example"
    whole: bool = False
    transactions: int = 1
    count: int = 1
    seen: int = 0
    fired: int = 0

    def as_json(self) -> dict[str, Any]:
        """The fault as it was asked for, with how often it was seen and fired."""
        names = {field: name for name, field in NAMES.items()}
        return {names.get(k, k): v for k, v in asdict(self).items()}

    def headers(self) -> dict[str, str]:
        """The ``Retry-After`` header of this fault, if it has one."""
        if self.retry_after is None:
            return {}
        if self.retry_after != "date":
            return {"Retry-After": self.retry_after}
        # An HTTP date has whole seconds only: round up, so that the wait is never shorter than asked for.
        due = datetime.now(UTC) + timedelta(seconds=self.seconds + 0.999)
        return {"Retry-After": format_datetime(due.replace(microsecond=0), usegmt=True)}

    def error(self) -> GraphError:
        """What a "status" or "throttle" fault answers."""
        headers = self.headers()
        if self.kind == "throttle":
            headers["x-ms-throttle-information"] = "ResourceUnitLimitExceeded"
            return GraphError(429, "TooManyRequests", "Please retry again later.", headers)
        code = self.code or CODES.get(self.status, "UnknownError")
        return GraphError(self.status, code, "The simulator was told to answer this.", headers)

    def concerns(self, path: str, method: str, query: str) -> bool:
        """Whether a request is one of those that this fault waits for."""
        return (
            re.search(self.match, path) is not None
            and (self.method is None or self.method == method)
            and (self.query is None or re.search(self.query, query) is not None)
        )


CHECKS: dict[str, tuple[Any, str]] = {
    **dict.fromkeys(("status", "nth", "count", "transactions"), (int, "a whole number")),
    **dict.fromkeys(("seconds", "probability"), (int | float, "a number")),
    "times": (int | None, "a whole number or null"),
    **dict.fromkeys(("match", "origin"), (str, "a text")),
    **dict.fromkeys(("query", "method", "code"), (str | None, "a text or null")),
    **dict.fromkeys(("on_repeat", "whole"), (bool, "true or false")),
}


@dataclass(slots=True)
class Faults:
    """The faults that are armed, oldest first. ``random`` decides about those that have a probability."""

    armed: dict[str, Fault] = field(default_factory=dict)
    random: Random = field(default_factory=lambda: Random(0))
    _count: int = 0
    _asked: set[str] = field(default_factory=set)

    def arm(self, asked: dict[str, Any]) -> Fault:
        """Arm a fault from JSON; raises ``ValueError`` naming the field that is wrong."""
        values = {NAMES.get(k, k): v for k, v in asked.items()}
        if stray := set(values) - set(CHECKS) - {"kind", "retry_after"}:
            raise ValueError(f"{min(stray)}: no such field of a fault")
        if values.get("kind") not in KINDS:
            raise ValueError(f"kind: must be one of {', '.join(KINDS)}")
        for name in set(values) & set(CHECKS):
            _check(name, values[name])
        if "match" not in values:
            raise ValueError("match: must be a regular expression for the path")
        if values.get("retry_after") is not None:
            values["retry_after"] = str(values["retry_after"])
        self._count += 1
        fault = Fault(id=f"fault-{self._count}", **values)
        self.armed[fault.id] = fault
        return fault

    def take(
        self, path: str, *, method: str = "GET", query: str = "", kinds: Collection[str] = REQUEST_KINDS
    ) -> Fault | None:
        """The oldest armed fault for this request whose turn it is, of ``kinds`` only; it is counted as fired."""
        if not self.armed:
            return None
        chosen: Fault | None = None
        repeated = self._repeated(path, query)
        for fault in list(self.armed.values()):
            if fault.kind not in kinds or not fault.concerns(path, method, query) or (fault.on_repeat and not repeated):
                continue
            fault.seen += 1
            due = chosen is None and fault.seen >= fault.nth and (fault.times is None or fault.fired < fault.times)
            if due and (fault.probability >= 1 or self.random.random() < fault.probability):
                fault.fired += 1
                chosen = fault
        return chosen

    def _repeated(self, path: str, query: str) -> bool:
        if "skiptoken" not in query.casefold():
            return False
        page = f"{path}?{query}"
        repeated = page in self._asked
        self._asked.add(page)
        return repeated


def _check(name: str, value: Any) -> None:
    kind, told = CHECKS[name]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool) or (number and value < 0):
        raise ValueError(
            f"{name}: must be {told} that is not negative" if kind is not bool else f"{name}: must be {told}"
        )
    if name in ("match", "query") and value is not None:
        try:
            re.compile(value)
        except re.error as error:
            raise ValueError(f"{name}: not a regular expression ({error})") from None
