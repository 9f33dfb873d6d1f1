"""Delivery of change notifications and lifecycle events, with the retries and the impatience of the real service."""

import asyncio
import secrets
import time
from collections import Counter, deque
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import aiohttp
import orjson
from yarl import URL

from simulators.graph.changelog import Staged
from simulators.graph.entities import State
from simulators.graph.faults import NOTIFICATION_KINDS
from simulators.graph.instants import instant
from simulators.graph.subscriptions import Subscription, living, loopback

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

HANDSHAKE_SECONDS = 10.0
ANSWER_SECONDS = 10.0
SLOW_SECONDS = 2.9
WINDOW_SECONDS = 600.0
FEWEST_TO_JUDGE = 10
TRIED_SECONDS = 4 * 3600.0
MOST_IN_A_POST = 1000


@dataclass(slots=True, kw_only=True)
class Note:
    """One notification on its way to ``url``; ``due`` and ``begun`` are seconds of the simulated clock."""

    url: str
    key: tuple[str, ...]
    body: dict[str, Any]
    due: float
    begun: float
    tries: int = 0
    waits_for_another: bool = False


@dataclass(slots=True)
class Punctuality:
    """How a host answered lately: (when, whether it was slow)."""

    answers: deque[tuple[float, bool]] = field(default_factory=deque)

    def add(self, now: float, slow: bool) -> None:
        """Count one answer."""
        self.answers.append((now, slow))

    def share(self, now: float) -> float:
        """The share of slow answers in the last 10 minutes; 0 when there are too few to judge."""
        while self.answers and self.answers[0][0] < now - WINDOW_SECONDS:
            self.answers.popleft()
        few = len(self.answers) < FEWEST_TO_JUDGE
        return 0.0 if few else sum(slow for _, slow in self.answers) / len(self.answers)


