"""The SMTP gateway: the only module of notifier with a socket. It tells apart what was refused from what may have been taken."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl, unquote, urlsplit

import aiosmtplib

from shared.contracts.addresses import LOOPBACK_HOSTS

_PORTS: Final = {"smtp": 587, "smtps": 465}
_STARTTLS: Final[dict[str, bool | None]] = {"required": True, "auto": None, "never": False}
_CLOSING: Final = 421


class SmtpUrlError(ValueError):
    """SEATKEEPER_SMTP_URL cannot be used; the message says why and never holds the URL."""


class ServerDownError(Exception):
    """The mail server cannot be used now: unreachable, no TLS, or it refuses our user. Nothing was sent."""


class RefusedError(Exception):
    """The server refused this mail. Nothing was delivered."""


class UnansweredError(Exception):
    """The mail was handed over and no answer came: it may have been delivered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SmtpServer:
    """Where mails go. ``start_tls``: True demands it, nothing uses it when offered, False does without."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    use_tls: bool = False
    start_tls: bool | None = None


def parse_smtp_url(url: str) -> SmtpServer:
    """Return the server of an URL ``smtp[s]://[user:password@]host[:port][?starttls=required|auto|never]``.

    With a user name STARTTLS is demanded unless the URL says otherwise or the server is this machine. Raises ``SmtpUrlError``.
    """
    try:
        parts = urlsplit(url)
        port, options = parts.port, dict(parse_qsl(parts.query, strict_parsing=bool(parts.query)))
    except ValueError:
        raise SmtpUrlError("is not an URL; write smtp://user:password@host:587") from None
    if parts.scheme not in _PORTS or not parts.hostname or parts.path not in {"", "/"} or parts.fragment:
        raise SmtpUrlError(
            "is not a mail server's URL; write smtp://user:password@host:587 or smtps://user:password@host"
        )
    use_tls = parts.scheme == "smtps"
    careful = "required" if parts.username and parts.hostname not in LOOPBACK_HOSTS else "auto"
    starttls = options.pop("starttls", careful)
    if options or starttls not in _STARTTLS:
        raise SmtpUrlError("has an option that is not known; there is only starttls=required, auto or never")
    return SmtpServer(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        username=unquote(parts.username) if parts.username else None,
        password=unquote(parts.password or "") if parts.username else None,
        use_tls=use_tls,
        start_tls=False if use_tls else _STARTTLS[starttls],
    )


class Envelope:
    """A session in which the server has accepted sender and recipient, and waits for the mail."""

    def __init__(self, client: aiosmtplib.SMTP) -> None:
        self._client = client

    async def deliver(self, mail: bytes) -> None:
        """Hand the mail over. Raises ``RefusedError`` when the server says no, ``UnansweredError`` when it says nothing."""
        try:
            await self._client.data(mail)
        except aiosmtplib.SMTPResponseException as error:
            raise RefusedError(f"the mail server answered {error.code} to the mail itself") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise UnansweredError(
                f"the connection broke before the mail server answered ({type(error).__name__})"
            ) from None


class Gateway:
    """Opens sessions with one mail server; every answer has a time limit, in seconds."""

    def __init__(self, server: SmtpServer, *, sender: str, timeout_seconds: float) -> None:
        self._server = server
        self._sender = sender
        self._timeout = timeout_seconds

    @asynccontextmanager
    async def envelope(self, recipient: str) -> AsyncIterator[Envelope]:
        """Connect, log in, and name sender and recipient. Raises ``ServerDownError`` or ``RefusedError``."""
        client = aiosmtplib.SMTP(
            hostname=self._server.host,
            port=self._server.port,
            username=self._server.username,
            password=self._server.password,
            use_tls=self._server.use_tls,
            start_tls=self._server.start_tls,
            local_hostname=self._sender.partition("@")[2],
            timeout=self._timeout,
        )
        try:
            await self._greet(client)
            await self._address(client, recipient)
            yield Envelope(client)
        finally:
            if client.is_connected:
                with suppress(aiosmtplib.SMTPException, OSError):
                    await client.quit(timeout=min(self._timeout, 5))
            client.close()

    async def _greet(self, client: aiosmtplib.SMTP) -> None:
        try:
            await client.connect()
        except aiosmtplib.SMTPAuthenticationError as error:
            raise ServerDownError(
                f"the mail server refuses the user or password of SEATKEEPER_SMTP_URL (answer {error.code})"
            ) from None
        except aiosmtplib.SMTPResponseException as error:
            raise ServerDownError(f"the mail server turns us away (answer {error.code})") from None
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise ServerDownError(
                f"the mail server cannot be used ({type(error).__name__}); check SEATKEEPER_SMTP_URL and the network"
            ) from None

    async def _address(self, client: aiosmtplib.SMTP, recipient: str) -> None:
        stage = "the sender address (SEATKEEPER_NOTIFIER_SENDER)"
        try:
            await client.mail(self._sender)
            stage = "the Notification Email"
            await client.rcpt(recipient)
        except aiosmtplib.SMTPResponseException as error:
            if error.code == _CLOSING:
                raise ServerDownError("the mail server closes the session (answer 421)") from None
            raise RefusedError(f"the mail server answered {error.code} to {stage}") from None
        except (aiosmtplib.SMTPException, OSError) as error:
            raise ServerDownError(f"the connection to the mail server broke ({type(error).__name__})") from None
