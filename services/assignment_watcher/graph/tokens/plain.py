"""The token request in its plainest form ("OAuth 2.0 client credentials flow"), for a login root on this machine without TLS.

Microsoft's libraries refuse an authority that is not https; for loopback addresses alone, and only when that was allowed, the HTTP client
sends this request instead.
"""

from urllib.parse import quote, urlencode

import orjson

from services.assignment_watcher.graph.tokens.credentials import Credential
from services.assignment_watcher.graph.tokens.provider import Granted
from shared.contracts.job import MicrosoftGraphSource
from shared.runtime.http import Answer, HttpClient


class PlainTokenRequest:
    """Asks for tokens with any credential. Keeps the ``TokenRequest`` protocol."""

    def __init__(self, source: MicrosoftGraphSource, credential: Credential, *, http: HttpClient) -> None:
        self._url = f"{source.login_root.rstrip('/')}/{quote(source.tenant_id, safe='')}/oauth2/v2.0/token"
        self._client_id = source.client_id
        self._scope = f"{source.graph_root.rstrip('/')}/.default"
        self._credential = credential
        self._http = http

    async def ask(self, claims: str | None) -> Granted | Answer:
        """Ask once."""
        form = {
            "grant_type": "client_credentials",
            "client_id": self._client_id,
            "scope": self._scope,
            **self._credential.form(self._client_id, self._url),
            **({"claims": claims} if claims else {}),
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "application/json"}
        answer = await self._http.request("POST", self._url, headers=headers, body=urlencode(form).encode())
        return granted(answer) or answer


def granted(answer: Answer) -> Granted | None:
    """Return the token of an answer, if it holds one."""
    if answer.status != 200:
        return None
    try:
        content = orjson.loads(answer.body)
        token, seconds = content["access_token"], float(content["expires_in"])
    except (orjson.JSONDecodeError, KeyError, TypeError, ValueError):
        return None
    return Granted(token=token, seconds=seconds) if isinstance(token, str) and token and seconds > 0 else None
