"""The outermost layer of the web application: it limits what comes in, and puts the security
headers on everything that goes out.
"""

from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from shared.runtime.log import logger

_log = logger(__name__)

MOST_BODY_BYTES: Final = 262_144
MOST_SCHEMA_BYTES: Final = 2_097_152
"""A schema as Entra exports it lists every attribute of two directories."""
_HEADERS: Final = (
    (
        b"content-security-policy",
        b"default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    ),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"strict-transport-security", b"max-age=31536000"),
    (b"cache-control", b"no-store"),
)
"""OWASP ASVS 5.0, section 3.4. Nothing is cached: pages and answers hold people."""


class Edge:
    """Wraps the application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        received = 0
        most = MOST_SCHEMA_BYTES if scope["path"].endswith(("/schema", "/preview")) else MOST_BODY_BYTES

        async def limited() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413)
            return message

        async def secured(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: list[Any] = message.setdefault("headers", [])
                present = {name.lower() for name, _ in headers}
                headers.extend(pair for pair in _HEADERS if pair[0] not in present)
            await send(message)

        try:
            await self._app(scope, limited, secured)
        except Exception as error:  # noqa: BLE001 - the client has its problem details; what is left is to say where it happened
            _log.error("request failed", action="request_failed", method=scope["method"], exc_info=error)