class Notifier:
    """Tells subscribers. Runs a task of its own from the first change that somebody subscribed to until :meth:`close`."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self._queue: list[Note] = []
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._session: aiohttp.ClientSession | None = None
        self._hosts: dict[str, Punctuality] = {}
        self.counts: Counter[str] = Counter()
        self.reauthorized: list[str] = []

    async def shake_hands(self, url: str) -> str | None:
        """Ask ``url`` to give a token back; returns what was wrong with the answer."""
        token = f"Validation: Testing client application reachability for subscription Request-Id: {secrets.token_hex(8)}+/="
        asked = f"{url}{'&' if '?' in url else '?'}validationToken={quote(token, safe='')}"
        # A knob, because a test of a slow endpoint need not take as long as the real limit.
        limit = min(self._sim.knobs.handshake_seconds, HANDSHAKE_SECONDS)
        try:
            status, kind, body = await self._post(asked, b"", "text/plain; charset=utf-8", limit)
        except TimeoutError:
            return "The endpoint took too long to answer the validation request."
        except aiohttp.ClientError:
            return "The endpoint could not be reached."
        if status != 200 or kind != "text/plain" or body != token.encode():
            return "The endpoint must answer 200 OK with the decoded validationToken as text/plain."
        return None

    def changed(self, lsn: int, staged: Staged) -> None:
        """Queue notifications about what a transaction changed."""
        if not self._sim.subscriptions:
            return
        told = [("users", user_id, False) for user_id, _ in staged.users]
        told += [("groups", group_id, False) for group_id, _ in staged.groups]
        told += [("groups", group_id, True) for group_id, _, _ in staged.links]
        for kind, object_id, membership in dict.fromkeys(told):
            for one in living(self._sim).values():
                if one.kind == kind and one.object_id in (None, object_id) and (membership or not one.members_only):
                    self._tell(one, object_id, lsn)

    def lifecycle(self, event: str, only: str | None = None) -> int:
        """Queue a lifecycle event for each subscription with a lifecycle URL; "subscriptionRemoved" removes them first."""
        chosen = [one for one in living(self._sim).values() if only in (None, one.id)]
        for one in chosen:
            if event == "subscriptionRemoved":
                del self._sim.subscriptions[one.id]
            if one.lifecycle_url is not None:
                body = self._frame(one) | {"lifecycleEvent": event, "organizationId": self._sim.directory.tenant.id}
                self._enqueue(one.lifecycle_url, ("lifecycle", one.id, event), body, one.resource)
        return len(chosen)

    def forget(self) -> None:
        """Drop everything that is on its way."""
        self._queue.clear()

    def wake(self) -> None:
        """Look at the clock again: it was advanced."""
        self._wake.set()

    def as_json(self) -> dict[str, Any]:
        """Counts of posts, notifications, and what became of them."""
        return {**self.counts, "pending": len(self._queue), "reauthorized": list(self.reauthorized)}

    async def close(self) -> None:
        """End delivery."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._session is not None:
            await self._session.close()

    def _frame(self, one: Subscription) -> dict[str, Any]:
        return {
            "subscriptionId": one.id,
            "subscriptionExpirationDateTime": instant(None, one.expires),
            "clientState": one.client_state,
            "tenantId": self._sim.directory.tenant.id,
        }

    def _tell(self, one: Subscription, object_id: str, lsn: int) -> None:
        directory = self._sim.directory
        known: dict[str, Any] = directory.users if one.kind == "users" else directory.groups
        change = "deleted" if known[object_id].state is State.HARD else "updated"
        if change not in one.changes:
            return
        resource = f"{one.kind.capitalize()}/{object_id}"
        body = self._frame(one) | {
            "changeType": change,
            "resource": resource,
            "resourceData": {
                "@odata.type": f"#Microsoft.Graph.{one.kind[:-1].capitalize()}",
                "@odata.id": resource,
                "id": object_id,
                "organizationId": directory.tenant.id,
                "eventTime": instant(None, self._sim.clock.now()),
                "sequenceNumber": 638_000_000_000_000_000 + lsn,
            },
        }
        self._enqueue(one.notification_url, (one.id, change, object_id), body, resource)

    def _enqueue(self, url: str, key: tuple[str, ...], body: dict[str, Any], resource: str) -> None:
        now = self._sim.clock.now()
        note = Note(url=url, key=key, body=body, due=now + self._sim.knobs.notification_delay_ms / 1000, begun=now)
        fault = self._sim.faults.take(resource, method="NOTIFY", kinds=NOTIFICATION_KINDS)
        copies = 1
        match fault.kind if fault else None:
            case "notificationLost":
                copies = 0
                self.counts["lost"] += 1
            case "notificationDoubled":
                copies = 2
            case "notificationLate" if fault:
                note.due += fault.seconds
            case "notificationReordered" if fault:
                note.due += fault.seconds
                note.waits_for_another = True
            case "notificationWrongClientState":
                note.body["clientState"] = "not-the-client-state"
            case _ if any(
                other.key == key and not other.tries and not other.waits_for_another for other in self._queue
            ):
                copies = 0
                self.counts["coalesced"] += 1
        self._queue += [note] * copies
        if copies:
            self._wake.set()
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while True:
            now = self._sim.clock.now()
            due = [note for note in self._queue if note.due <= now]
            if not due:
                self._wake.clear()
                wait = min((note.due for note in self._queue), default=now + 3600) - now
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), wait)
                continue
            self._queue = [note for note in self._queue if note.due > now]
            by_url: dict[str, list[Note]] = {}
            for note in due:
                by_url.setdefault(note.url, []).append(note)
            for url, notes in by_url.items():
                for start in range(0, len(notes), MOST_IN_A_POST):
                    await self._deliver(url, notes[start : start + MOST_IN_A_POST])

    async def _deliver(self, url: str, notes: list[Note]) -> None:
        now = self._sim.clock.now()
        host = self._hosts.setdefault(urlsplit(url).netloc, Punctuality())
        share = host.share(now)
        if share >= 0.15:
            self.counts["dropped"] += len(notes)
            return
        if share >= 0.10 and not all(note.tries for note in notes):
            for note in notes:
                note.due, note.tries = now + WINDOW_SECONDS, note.tries + 1
            self._queue += notes
            return
        second = [note for place, note in enumerate(notes) if any(note is other for other in notes[:place])]
        first = [note for place, note in enumerate(notes) if not any(note is other for other in notes[:place])]
        for batch in filter(None, (first, second)):
            await self._send(url, batch, host)
        for waiting in self._queue:
            if waiting.waits_for_another:
                waiting.due, waiting.waits_for_another = self._sim.clock.now(), False

    async def _send(self, url: str, notes: list[Note], host: Punctuality) -> None:
        began = time.monotonic()
        self.counts["posts"] += 1
        try:
            body = orjson.dumps({"value": [note.body for note in notes]})
            status, _, _ = await self._post(url, body, "application/json", ANSWER_SECONDS)
        except (TimeoutError, aiohttp.ClientError):
            status = 0
        now = self._sim.clock.now()
        host.add(now, time.monotonic() - began > SLOW_SECONDS)
        if 200 <= status < 300:
            self.counts["delivered"] += len(notes)
            return
        self.counts["failedPosts"] += 1
        for note in notes:
            note.tries += 1
            note.due = now + self._sim.knobs.notification_retry_seconds * 2 ** min(note.tries - 1, 8)
            if now - note.begun < TRIED_SECONDS:
                self._queue.append(note)
            else:
                self.counts["dropped"] += 1

    async def _post(self, url: str, body: bytes, kind: str, limit: float) -> tuple[int, str, bytes]:
        if self._session is None:
            self._session = aiohttp.ClientSession()
        # The certificate of an endpoint on this machine is nobody's business.
        trust = not loopback(urlsplit(url).hostname or "")
        async with self._session.post(
            URL(url, encoded=True),
            data=body,
            headers={"Content-Type": kind},
            timeout=aiohttp.ClientTimeout(total=limit),
            ssl=trust,
            allow_redirects=False,
        ) as answer:
            return answer.status, answer.content_type, await answer.content.read(4096)
