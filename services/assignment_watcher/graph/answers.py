"""What an answer of Microsoft Graph means: pure judgement of statuses, error bodies, Retry-After and links."""

import base64
import binascii
import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from enum import Enum, auto
from typing import Any, Final
from urllib.parse import urlsplit

import orjson

_NUMBER: Final = re.compile(r"\d{1,9}(\.\d+)?", re.ASCII)
_PORTS: Final = {"https": 443, "http": 80}

RESYNC_CODES: Final = frozenset(
    {"syncstatenotfound", "syncstateinvalid", "resyncrequired", "resyncapplydifferences", "resyncuploaddifferences"}
)
PAGE_TOKEN_CODES: Final = frozenset({"directory_expiredpagetoken", "directorypagetokennotfoundexception"})

PERMISSIONS: Final[dict[str, frozenset[str]]] = {
    "Application.Read.All": frozenset(
        {"application.read.all", "application.readwrite.all", "application.readwrite.ownedby"}
    ),
    "User.Read.All": frozenset({"user.read.all", "user.readwrite.all"}),
    "GroupMember.Read.All": frozenset(
        {"groupmember.read.all", "groupmember.readwrite.all", "group.read.all", "group.readwrite.all"}
    ),
}
"""Application permissions that reading needs, each with those that include it; Directory.Read.All includes all three."""

_DIRECTORY: Final = frozenset({"directory.read.all", "directory.readwrite.all"})

PERMISSION_FOR: Final[dict[str, str]] = {
    "servicePrincipal": "Application.Read.All",
    "appRoleAssignedTo": "Application.Read.All",
    "appRoleAssignment": "Application.Read.All",
    "users/delta": "User.Read.All",
    "user": "User.Read.All",
    "users/$count": "User.Read.All",
    "deletedItems/user": "User.Read.All",
    "groups/delta": "GroupMember.Read.All",
    "groups/members": "GroupMember.Read.All",
    "checkMemberGroups": "GroupMember.Read.All",
    "group": "GroupMember.Read.All",
    "deletedItems/group": "Group.Read.All",
}
"""The least application permission by what is asked for; a refusal most likely means that it, or its consent, is missing."""


class Verdict(Enum):
    """What is to be done after an answer."""

    OK = auto()
    WAIT = auto()
    """429, 503 or 504: every request of the application waits (Microsoft Graph, "Throttling guidance")."""
    RETRY = auto()
    REFRESH_TOKEN = auto()
    REFUSED = auto()
    NOT_FOUND = auto()
    RESYNC = auto()
    """The delta token is dead: the stream is read from its beginning."""
    RESTART_ROUND = auto()
    """A page token is dead: the round is read again from where it started."""
    STOP = auto()


def classify(status: int, body: bytes, *, delta_token: bool, page_token: bool, proven: bool = False) -> Verdict:
    """Return what an answer means.

    ``delta_token`` says that the request carried a ``$deltatoken`` that the server had issued, ``page_token`` that it followed a nextLink:
    only those can die. Credentials, throttling and server errors never touch a token. ``proven`` says that a delta link of the same query
    was followed before: then a query that is suddenly unsupported is a token that died. A 404 that Graph did not write (a proxy, a wrong
    root) says nothing about any object.
    """
    if 200 <= status < 300:
        return Verdict.OK
    if status in {401, 403}:
        return Verdict.REFRESH_TOKEN if status == 401 else Verdict.REFUSED
    if status == 429 or status >= 500 or status == 408:
        return Verdict.WAIT if status in {429, 503, 504} else Verdict.RETRY
    error = _error(body)
    codes = set(_codes(error))
    if 400 <= status < 500 and (delta_token or page_token):
        dead = status == 410 or bool(codes & RESYNC_CODES) or (status == 400 and _too_old(error, codes, proven=proven))
        if delta_token and dead:
            return Verdict.RESYNC
        if dead or codes & PAGE_TOKEN_CODES:
            # Whether the round itself can go on shows when it is asked for again by its delta token.
            return Verdict.RESTART_ROUND
    return Verdict.NOT_FOUND if status == 404 and codes else Verdict.STOP


