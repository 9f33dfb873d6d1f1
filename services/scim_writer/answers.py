"""Judging what a target answered: pure, never raises, always one of the five outcomes.

Understands the SCIM Error (RFC 7644, section 3.12; ``status`` as text or number), the shape of LinkedIn's API gateway
(``message``, ``serviceErrorCode``, ``status``; LinkedIn, "API error handling"), and answers that are not JSON at all.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final

import orjson

from services.scim_writer.requests import Endpoint, Kind
from services.scim_writer.resources import read
from shared.contracts.changes import MatchingValue
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result

LONGEST_RETRY_AFTER_SECONDS: Final = 3600.0
"""A longer Retry-After is cut to this: then one request asks again."""

SCIM_ERROR: Final = "urn:ietf:params:scim:api:messages:2.0:Error"
_SCIM_TYPES: Final = frozenset(
    {
        "invalidFilter",
        "tooMany",
        "uniqueness",
        "mutability",
        "invalidSyntax",
        "invalidPath",
        "noTarget",
        "invalidValue",
        "invalidVers",
        "sensitive",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What came back for one request. Without ``status`` nothing usable came: then ``trouble`` says why and ``maybe_done`` whether
    the target may have acted all the same.
    """

    status: int | None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    duration_ms: int = 0
    trouble: str = ""
    timed_out: bool = False
    maybe_done: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What an answer means. ``outcome`` is done, retryLater, failed or stop here; ``adopted`` is for the plan to say.

    ``wait``: seconds that the target asked to wait. ``throttled``: 429, nothing was done. ``broken``: the target as a whole looks
    broken, not this one request. ``refused``: 403. ``maybe_done``: a write without a clear answer.
    """

    outcome: Result
    code: Code | None = None
    message: str = ""
    status: int | None = None
    scim_type: str | None = None
    content: Any = None
    wait: float | None = None
    throttled: bool = False
    broken: bool = False
    maybe_done: bool = False
    duration_ms: int = 0

    @property
    def gone(self) -> bool:
        """Return whether the target says that there is no such account or group."""
        return self.status == 404

    @property
    def refused(self) -> bool:
        """Return whether the target says that the secret token may not do this."""
        return self.status == 403

    @property
    def conflicts(self) -> bool:
        """Return whether another account or group holds a unique value of this one."""
        return self.status == 409 or (self.scim_type == "uniqueness" and self.outcome is Result.FAILED)


def judge(kind: Kind, reply: Reply, now: datetime, endpoint: Endpoint = Endpoint.USERS) -> Verdict:
    """Return what ``reply`` to a request of this kind means; ``now`` (UTC) is what dates in Retry-After count from."""
    if reply.status is None:
        return Verdict(
            outcome=Result.RETRY_LATER,
            code=Code.TIMEOUT if reply.timed_out else Code.UNREACHABLE,
            message=reply.trouble,
            broken=True,
            maybe_done=reply.maybe_done and kind.writes,
            duration_ms=reply.duration_ms,
        )
    content, is_json = _parse(reply.body)
    status, scim_type, service_code = _error_in(content, reply.status)
    if 200 <= status < 300:
        return _judge_success(kind, endpoint, reply, status, content, is_json=is_json)
    named = scim_type or (f"LinkedIn code {service_code}" if service_code is not None else "")
    message = f"The target answered {status}{f' ({named})' if named else ''} to {_SPOKEN[kind]} {endpoint.noun}."
    meaning = _meaning(kind, status, endpoint)
    return Verdict(
        outcome=meaning.outcome,
        code=meaning.code,
        message=message,
        status=status,
        scim_type=scim_type,
        wait=retry_after(_header(reply.headers, "Retry-After"), now) if status in (429, 503) else None,
        throttled=status == 429,
        broken=meaning.broken,
        maybe_done=kind.writes and meaning.outcome is _RETRY and (status == 408 or status >= 500),
        duration_ms=reply.duration_ms,
    )


_SPOKEN: Final = {
    Kind.LOOK: "the search for the",
    Kind.READ: "the reading of the",
    Kind.CREATE: "the creation of the",
    Kind.PATCH: "the update of the",
    Kind.DELETE: "the removal of the",
}


def _judge_success(
    kind: Kind, endpoint: Endpoint, reply: Reply, status: int, content: Any, *, is_json: bool
) -> Verdict:
    usable = isinstance(content, dict) if kind is not Kind.DELETE else True
    if kind is Kind.PATCH and not reply.body:
        usable = True
    if kind is Kind.LOOK and usable:
        usable = _listed(content) is not None
    if kind in (Kind.CREATE, Kind.READ) and usable:
        usable = isinstance(content.get("id"), str) and bool(content["id"])
    if usable:
        return Verdict(outcome=Result.DONE, status=status, content=content, duration_ms=reply.duration_ms)
    shape = "that is not SCIM" if is_json else "that is not JSON"
    return Verdict(
        outcome=Result.RETRY_LATER,
        code=Code.SERVICE_INCOMPATIBLE,
        message=f"The target answered {status} to {_SPOKEN[kind]} {endpoint.noun} with a body {shape}. Check the Tenant URL.",
        status=status,
        broken=True,
        maybe_done=kind.writes,
        duration_ms=reply.duration_ms,
    )


@dataclass(frozen=True, slots=True)
class _Meaning:
    code: Code
    outcome: Result
    broken: bool = False


_RETRY, _FAILED = Result.RETRY_LATER, Result.FAILED
_EVERYWHERE: Final = {
    401: _Meaning(Code.UNAUTHORIZED, Result.STOP),
    408: _Meaning(Code.TIMEOUT, _RETRY, broken=True),
    409: _Meaning(Code.CONFLICT, _FAILED),
    422: _Meaning(Code.UNPROCESSABLE_ENTITY, _FAILED),
    425: _Meaning(Code.TOO_MANY_REQUESTS, _RETRY),
    429: _Meaning(Code.TOO_MANY_REQUESTS, _RETRY),
    504: _Meaning(Code.TIMEOUT, _RETRY, broken=True),
}
# A search or a reading that is refused says nothing about this user: every one would be.
_WRITES: Final = {
    403: _Meaning(Code.INSUFFICIENT_RIGHTS, _FAILED),
    405: _Meaning(Code.NOT_IMPLEMENTED, _FAILED),
    501: _Meaning(Code.NOT_IMPLEMENTED, _FAILED),
}
_READS: Final = {
    403: _Meaning(Code.INSUFFICIENT_RIGHTS, _RETRY),
    405: _Meaning(Code.NOT_IMPLEMENTED, _RETRY, broken=True),
    501: _Meaning(Code.NOT_IMPLEMENTED, _RETRY, broken=True),
}
# A target without groups has users all the same: only this group fails.
_GROUPS: Final = {
    403: _Meaning(Code.INSUFFICIENT_RIGHTS, _FAILED),
    405: _Meaning(Code.NOT_IMPLEMENTED, _FAILED),
    501: _Meaning(Code.NOT_IMPLEMENTED, _FAILED),
}
_NO_GROUPS: Final = _Meaning(Code.NOT_IMPLEMENTED, _FAILED)
_NO_ACCOUNT: Final = _Meaning(Code.INVALID_ANCHOR, _FAILED)
_NO_ENDPOINT: Final = _Meaning(Code.NOT_IMPLEMENTED, _RETRY, broken=True)
_REFUSED: Final = _Meaning(Code.SERVICE_INCOMPATIBLE, _FAILED)
_TARGET_FAILED: Final = _Meaning(Code.INTERNAL_SERVER_ERROR, _RETRY, broken=True)


def _meaning(kind: Kind, status: int, endpoint: Endpoint) -> _Meaning:
    groups = endpoint is Endpoint.GROUPS
    known = _EVERYWHERE.get(status) or (_GROUPS if groups else _WRITES if kind.writes else _READS).get(status)
    if known is not None:
        return known
    if status == 404 and groups:
        return _NO_GROUPS if kind in (Kind.LOOK, Kind.CREATE) else _NO_ACCOUNT
    if status == 404:
        # On the endpoint, and not on one account, it means a wrong Tenant URL; so does a redirect.
        return _NO_ENDPOINT if kind in (Kind.LOOK, Kind.CREATE) else _NO_ACCOUNT
    if 300 <= status < 400:
        return _NO_ENDPOINT
    return _REFUSED if 400 <= status < 500 else _TARGET_FAILED


def hits(content: Any, matching: MatchingValue) -> list[dict[str, Any]]:
    """Return the accounts of a search answer that really have the matching value.

    A target that passes over the filter would otherwise hand us somebody else's account. ``externalId`` and ``id`` compare with case
    (RFC 7643, section 3.1), others without.
    """
    wanted = matching.value
    exact = matching.attribute in ("externalId", "id")
    found = []
    for account in _listed(content) or []:
        if not isinstance(account, dict) or not isinstance(account.get("id"), str) or not account["id"]:
            continue
        held = read(account, matching.attribute)
        if isinstance(held, str) and (held == wanted or (not exact and held.casefold() == wanted.casefold())):
            found.append(account)
    return found


def _listed(content: Any) -> list[Any] | None:
    """Return the resources of a ListResponse, or None when it is none (RFC 7644, section 3.4.2)."""
    if not isinstance(content, dict):
        return None
    for name in ("Resources", "resources"):
        if name in content:
            return content[name] if isinstance(content[name], list) else None
    return [] if content.get("totalResults") == 0 else None


def retry_after(header: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks for (RFC 9110, section 10.2.3; a fraction is understood), or None."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        seconds = _until(header, now)
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_SECONDS)


def _until(header: str, now: datetime) -> float:
    try:
        at = parsedate_to_datetime(header)
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
    try:
        return ((at if at.tzinfo else at.replace(tzinfo=UTC)) - now).total_seconds()
    except OverflowError:
        return math.nan


def _header(headers: Mapping[str, str], name: str) -> str | None:
    value = headers.get(name)
    if value is not None:
        return value
    return next((value for key, value in headers.items() if key.casefold() == name.casefold()), None)


def _parse(body: bytes) -> tuple[Any, bool]:
    if not body:
        return None, False
    try:
        return orjson.loads(body), True
    except orjson.JSONDecodeError:
        return None, False


def _error_in(content: Any, status: int) -> tuple[int, str | None, int | None]:
    """Return the status that counts (some gateways wrap an error in 200), a known scimType, and LinkedIn's own code."""
    if not isinstance(content, dict):
        return status, None, None
    schemas = content.get("schemas")
    is_error = (isinstance(schemas, list) and SCIM_ERROR in schemas) or "serviceErrorCode" in content
    if not is_error and status < 400:
        return status, None, None
    said = content.get("status")
    if 200 <= status < 300 and is_error:
        status = _status(said) or 500
    scim_type = content.get("scimType")
    service_code = content.get("serviceErrorCode")
    return (
        status,
        scim_type if isinstance(scim_type, str) and scim_type in _SCIM_TYPES else None,
        service_code if isinstance(service_code, int) and not isinstance(service_code, bool) else None,
    )


def _status(said: Any) -> int | None:
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) == 3:
        said = int(said)
    return said if isinstance(said, int) and not isinstance(said, bool) and 400 <= said <= 599 else None
