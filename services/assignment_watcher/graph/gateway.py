"""The gateway to Microsoft Graph: one request with its token, retried with bounded patience, judged, and parsed."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar
from uuid import uuid4

import orjson
from opentelemetry import trace
from opentelemetry.trace import SpanKind
from prometheus_client import Counter

from services.assignment_watcher.graph.answers import (
    Verdict,
    claims_challenge,
    classify,
    error_code,
    retry_after,
    same_origin,
)
from services.assignment_watcher.graph.json_bodies import read_object
from services.assignment_watcher.graph.refusals import raise_for
from services.assignment_watcher.graph.retries import Attempts, Gate, Patience
from services.assignment_watcher.graph.tokens.provider import TokenProvider
from services.assignment_watcher.sources.source import SourceUnavailableError, Traffic
from shared.runtime.http import AddressRefusedError, Answer, AnswerTooLargeError, HttpClient, HttpError
from shared.runtime.log import logger
from shared.runtime.telemetry import span

_log = logger(__name__)
_REQUESTS = Counter("seatkeeper_graph_requests_total", "Requests to Microsoft Graph.", ["resource", "status"])

MOST_AT_ONCE: Final = 16
"""Requests under way to one peer: fewer than the connections of the pool, so that none waits there while the gate closes."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How something is asked for. ``kind`` names it in metrics, errors and counts, without any id.

    ``in_background`` lets Graph throttle it before everything else; ``eventual`` is for a count, an advanced query; ``tries`` is the most
    tries, where the patience of the source is too much.
    """

    kind: str
    in_background: bool = False
    eventual: bool = False
    tries: int | None = None

    def headers(self) -> dict[str, str]:
        """Return its headers: Graph does not carry them over from page to page."""
        headers = {"Accept": "text/plain" if self.eventual else "application/json"}
        if self.in_background:
            headers["x-ms-throttle-priority"] = "Low"
        if self.eventual:
            headers["ConsistencyLevel"] = "eventual"
        return headers


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A good answer: its body, the JSON object in it, and whether the request had to be repeated before it came."""

    body: bytes
    content: dict[str, Any]
    retried: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str
    url: str
    asked: Asked
    body: bytes | None = None
    delta_token: bool = False
    page_token: bool = False
    proven: bool = False


