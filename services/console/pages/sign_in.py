"""Signing in to the pages: a token is exchanged for an opaque session id in a cookie; every page declares the least role."""

from dataclasses import dataclass
from datetime import timedelta
from typing import Final
from urllib.parse import parse_qs

from fastapi import Request, Response

from services.console.api.access import LONGEST_TOKEN, frame_of
from services.console.api.problems import ProblemError
from services.console.settings import ConsoleSettings
from services.console.tokens import Operator, Role, end_session, find_operator, find_session, start_session
from shared.contracts.addresses import LOOPBACK_HOSTS
from shared.runtime.log import logger

_log = logger(__name__)
COOKIE: Final = "seatkeeper_session"


class SignInNeededError(Exception):
    """The page needs a signed-in operator."""


@dataclass(frozen=True, slots=True)
class PageAccess:
    """A dependency that lets an operator in whose session has at least this role."""

    least: Role

    async def __call__(self, request: Request) -> Operator:
        """Return who looks; raises ``SignInNeededError``, or ``ProblemError`` (403)."""
        session = request.cookies.get(cookie_name(request), "")
        operator = None
        if 0 < len(session) <= LONGEST_TOKEN:
            async with frame_of(request).connection() as connection:
                operator = await find_session(connection, session)
        if operator is None:
            raise SignInNeededError
        if not operator.role.includes(self.least):
            raise ProblemError(
                403, "Not allowed", f"This page needs the role {self.least}. Sign in with another token."
            )
        return operator


async def sign_in(request: Request, response: Response) -> bool:
    """Exchange the token of the form for a session cookie on ``response``; returns whether the token is good."""
    same_origin(request)
    token = (await form_of(request)).get("token", "").strip()
    frame = frame_of(request)
    settings = frame.settings
    assert isinstance(settings, ConsoleSettings)
    async with frame.connection() as connection:
        operator = await find_operator(connection, token) if 0 < len(token) <= LONGEST_TOKEN else None
        if operator is None:
            _log.warning("sign-in refused", action="sign_in", outcome="refused")
            return False
        lifetime = timedelta(hours=settings.console_session_hours)
        session = await start_session(connection, operator, lifetime)
    _log.info("signed in", action="sign_in", outcome="done", operator=operator.name)
    response.set_cookie(
        cookie_name(request),
        session,
        max_age=int(lifetime.total_seconds()),
        path="/",
        secure=_secure(request),
        httponly=True,
        samesite="strict",
    )
    return True


async def sign_out(request: Request, response: Response) -> None:
    """End the session of the request and take its cookie back."""
    same_origin(request)
    if session := request.cookies.get(cookie_name(request)):
        async with frame_of(request).connection() as connection:
            await end_session(connection, session)
    response.delete_cookie(cookie_name(request), path="/", secure=_secure(request), httponly=True, samesite="strict")


async def form_of(request: Request) -> dict[str, str]:
    """Return the first value of each field of a form; raises ``ProblemError`` (422) when it is none of ours."""
    try:
        fields = parse_qs((await request.body()).decode("utf-8", "replace"), max_num_fields=10)
    except ValueError:
        raise ProblemError(
            422, "The form is not valid", "It has too many fields. Open the page and try again."
        ) from None
    return {name: values[0] for name, values in fields.items()}


def cookie_name(request: Request) -> str:
    """Return the name of the session cookie; ``__Host-`` makes a browser hold it to https and to this host (RFC 6265bis)."""
    return f"__Host-{COOKIE}" if _secure(request) else COOKIE


def _secure(request: Request) -> bool:
    """Return whether the cookie is for https only: always, but for loopback where http was allowed on purpose."""
    allowed = frame_of(request).settings.allow_insecure_loopback
    return not (allowed and request.url.scheme == "http" and request.url.hostname in LOOPBACK_HOSTS)


def same_origin(request: Request) -> None:
    """Refuse a form that another site sent (Fetch Metadata Request Headers, W3C); raises ``ProblemError`` (403).

    The cookie is ``SameSite=strict`` besides, so that such a form would come without a session.
    """
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in ("same-origin", "none"):
        raise ProblemError(403, "Not allowed", "The form came from another site. Open the page here and try again.")
