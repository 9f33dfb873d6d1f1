"""The gateway to Microsoft Graph: one GET with its token, retried with bounded patience, judged, and parsed."""

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
from prometheus_client import Counter

from services.assignment_watcher.answers import Verdict, classify, error_code, retry_after, same_origin
from services.assignment_watcher.retries import Attempts, Gate, Patience
from services.assignment_watcher.sources.source import (
    RestartRoundError,
    ResyncError,
    SourceRefusedError,
    SourceUnavailableError,
)
from services.assignment_watcher.tokens import TokenProvider
from shared.runtime.http import AddressRefusedError, AnswerTooLargeError, HttpClient, HttpError
from shared.runtime.log import logger

_log = logger(__name__)
_REQUESTS = Counter("seatkeeper_graph_requests_total", "Requests to Microsoft Graph.", ["resource", "status"])


class NotFoundError(Exception):
    """Graph has no such object: it is gone, or not replicated yet."""


class Graph:
    """Reads from one Graph root with the tokens of one application. All its requests wait together when it is throttled."""

    def __init__(self, root: str, *, tokens: TokenProvider, http: HttpClient, gate: Gate, patience: Patience) -> None:
        self.root = root.rstrip("/")
        self._tokens = tokens
        self._http = http
        self._gate = gate
        self._patience = patience

    async def get(
        self, url: str, resource: str, *, delta_token: bool = False, page_token: bool = False
    ) -> tuple[bytes, dict[str, Any]]:
        """Return the body of the answer and what it holds; ``resource`` names it in metrics and errors.

        Raises ``SourceRefusedError``, ``SourceUnavailableError``, ``NotFoundError``, and for links ``ResyncError`` and
        ``RestartRoundError``.
        """
        if not same_origin(self.root, url):
            raise SourceUnavailableError(
                f"Microsoft Graph gave a link for {resource} to another host; it is not followed"
            )
        attempts = Attempts(self._patience, self._gate)
        refreshed = False
        while True:
            await attempts.begin()
            request_id = str(uuid4())
            headers = {
                "Authorization": f"Bearer {await self._tokens.token()}",
                "Accept": "application/json",
                "client-request-id": request_id,
            }
            status, asked, everybody = None, None, False
            try:
                answer = await self._http.request("GET", url, headers=headers)
            except (AddressRefusedError, AnswerTooLargeError) as error:
                raise SourceUnavailableError(str(error)) from None
            except HttpError as error:
                _REQUESTS.labels(resource, "none").inc()
                problem = str(error)
            else:
                status = answer.status
                _REQUESTS.labels(resource, str(status)).inc()
                verdict = classify(status, answer.body, delta_token=delta_token, page_token=page_token)
                if verdict is Verdict.OK:
                    if (content := _object(answer.body)) is not None:
                        return answer.body, content
                    problem = f"Microsoft Graph answered {resource} with something that is not a JSON object"
                else:
                    problem = f"Microsoft Graph answered {resource} with {status} {error_code(answer.body)}".rstrip()
                    if verdict is Verdict.REFRESH_TOKEN and not refreshed:
                        refreshed = True
                        self._tokens.forget()
                        continue
                    _raise(verdict, problem, status)
                    asked = retry_after(answer.headers.get("Retry-After"), datetime.now(UTC))
                    everybody = verdict is Verdict.WAIT
            _log.info(
                "request is tried again", action="retry", problem=problem, client_request_id=request_id, wait=asked
            )
            await attempts.wait(problem, status=status, asked=asked, everybody=everybody)


def _raise(verdict: Verdict, problem: str, status: int) -> None:
    match verdict:
        case Verdict.RESYNC:
            raise ResyncError(problem)
        case Verdict.RESTART_ROUND:
            raise RestartRoundError(problem)
        case Verdict.NOT_FOUND:
            raise NotFoundError(problem)
        case Verdict.REFUSED | Verdict.REFRESH_TOKEN:
            raise SourceRefusedError(problem, http_status=status)
        case Verdict.STOP:
            raise SourceUnavailableError(problem, http_status=status)
        case _:
            return


def _object(body: bytes) -> dict[str, Any] | None:
    try:
        content = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return content if isinstance(content, dict) else None
