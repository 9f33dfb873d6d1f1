"""Faults on demand: which request fails, how, and how often."""

import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

from simulators.graph.odata import GraphError
from simulators.graph.pages import Page

KINDS = (
    *("status", "throttle", "reset", "truncate", "html502", "slow"),
    *("empty", "loop", "foreignLink", "dropPage"),
)
PAGE_KINDS = frozenset({"empty", "loop", "foreignLink", "dropPage"})
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


@dataclass(slots=True, kw_only=True)
class Fault:
    """A fault that waits for its request.

    ``match`` is a regular expression searched in the path. It fires from the ``nth`` matching request on (1 is the next
    one), ``times`` times (``None``: until deleted). ``retry_after``: a number or text sent verbatim, "date" for an HTTP
    date ``seconds`` ahead, ``None`` for no header. ``whole``: a truncated body whose Content-Length fits.
    """

    id: str
    match: str
    kind: str
    pattern: re.Pattern[str]
    status: int = 503
    code: str | None = None
    retry_after: str | None = None
    times: int | None = 1
    nth: int = 1
    seconds: float = 1.0
    origin: str = "https://graph.foreign.example"
    whole: bool = False
    seen: int = 0
    fired: int = 0

    def as_json(self) -> dict[str, Any]:
        """The fault as it was asked for, with how often it was seen and fired."""
        names = {"retry_after": "retryAfter"}
        return {names.get(k, k): v for k, v in asdict(self).items() if k != "pattern"}

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

    def distort(self, page: Page, following: Callable[[], Page]) -> Page:
        """The page as a page fault lets it be seen; ``following`` makes the page behind its nextLink."""
        if self.kind == "loop":
            page.next_link, page.delta_link = page.again(), None
        elif self.kind == "foreignLink":
            page.next_link = self._foreign(page.next_link)
            page.delta_link = self._foreign(page.delta_link)
        elif self.kind == "dropPage":
            if page.next_link is not None:
                return following()
            page.rows = []
        elif page.delta_link is not None or page.tracked:
            # An empty delta page with a deltaLink would lose what it should have carried: give the page again.
            page.rows, page.next_link, page.delta_link = [], page.again(), None
        else:
            page.rows, page.next_link = [], None
        return page

    def _foreign(self, link: str | None) -> str | None:
        return None if link is None else self.origin + "/" + link.split("/", 3)[3]


@dataclass(slots=True)
class Faults:
    """The faults that are armed, oldest first."""

    armed: dict[str, Fault] = field(default_factory=dict)
    _count: int = 0

    def arm(self, asked: dict[str, Any]) -> Fault:
        """Arm a fault from JSON; raises ``ValueError`` naming the field that is wrong."""
        values = {("retry_after" if k == "retryAfter" else k): v for k, v in asked.items()}
        allowed = {"match", "kind", "status", "code", "retry_after", "times", "nth", "seconds", "origin", "whole"}
        if stray := set(values) - allowed:
            raise ValueError(f"{min(stray)}: no such field of a fault")
        if values.get("kind") not in KINDS:
            raise ValueError(f"kind: must be one of {', '.join(KINDS)}")
        for name, kinds in (("status", int), ("nth", int), ("times", int | None), ("seconds", int | float)):
            if name in values and (not isinstance(values[name], kinds) or (values[name] or 0) < 0):
                raise ValueError(f"{name}: must be a number that is not negative")
        if not isinstance(values.get("match"), str):
            raise ValueError("match: must be a regular expression for the path")
        try:
            pattern = re.compile(values["match"])
        except re.error as error:
            raise ValueError(f"match: not a regular expression ({error})") from None
        if values.get("retry_after") is not None:
            values["retry_after"] = str(values["retry_after"])
        self._count += 1
        fault = Fault(id=f"fault-{self._count}", pattern=pattern, **values)
        self.armed[fault.id] = fault
        return fault

    def take(self, path: str) -> Fault | None:
        """The oldest armed fault for this path whose turn it is; it is counted as fired."""
        chosen: Fault | None = None
        for fault in list(self.armed.values()):
            if not fault.pattern.search(path):
                continue
            fault.seen += 1
            if chosen is None and fault.seen >= fault.nth and (fault.times is None or fault.fired < fault.times):
                fault.fired += 1
                chosen = fault
        return chosen
