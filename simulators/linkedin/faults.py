"""Faults on demand: what each kind needs, which requests it hits, and how often."""

import asyncio
import itertools
import random
import time
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any, Final

from simulators.linkedin.errors import GatewayError, ScimError

KINDS: Final[dict[str, frozenset[str]]] = {
    "reject": frozenset({"externalIds", "userNameContains", "status", "scimType", "detail"}),
    "latency": frozenset({"milliseconds", "jitterMilliseconds"}),
    "throttle": frozenset({"requestsPerSecond", "burst", "retryAfter"}),
    "status": frozenset({"status", "retryAfter", "detail"}),
    "commitThenDrop": frozenset(),
    "commitThenStatus": frozenset({"status"}),
    "dropBeforeCommit": frozenset(),
    "stall": frozenset({"seconds", "when"}),
    "staleFilter": frozenset({"seconds"}),
    "notJson": frozenset({"status"}),
    "noSeatIsError": frozenset({"status"}),
}
COMMON: Final = frozenset({"kind", "times", "probability", "method", "resource"})


@dataclass(slots=True, kw_only=True, eq=False)
class Fault:
    """One fault in force. `options` are the ones of its kind as given; `times` counts down, None is for ever."""

    id: str
    kind: str
    options: dict[str, Any]
    method: str | None = None
    resource: str | None = None
    times: int | None = None
    probability: float = 1.0
    external_ids: frozenset[str] = frozenset()
    hits: int = 0
    tokens: float = 0.0
    refilled_at: float = field(default_factory=time.monotonic)

    def as_json(self) -> dict[str, Any]:
        """The fault as `GET /_sim/faults` shows it; `times` is what is left."""
        common = {
            "id": self.id,
            "kind": self.kind,
            "times": self.times,
            "hits": self.hits,
            "probability": self.probability,
        }
        return {**self.options, **common, "method": self.method, "resource": self.resource}


