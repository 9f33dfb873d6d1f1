"""Access tokens of an application, by the client credentials flow of the Microsoft identity platform."""

import re
import time
from datetime import UTC, datetime
from typing import Protocol
from urllib.parse import urlencode

import orjson

from services.assignment_watcher.answers import missing_permissions, retry_after
from services.assignment_watcher.retries import Attempts, Gate, Patience
from services.assignment_watcher.sources.source import SourceRefusedError
from shared.contracts.job import Source
from shared.runtime.http import AddressRefusedError, Answer, HttpClient, HttpError

RENEW_BEFORE_SECONDS = 300.0


class TokenProvider(Protocol):
    """Where bearer tokens come from."""

    async def token(self) -> str:
        """Return a token that is good for some minutes at least; raises ``SourceError`` when none is given."""

    def forget(self) -> None:
        """Throw the kept token away: it was refused."""


class ClientSecretTokens:
    """Tokens for a client secret ("OAuth 2.0 client credentials flow", first case), kept until five minutes before they expire."""

    def __init__(self, source: Source, secret: str, *, http: HttpClient, patience: Patience) -> None:
        self._url = f"{source.login_root.rstrip('/')}/{source.tenant_id}/oauth2/v2.0/token"
        self._form = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": source.client_id,
                "scope": f"{source.graph_root.rstrip('/')}/.default",
                "client_secret": secret,
            }
        ).encode()
        self._http = http
        self._patience = patience
        self._gate = Gate()
        self._token = ""
        self._good_until = 0.0

    async def token(self) -> str:
        """Return the kept token or a new one; raises ``SourceRefusedError`` when the client is refused or lacks a permission."""
        if time.monotonic() >= self._good_until:
            self._token, lifetime = await self._fetch()
            self._good_until = time.monotonic() + max(lifetime - RENEW_BEFORE_SECONDS, lifetime / 2)
            if missing := missing_permissions(self._token):
                self.forget()
                raise SourceRefusedError(f"the application lacks the permission {', '.join(missing)}")
        return self._token

    def forget(self) -> None:
        """Ask for a new token next time."""
        self._good_until = 0.0

    async def _fetch(self) -> tuple[str, float]:
        attempts = Attempts(self._patience, self._gate)
        while True:
            await attempts.begin()
            began = time.monotonic()
            status, asked = None, None
            try:
                answer = await self._http.request(
                    "POST", self._url, headers={"Content-Type": "application/x-www-form-urlencoded"}, body=self._form
                )
            except AddressRefusedError as error:
                raise SourceRefusedError(str(error)) from None
            except HttpError as error:
                problem = str(error)
            else:
                if granted := _granted(answer):
                    token, lifetime = granted
                    return token, lifetime - (time.monotonic() - began)
                _raise_if_refused(answer)
                status = answer.status
                asked = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
                problem = f"the token endpoint answered {status} without a token"
            await attempts.wait(problem, status=status, asked=asked, everybody=True)


def _granted(answer: Answer) -> tuple[str, float] | None:
    if answer.status != 200:
        return None
    try:
        content = orjson.loads(answer.body)
        return str(content["access_token"]), float(content["expires_in"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None


def _raise_if_refused(answer: Answer) -> None:
    if not 400 <= answer.status < 500 or answer.status in {408, 429}:
        return
    number = re.search(rb"AADSTS(\d{1,9})", answer.body)
    which = f"AADSTS{number[1].decode()}" if number else f"status {answer.status}"
    raise SourceRefusedError(f"the token endpoint refused the client credentials ({which})", http_status=answer.status)


class NoTokens:
    """Stands where credentials are missing or unreadable: it says so each time."""

    def __init__(self, reason: str) -> None:
        self._reason = reason

    async def token(self) -> str:
        """Raise ``SourceRefusedError``."""
        raise SourceRefusedError(self._reason)

    def forget(self) -> None:
        """Do nothing: nothing is kept."""