def _too_old(error: Mapping[str, Any], codes: set[str], *, proven: bool) -> bool:
    """The one shape that only its text tells: observed for delta links older than 30 days."""
    message = str(error.get("message", "")).casefold()
    return "request_unsupportedquery" in codes and (proven or "deltalink" in message or "delta token" in message)


def resync_reason(status: int, body: bytes) -> str:
    """Return in a few words why a delta token is dead."""
    code = error_code(body)
    if code.casefold() == "request_unsupportedquery":
        return "the delta token is older than Microsoft Graph keeps it"
    return f"Microsoft Graph answered {status} {code}".rstrip()


def _error(body: bytes) -> Mapping[str, Any]:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    error = content.get("error") if isinstance(content, dict) else None
    return error if isinstance(error, dict) else {}


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    current: Any = error
    for _ in range(10):
        if not isinstance(current, dict):
            return
        if isinstance(code := current.get("code"), str):
            yield code.casefold()
        current = current.get("innerError", current.get("innererror"))


def error_code(body: bytes) -> str:
    """Return the outermost error code as it may be shown: letters, digits and ``_.-`` only, or nothing."""
    code = _error(body).get("code")
    return code[:80] if isinstance(code, str) and re.fullmatch(r"[A-Za-z0-9_.-]+", code) else ""


def retry_after(value: str | None, now: datetime) -> float | None:
    """Return the seconds that a Retry-After header asks to wait (RFC 9110, section 10.2.3); Graph also sends fractions.

    Nothing when the header is missing or malformed.
    """
    text = (value or "").strip()
    if _NUMBER.fullmatch(text):
        return float(text)
    if not text or text[:1].isdigit():
        return None
    try:
        due = parsedate_to_datetime(text)
    except (ValueError, IndexError, TypeError):
        return None
    if due.tzinfo is None:
        due = due.replace(tzinfo=UTC)
    return max(0.0, (due - now).total_seconds())


def backoff(attempt: int, first: float, jitter: float, longest: float = 30.0) -> float:
    """Return the wait after try number ``attempt`` (from 1): doubling from ``first``, with ``jitter`` in [0, 1) taking off up to half."""
    return min(longest, first * math.ldexp(1.0, min(attempt - 1, 32))) * (1.0 - jitter / 2)


def same_origin(root: str, link: object) -> bool:
    """Return whether ``link`` has the scheme, host and port of ``root``: only then may the bearer token go with it."""
    if not isinstance(link, str):
        return False
    try:
        return _origin(link) == _origin(root)
    except ValueError:
        return False


def _origin(url: str) -> tuple[str, str, int | None]:
    if any(ord(character) <= 32 or character == "\\" for character in url):
        raise ValueError("a link holds no spaces, controls or backslashes")
    parts = urlsplit(url)
    if not parts.hostname or "@" in parts.netloc:
        raise ValueError("a link has a host and no user")
    return parts.scheme, parts.hostname, parts.port or _PORTS.get(parts.scheme)


def claims_challenge(header: str | None) -> str | None:
    """Return the claims that a WWW-Authenticate header asks a new token to carry, as JSON ("Claims challenges ... in your app")."""
    found = re.search(r'\bclaims="([A-Za-z0-9+/_=-]{1,8000})"', header or "")
    if found is None:
        return None
    try:
        claims = base64.urlsafe_b64decode(found[1].replace("+", "-").replace("/", "_") + "=" * (-len(found[1]) % 4))
        content = orjson.loads(claims)
    except (binascii.Error, ValueError):
        return None
    return orjson.dumps(content).decode() if isinstance(content, dict) else None


def missing_permissions(token: str) -> tuple[str, ...]:
    """Return the permissions that the ``roles`` claim of an access token lacks; none when the token cannot be read.

    Without User.Read.All, Graph does not refuse: it gives members without their properties. Hence the look before the first read. The token
    is not verified here: that is for the one who takes it.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return ()
    try:
        claims = orjson.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return ()
    roles = claims.get("roles", []) if isinstance(claims, dict) else None
    if not isinstance(roles, list):
        return ()
    held = {str(role).casefold() for role in roles}
    if held & _DIRECTORY:
        return ()
    return tuple(name for name, sufficient in PERMISSIONS.items() if not held & sufficient)
