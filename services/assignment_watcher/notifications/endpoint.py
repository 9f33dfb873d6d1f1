"""The notification endpoint: a small web server of its own. It compares, wakes, and answers; it never asks anybody anything first."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from aiohttp import web
from prometheus_client import Counter, Histogram

from services.assignment_watcher.notifications.hints import Hints
from services.assignment_watcher.notifications.judging import Judged, echo, judge
from services.assignment_watcher.notifications.known import Known
from shared.runtime.errors import StartRefusedError

_REQUESTS = Counter(
    "seatkeeper_notification_requests_total", "Requests to the notification endpoint by what they were.", ["result"]
)
_ITEMS = Counter("seatkeeper_notification_items_total", "Items of notification bodies by what they were.", ["result"])
_SECONDS = Histogram(
    "seatkeeper_notification_answer_seconds",
    "Seconds until the notification endpoint answered; over 2.9 Microsoft Graph calls it slow.",
    buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 1, 2.9),
)

LARGEST_BODY: Final = 1_000_000
BODY_SECONDS: Final = 5.0
MOST_WAITING: Final = 200
"""Requests that may wait for digests to be read again; more are judged by what is known."""
HEADERS: Final = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


class Endpoint:
    """Answers ``POST /…/{job id}``: a handshake (it has ``validationToken``) or notifications, lifecycle notifications among them."""

    def __init__(self, known: Known, hints: Hints) -> None:
        self._known = known
        self._hints = hints
        self._waiting = 0

    async def answer(self, request: web.Request) -> web.Response:
        """Answer one request. Whatever has no right to say anything gets the same 202 as what has."""
        with _SECONDS.time():
            job_id = request.path.rstrip("/").rpartition("/")[2]
            if "validationToken" in request.query:
                result, response = await self._shake_hands(request, job_id)
            else:
                result, response = await self._take(request, job_id)
        _REQUESTS.labels(result).inc()
        return response

    async def _shake_hands(self, request: web.Request, job_id: str) -> tuple[str, web.Response]:
        if not self._known.of(job_id):
            await self._refresh()
        tokens = request.query.getall("validationToken")
        body = echo(tokens[0]) if len(tokens) == 1 else None
        if body is None:
            return "malformed", _refuse(400)
        if not self._known.of(job_id):
            return "unexpected", _refuse(404)
        return "handshake", web.Response(text=body, content_type="text/plain", charset="utf-8", headers=HEADERS)

    async def _take(self, request: web.Request, job_id: str) -> tuple[str, web.Response]:
        if request.content_type != "application/json":
            return "content_type", _refuse(415)
        try:
            async with asyncio.timeout(BODY_SECONDS):
                body = await request.read()
        except web.HTTPRequestEntityTooLarge:
            return "too_large", _refuse(413)
        except TimeoutError:
            return "slow", _refuse(408)
        judged = judge(body, self._known.of(job_id))
        if judged is not None and judged.foreign:
            await self._refresh()
            judged = judge(body, self._known.of(job_id))
        if judged is None:
            return "malformed", _refuse(400)
        self._hints.tell(job_id, hint=judged.hint, wishes=judged.wishes)
        _count(judged)
        return "taken" if judged.genuine else "dropped", web.Response(status=202, headers=HEADERS)

    async def _refresh(self) -> None:
        if self._waiting >= MOST_WAITING:
            return
        self._waiting += 1
        try:
            await self._known.refresh()
        finally:
            self._waiting -= 1


def _count(judged: Judged) -> None:
    _ITEMS.labels("genuine").inc(judged.genuine)
    _ITEMS.labels("foreign").inc(judged.foreign)
    _ITEMS.labels("ignored").inc(judged.ignored)


def _refuse(status: int) -> web.Response:
    return web.Response(status=status, headers=HEADERS)


@asynccontextmanager
async def serving(endpoint: Endpoint, host: str, port: int) -> AsyncIterator[int]:
    """Serve while the block runs and yield the port. Raises ``StartRefusedError`` when it cannot be opened."""
    app = web.Application(client_max_size=LARGEST_BODY)
    app.router.add_post("/{path:.+}", endpoint.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1, keepalive_timeout=60)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise StartRefusedError(
            f"SEATKEEPER_ASSIGNMENT_WATCHER_NOTIFICATION_PORT: {host}:{port} cannot be opened ({error.strerror}); choose "
            "another port or end what holds it."
        ) from None
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()
