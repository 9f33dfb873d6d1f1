"""The watcher's HTTP client, which also notes what the oracles need: tokens, addresses, and requests that came too early."""

import time
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import orjson

from services.assignment_watcher.graph.retries import LONGEST_WAIT_SECONDS, Patience
from shared.runtime.http import Answer, HttpClient

PATIENCE = Patience(tries=4, seconds=0.5, first_wait_seconds=0.002)


class WatchedHttp(HttpClient):
    """``early``: requests of Graph sent while a Retry-After of Graph was running; ``hosts``: where bearer tokens went."""

    def __init__(self) -> None:
        super().__init__("microsoft-graph", allow_insecure_loopback=True)
        self.early: list[str] = []
        self.hosts: set[str] = set()
        self.tokens: set[str] = set()
        self.sent = 0
        self._until = 0.0

    async def request(self, method: str, url: str, **more: Any) -> Answer:
        graph = not url.endswith("/token") and "/.well-known/" not in url
        if graph:
            self.sent += 1
            bearer = (more.get("headers") or {}).get("Authorization", "").removeprefix("Bearer ")
            if bearer:
                self.tokens.add(bearer)
                self.hosts.add(urlsplit(url).netloc)
            if time.monotonic() < self._until:
                self.early.append(f"{method} {urlsplit(url).path}")
        answer = await super().request(method, url, **more)
        if graph:
            self._announced(answer.headers)
            for inner in _inner(url, answer.body):
                self._announced(inner)
        return answer

    def _announced(self, headers: Any) -> None:
        seconds = wished(headers.get("Retry-After"), headers.get("Date"))
        if seconds:
            # What is beyond the longest wait is taken for a mistake; a hair of tolerance for the clock itself.
            self._until = max(self._until, time.monotonic() + min(seconds, LONGEST_WAIT_SECONDS) - 0.001)


def _inner(url: str, body: bytes) -> list[dict[str, str]]:
    if not url.endswith("/$batch"):
        return []
    try:
        answers = orjson.loads(body)["responses"]
    except (orjson.JSONDecodeError, KeyError, TypeError):
        return []
    return [one.get("headers") or {} for one in answers if one["status"] == 429]


def wished(value: str | None, date: str | None) -> float:
    """The seconds that a Retry-After asks for; 0 for what is none."""
    if value is None:
        return 0.0
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        due = parsedate_to_datetime(value)
        now = parsedate_to_datetime(date) if date else datetime.now(UTC)
    except ValueError:
        return 0.0
    return max(0.0, (due - now).total_seconds())