class Graph:
    """Reads from one Graph root with the tokens of one application. All its requests wait together when it is throttled.

    ``tokens`` says who asks. ``gate`` is shared by all that use the same application in the same tenant, ``slots`` by all of one pool.
    """

    def __init__(
        self,
        root: str,
        *,
        tokens: TokenProvider,
        http: HttpClient,
        gate: Gate,
        patience: Patience,
        slots: asyncio.Semaphore | None = None,
    ) -> None:
        self.root = root.rstrip("/")
        self.base = f"{self.root}/v1.0"
        self.traffic = Traffic()
        self.tokens = tokens
        self._http = http
        self._gate = gate
        self._patience = patience
        self._slots = slots or asyncio.Semaphore(MOST_AT_ONCE)

    async def read(
        self, url: str, asked: Asked, *, delta_token: bool = False, page_token: bool = False, proven: bool = False
    ) -> Reply:
        """Return the JSON object at ``url``; the flags are those of ``classify``.

        Raises ``SourceError``, ``NotFoundError``, and for links ``ResyncError`` and ``RestartRoundError``.
        """
        request = _Request(
            method="GET", url=url, asked=asked, delta_token=delta_token, page_token=page_token, proven=proven
        )
        (body, content), retried = await self._ask(request, read_object)
        return Reply(body=body, content=content, retried=retried)

    async def get(self, url: str, resource: str) -> tuple[bytes, dict[str, Any]]:
        """Return the body at ``url`` and the JSON object in it; raises as ``read`` does."""
        reply = await self.read(url, Asked(kind=resource))
        return reply.body, reply.content

    async def post(self, url: str, body: bytes, asked: Asked) -> dict[str, Any]:
        """Send a read that is a POST and return the JSON object that comes back; raises as ``read`` does."""
        (_, content), _ = await self._ask(_Request(method="POST", url=url, asked=asked, body=body), read_object)
        return content

    async def send(self, method: str, url: str, resource: str, body: Any = None) -> dict[str, Any]:
        """Send ``body`` as JSON and return the object that comes back, an empty one for no content; raises as ``read`` does.

        It is sent again like every other request: what must not be done twice has to be looked for by the caller.
        """
        content = None if body is None else orjson.dumps(body)
        request = _Request(method=method, url=url, asked=Asked(kind=resource), body=content)
        answer, _ = await self._ask(request, _object_or_nothing)
        return answer

    async def count(self, url: str, asked: Asked) -> int:
        """Return the plain number at ``url``; raises as ``read`` does."""
        number, _ = await self._ask(_Request(method="GET", url=url, asked=asked), _number)
        return number

    def attempts(self) -> Attempts:
        """Return new tries with the patience and the gate of this source."""
        return Attempts(self._patience, self._gate)

    def refuse(self, verdict: Verdict, kind: str, status: int, body: bytes) -> None:
        """Raise what ``verdict`` means for a read of ``kind``, unless it is to be tried again."""
        if verdict in {Verdict.REFUSED, Verdict.REFRESH_TOKEN}:
            # The next cycle begins with a new token: it may carry what was granted meanwhile.
            self.tokens.forget(None)
        raise_for(verdict, kind, status, body)

    async def _ask(self, request: _Request, read: Callable[[bytes], T | None]) -> tuple[T, bool]:
        """Return what ``read`` makes of the first good answer, and whether there were other answers before it."""
        kind = request.asked.kind
        if not same_origin(self.root, request.url):
            raise SourceUnavailableError(f"Microsoft Graph gave a link for {kind} to another host; it is not followed")
        patience = self._patience
        if request.asked.tries is not None:
            patience = replace(patience, tries=min(patience.tries, request.asked.tries))
        attempts = Attempts(patience, self._gate)
        refreshed, new_connection = False, False
        while True:
            attempts.made += 1
            request_id = str(uuid4())
            answer, problem = await self._send(request, attempts, request_id, new_connection=new_connection)
            status, asked, everybody = None, None, False
            if answer is not None:
                status = answer.status
                verdict = classify(
                    status,
                    answer.body,
                    delta_token=request.delta_token,
                    page_token=request.page_token,
                    proven=request.proven,
                )
                if verdict is Verdict.OK:
                    if (result := read(answer.body)) is not None:
                        return result, attempts.made > 1
                    problem = f"Microsoft Graph answered {kind} with something that is not what was asked for"
                else:
                    problem = f"Microsoft Graph answered {kind} with {status} {error_code(answer.body)}".rstrip()
                    if verdict is Verdict.REFRESH_TOKEN and not refreshed:
                        refreshed = True
                        self.tokens.forget(claims_challenge(answer.headers.get("WWW-Authenticate")))
                        continue
                    self.refuse(verdict, kind, status, answer.body)
                    asked = retry_after(answer.headers.get("Retry-After"), _now(answer))
                    everybody = verdict is Verdict.WAIT or asked is not None
                    self.traffic.throttled += status == 429
            new_connection = status in {503, 504}
            _log.info(
                "request is tried again",
                action="retry",
                problem=problem,
                resource=kind,
                client_request_id=request_id,
                request_id=_shown(answer, "request-id"),
                date=_shown(answer, "Date"),
                throttle=_shown(answer, "x-ms-throttle-information"),
                wait=asked,
            )
            await attempts.wait(problem, status=status, asked=asked, everybody=everybody)

    async def _send(
        self, request: _Request, attempts: Attempts, request_id: str, *, new_connection: bool
    ) -> tuple[Answer | None, str]:
        """Send it once, not before the gate is open; return the answer, or why there is none."""
        kind = request.asked.kind
        while True:
            self.traffic.waited_seconds += await attempts.pass_gate()
            token = await self.tokens.token()
            async with self._slots:
                if self._gate.remaining:
                    continue
                headers = request.asked.headers() | {
                    "Authorization": f"Bearer {token}",
                    "client-request-id": request_id,
                }
                if request.body is not None:
                    headers["Content-Type"] = "application/json"
                self.traffic.by_kind[kind] += 1
                with span(f"{request.method} {kind}", kind=SpanKind.CLIENT):
                    try:
                        answer = await self._http.request(
                            request.method,
                            request.url,
                            headers=headers,
                            body=request.body,
                            new_connection=new_connection,
                        )
                    except (AddressRefusedError, AnswerTooLargeError) as error:
                        raise SourceUnavailableError(str(error)) from None
                    except HttpError as error:
                        _REQUESTS.labels(kind, "none").inc()
                        return None, str(error)
                    trace.get_current_span().set_attribute("http.response.status_code", answer.status)
            _REQUESTS.labels(kind, str(answer.status)).inc()
            _log.debug(
                "request answered",
                resource=kind,
                status=answer.status,
                client_request_id=request_id,
                request_id=_shown(answer, "request-id"),
                date=_shown(answer, "Date"),
            )
            return answer, ""


def _now(answer: Answer) -> datetime:
    """Return the peer's own clock, by which it wrote the date of its Retry-After; ours when it does not say."""
    waited = retry_after(answer.headers.get("Date"), datetime.fromtimestamp(0, UTC))
    return datetime.fromtimestamp(waited, UTC) if waited else datetime.now(UTC)


def _shown(answer: Answer | None, name: str) -> str | None:
    value = answer.headers.get(name) if answer is not None else None
    return value[:80] if value is not None else None


def _object_or_nothing(body: bytes) -> dict[str, Any] | None:
    if not body:
        return {}
    found = read_object(body)
    return found[1] if found else None


def _number(body: bytes) -> int | None:
    text = body.decode("utf-8-sig", "replace").strip()
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None
