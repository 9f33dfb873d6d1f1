"""Tokens through MSAL for Python, Microsoft's library for the Microsoft identity platform.

It is blocking, so it runs in a thread; its requests come back to the event loop and go out by the one HTTP client, with its limits.
"""

import asyncio
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from services.assignment_watcher.graph.answers import same_origin
from services.assignment_watcher.graph.tokens.credentials import Credential
from services.assignment_watcher.graph.tokens.plain import granted
from services.assignment_watcher.graph.tokens.provider import Granted
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.http import AddressRefusedError, Answer, HttpClient

LOGIN_HOSTS: Final = (
    frozenset({"login.microsoftonline.com", "login.microsoft.com", "login.windows.net"}),
    frozenset({"login.microsoftonline.us", "login.usgovcloudapi.net"}),
    frozenset({"login.chinacloudapi.cn", "login.partner.microsoftonline.cn"}),
)
"""Names of the login service of one cloud: the discovery document of one may name another."""


class MsalTokenRequest:
    """Asks for tokens with any credential. Keeps the ``TokenRequest`` protocol."""

    def __init__(self, source: MicrosoftGraphSource, credential: Credential, *, http: HttpClient) -> None:
        self._root = source.login_root.rstrip("/")
        self._authority = f"{self._root}/{quote(source.tenant_id, safe='')}"
        self._client_id = source.client_id
        self._scope = f"{source.graph_root.rstrip('/')}/.default"
        self._credential = credential
        self._http = http

    async def ask(self, claims: str | None) -> Granted | Answer:
        """Ask once: the discovery document of the tenant, then the token."""
        wire = _Wire(self._http, self._root, asyncio.get_running_loop())
        token = await asyncio.to_thread(self._acquire, wire, claims)
        if token is not None:
            return token
        if wire.last is None:
            raise AddressRefusedError("MSAL did not ask the login root for a token", maybe_done=False)
        return wire.last

    def _acquire(self, wire: "_Wire", claims: str | None) -> Granted | None:
        # Imported here: it costs 24 MiB and half a second, which a watcher of snapshots or of a simulator need not pay.
        import msal  # noqa: PLC0415

        try:
            client = msal.ConfidentialClientApplication(
                self._client_id,
                client_credential=self._credential.for_msal(),
                authority=self._authority,
                http_client=wire,
                instance_discovery=False,
            )
            client.acquire_token_for_client([self._scope], claims_challenge=claims)
        except (ValueError, KeyError, TypeError, RuntimeError, msal.exceptions.MsalError):
            # What MSAL makes of an answer it did not expect; the answer itself is judged by the caller.
            return None
        return granted(wire.last) if wire.last is not None else None


class _Response:
    """An answer as MSAL reads it."""

    def __init__(self, answer: Answer) -> None:
        self.status_code = answer.status
        self.text = answer.body.decode("utf-8", "replace")
        self.headers = dict(answer.headers)

    def raise_for_status(self) -> None:
        """Do nothing: whatever the status, MSAL reads the body, and the caller judges both."""


class _Wire:
    """The HTTP client as MSAL calls it from its thread. ``last`` is the newest answer."""

    def __init__(self, http: HttpClient, root: str, loop: asyncio.AbstractEventLoop) -> None:
        self._http = http
        self._root = root
        self._loop = loop
        self.last: Answer | None = None

    def get(
        self, url: str, params: Mapping[str, str] | None = None, headers: Mapping[str, str] | None = None, **_: Any
    ) -> _Response:
        """Send a GET."""
        return self._send("GET", f"{url}?{urlencode(params)}" if params else url, headers or {}, None)

    def post(
        self,
        url: str,
        params: Mapping[str, str] | None = None,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        **_: Any,
    ) -> _Response:
        """Send a form."""
        form = urlencode({name: value for name, value in (data or {}).items() if value is not None}).encode()
        sent = {"Content-Type": "application/x-www-form-urlencoded", **(headers or {})}
        return self._send("POST", f"{url}?{urlencode(params)}" if params else url, sent, form)

    def close(self) -> None:
        """Do nothing: the client is not MSAL's own."""

    def _send(self, method: str, url: str, headers: Mapping[str, str], body: bytes | None) -> _Response:
        if not _same_cloud(self._root, url):
            raise AddressRefusedError(
                "the login root names a token endpoint at another host; the client credential is not sent there",
                maybe_done=False,
            )
        asking = self._http.request(method, url, headers=headers, body=body)
        self.last = None
        self.last = asyncio.run_coroutine_threadsafe(asking, self._loop).result()
        return _Response(self.last)


def _same_cloud(root: str, url: str) -> bool:
    if same_origin(root, url):
        return True
    try:
        hosts, ports = {urlsplit(root).hostname, urlsplit(url).hostname}, {urlsplit(root).port, urlsplit(url).port}
    except ValueError:
        return False
    return url.startswith("https://") and ports <= {None, 443} and any(hosts <= known for known in LOGIN_HOSTS)
