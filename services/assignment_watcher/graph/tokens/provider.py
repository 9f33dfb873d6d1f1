"""Where bearer tokens come from: asked for when needed, kept while they are good, and looked into before the first read."""

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

from services.assignment_watcher.graph.answers import missing_permissions, retry_after
from services.assignment_watcher.graph.refusals import advised
from services.assignment_watcher.graph.retries import Attempts, Gate, Patience
from services.assignment_watcher.graph.tokens.credentials import CredentialError
from services.assignment_watcher.graph.tokens.entra import refusal
from services.assignment_watcher.sources.source import SourceError, SourceRefusedError
from shared.runtime.http import AddressRefusedError, Answer, HttpError
from shared.runtime.log import logger

_log = logger(__name__)

RENEW_BEFORE_SECONDS: Final = 300.0


class TokenProvider(Protocol):
    """Where bearer tokens come from."""

    async def token(self) -> str:
        """Return a token that is good for some minutes at least; raises ``SourceError`` when none is given."""

    def forget(self, claims: str | None = None) -> None:
        """Throw the kept token away: it was refused. The next one is asked for with the ``claims`` of a challenge, if there was one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Granted:
    """An access token and the seconds it lives from when it was asked for."""

    token: str = field(repr=False)
    seconds: float


class TokenRequest(Protocol):
    """One way to ask the token endpoint."""

    async def ask(self, claims: str | None) -> Granted | Answer:
        """Ask once, and return the token or the answer that holds none; raises ``HttpError`` and ``CredentialError``."""


class KeptTokens:
    """Tokens that are kept until five minutes before they expire (or half their life, if that is later)."""

    def __init__(self, request: TokenRequest, *, patience: Patience, secret_expires: datetime | None = None) -> None:
        self._request = request
        self._patience = patience
        self._secret_expires = secret_expires
        self._gate = Gate()
        self._one_at_a_time = asyncio.Lock()
        self._token = ""
        self._good_until = 0.0
        self._claims: str | None = None

    async def token(self) -> str:
        """Return the kept token or a new one; raises ``SourceError`` when the client is refused, unknown, or lacks a permission."""
        async with self._one_at_a_time:
            if time.monotonic() >= self._good_until:
                began = time.monotonic()
                granted = await self._fetch()
                if missing := missing_permissions(granted.token):
                    raise _lacking(missing)
                life = granted.seconds
                self._token, self._claims = granted.token, None
                self._good_until = began + max(life - RENEW_BEFORE_SECONDS, life / 2)
            return self._token

    def forget(self, claims: str | None = None) -> None:
        """Ask for a new token next time."""
        self._token, self._good_until, self._claims = "", 0.0, claims

    async def _fetch(self) -> Granted:
        attempts = Attempts(self._patience, self._gate, "the token endpoint")
        while True:
            attempts.made += 1
            await attempts.pass_gate()
            status, asked = None, None
            try:
                answer = await self._request.ask(self._claims)
            except CredentialError as error:
                raise advised(SourceRefusedError(str(error)), error.advice) from None
            except AddressRefusedError as error:
                raise SourceRefusedError(str(error)) from None
            except HttpError as error:
                problem = str(error)
            else:
                if isinstance(answer, Granted):
                    return answer
                if refused := refusal(answer.status, answer.body, self._secret_expires, datetime.now(UTC)):
                    raise refused
                status = answer.status
                asked = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
                problem = f"the token endpoint answered {status} without a token"
            _log.info("token is asked for again", action="retry", problem=problem, wait=asked)
            await attempts.wait(problem, status=status, asked=asked, everybody=True)


class NoTokens:
    """Stands where credentials are missing or unreadable: it says so each time."""

    def __init__(self, reason: str, advice: str | None = None) -> None:
        self._reason = reason
        self._advice = advice

    async def token(self) -> str:
        """Raise ``SourceRefusedError``."""
        error = SourceRefusedError(self._reason)
        raise advised(error, self._advice) if self._advice else error

    def forget(self, claims: str | None = None) -> None:
        """Do nothing: nothing is kept."""


def _lacking(missing: tuple[str, ...]) -> SourceError:
    names = ", ".join(missing)
    return advised(
        SourceRefusedError(f"the application lacks the permission {names}"),
        f"In Microsoft Entra, open the app registration of source.clientId, add the application permission {names} and grant admin "
        "consent. The next cycle tries again.",
    )