class Faults:
    """The faults in force, in order of creation. The random source is seeded, so a probability repeats between runs."""

    def __init__(self, seed: int = 0) -> None:
        self._faults: dict[str, Fault] = {}
        self._number = itertools.count(1)
        self._random = random.Random(seed)

    def __bool__(self) -> bool:
        return bool(self._faults)

    @property
    def all(self) -> list[Fault]:
        """Every fault that has not been used up."""
        return list(self._faults.values())

    def get(self, fault_id: str) -> Fault | None:
        """The fault with this id."""
        return self._faults.get(fault_id)

    def add(self, kind: str, options: dict[str, Any], **common: Any) -> Fault:
        """Put a fault in force; its input has been checked (see `control_input.fault`)."""
        fault = Fault(id=f"fault-{next(self._number)}", kind=kind, options=options, **common)
        fault.external_ids = frozenset(options.get("externalIds", ()))
        fault.tokens = float(options.get("burst", options.get("requestsPerSecond", 0)))
        self._faults[fault.id] = fault
        return fault

    def remove(self, fault_id: str) -> bool:
        """Lift one fault; False when it is not there."""
        return self._faults.pop(fault_id, None) is not None

    def clear(self) -> None:
        """Lift every fault."""
        self._faults.clear()

    def take(self, kind: str, method: str, resource: str) -> Fault | None:
        """The first fault of `kind` that hits this request, with one of its times used up."""
        for fault in self._faults.values():
            if fault.kind == kind and self._concerns(fault, method, resource) and self._chance(fault):
                self._use(fault)
                return fault
        return None

    async def before(self, method: str, resource: str) -> Fault | None:
        """Everything that happens to a request before it is read: latency, stall, throttling, a status.

        Returns a fault of kind notJson or dropBeforeCommit for the caller to act on; raises GatewayError for 429 and 403 and
        ScimError for other statuses, with `retry_after` set where a header belongs.
        """
        for kind in ("throttle", "status", "notJson", "dropBeforeCommit", "latency", "stall"):
            if kind == "throttle":
                self._throttle(method, resource)
                continue
            if kind == "stall" and not any(
                each.kind == kind and each.options.get("when") == "before" for each in self.all
            ):
                continue
            fault = self.take(kind, method, resource)
            if fault is None:
                continue
            if kind == "status":
                raise _failure(fault)
            if kind in ("notJson", "dropBeforeCommit"):
                return fault
            if kind == "latency":
                jitter = self._random.uniform(0, fault.options.get("jitterMilliseconds", 0))
                await asyncio.sleep((fault.options["milliseconds"] + jitter) / 1000)
            else:
                await asyncio.sleep(fault.options["seconds"])
        return None

    def reject(self, method: str, resource: str, external_id: str | None, user_name: str) -> None:
        """Raise the ScimError of a reject fault that concerns this user."""
        for fault in self._faults.values():
            if fault.kind != "reject" or not self._concerns(fault, method, resource):
                continue
            part = fault.options.get("userNameContains")
            named = part is not None and part.casefold() in user_name.casefold()
            if (named or external_id in fault.external_ids) and self._chance(fault):
                self._use(fault)
                detail = fault.options.get("detail", "The value of an attribute is not acceptable.")
                raise ScimError(fault.options.get("status", 400), detail, fault.options.get("scimType", "invalidValue"))

    def hides(self, age: float, resource: str) -> bool:
        """Whether a user or group created `age` seconds ago is invisible to this filter request, by a staleFilter fault."""
        for fault in self._faults.values():
            if fault.kind != "staleFilter" or not self._concerns(fault, "GET", resource):
                continue
            if fault.options["seconds"] > age and self._chance(fault):
                self._use(fault)
                return True
        return False

    def _throttle(self, method: str, resource: str) -> None:
        for fault in self._faults.values():
            if fault.kind != "throttle" or not self._concerns(fault, method, resource):
                continue
            now = time.monotonic()
            rate = float(fault.options["requestsPerSecond"])
            burst = float(fault.options.get("burst", rate))
            fault.tokens = min(burst, fault.tokens + (now - fault.refilled_at) * rate)
            fault.refilled_at = now
            if fault.tokens >= 1:
                fault.tokens -= 1
                continue
            self._use(fault)
            raise ThrottledError(retry_after(fault.options.get("retryAfter"), (1 - fault.tokens) / rate))

    def _concerns(self, fault: Fault, method: str, resource: str) -> bool:
        return fault.method in (None, method) and fault.resource in (None, resource)

    def _chance(self, fault: Fault) -> bool:
        return fault.probability >= 1 or self._random.random() < fault.probability

    def _use(self, fault: Fault) -> None:
        fault.hits += 1
        if fault.times is not None:
            fault.times -= 1
            if fault.times <= 0:
                self._faults.pop(fault.id, None)


class ThrottledError(GatewayError):
    """429 in the gateway's shape; `retry_after` is the header's text or None for no header."""

    def __init__(self, retry_after: str | None) -> None:
        super().__init__(429, "Resource level throttle limit for calls to this resource is reached.", 101)
        self.retry_after = retry_after


class UnavailableError(ScimError):
    """A status on demand; `retry_after` is the header's text or None for no header."""

    def __init__(self, status: int, detail: str, retry_after: str | None) -> None:
        super().__init__(status, detail)
        self.retry_after = retry_after


def retry_after(option: Any, wait: float) -> str | None:
    """The text of a Retry-After header: a number or text as given, "auto" for `wait` seconds, "date" or "date:N" for a date.

    None means that there is no header.
    """
    if option is None:
        return None
    text = str(option)
    if text == "auto":
        return f"{wait:.3f}"
    if text.startswith("date"):
        return formatdate(time.time() + float(text.partition(":")[2] or 1), usegmt=True)
    return text


def _failure(fault: Fault) -> GatewayError | ScimError:
    status = fault.options["status"]
    header = retry_after(fault.options.get("retryAfter"), 1.0)
    if status == 429:
        return ThrottledError(header)
    detail = fault.options.get("detail", "The service cannot answer now.")
    if status in (401, 403):
        return GatewayError(status, detail)
    return UnavailableError(status, detail, header)
