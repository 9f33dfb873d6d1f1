"""Keeping the subscriptions of one job: make them, renew them at half their life, make them anew, end them. Polls never wait for it."""

import secrets
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from prometheus_client import Counter

from services.assignment_watcher.graph.refusals import NotFoundError
from services.assignment_watcher.notifications import store, subscriptions
from services.assignment_watcher.notifications.judging import digest_of
from services.assignment_watcher.notifications.planning import (
    LIFETIME,
    Kept,
    Plan,
    Step,
    Wanted,
    advice,
    granted_until,
    plan,
    retry_after_failures,
)
from services.assignment_watcher.notifications.subscriptions import GraphRequests
from services.assignment_watcher.sources.source import SourceError, SourceRefusedError, Stream
from shared.runtime.database import Connection
from shared.runtime.frame import Frame
from shared.runtime.leases import Lease
from shared.runtime.log import logger

_log = logger(__name__)
_STEPS = Counter(
    "seatkeeper_subscription_steps_total", "Steps with subscriptions at Microsoft Graph.", ["step", "result"]
)

MOST_STEPS: Final = 8
"""Steps of one subscription in one go: far more than any plan takes."""

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time."""
    return datetime.now(UTC)


class Keeper:
    """The two subscriptions of one job, under its lease. ``graph`` may be missing when nothing can be asked any more."""

    def __init__(
        self, frame: Frame, job_id: str, graph: GraphRequests | None, lease: Lease, *, now: Clock = utc_now
    ) -> None:
        self._frame = frame
        self._job_id = job_id
        self._graph = graph
        self._lease = lease
        self._now = now

    async def bring(self, wanted: Wanted | None) -> datetime | None:
        """Bring both subscriptions to where they should be, and return when to look again; nothing: when something changes.

        What Microsoft Graph refuses is noted and tried again later. Raises ``LeaseLostError``, and what PostgreSQL raises.
        """
        times = [at for stream in Stream if (at := await self._bring(stream, wanted)) is not None]
        return min(times) if times else None

    async def _bring(self, stream: Stream, wanted: Wanted | None) -> datetime | None:
        for _ in range(MOST_STEPS):
            async with self._frame.connection() as connection:
                kept = (await store.load(connection, self._job_id)).get(stream)
            now = self._now()
            planned = plan(kept, wanted, now)
            if planned.step is Step.REST:
                return planned.look_at
            self._lease.check()
            try:
                await self._take(stream, kept, wanted, planned)
            except SourceError as error:
                await self._fail(stream, planned, error)
            else:
                _STEPS.labels(planned.step.value, "done").inc()
                _log.info(
                    "subscription", action=planned.step.value, job_id=self._job_id, stream=stream, reason=planned.reason
                )
        return self._now() + timedelta(minutes=1)

    async def _take(self, stream: Stream, kept: Kept | None, wanted: Wanted | None, planned: Plan) -> None:
        if planned.step is Step.CREATE:
            assert wanted is not None
            await self._create(stream, wanted)
            return
        assert kept is not None
        if planned.step is not Step.FORGET and self._graph is not None and kept.subscription_id is not None:
            try:
                await self._ask(planned.step, stream, kept, self._graph, kept.subscription_id)
                return
            except NotFoundError:
                _log.info("subscription is gone", action="subscription_gone", job_id=self._job_id, stream=stream)
        await self._write(lambda connection: store.forget(connection, self._job_id, stream))

    async def _ask(self, step: Step, stream: Stream, kept: Kept, graph: GraphRequests, subscription_id: str) -> None:
        now = self._now()
        match step:
            case Step.RENEW:
                answer = await subscriptions.renew(graph, subscription_id, now + LIFETIME)
                until = granted_until(now + LIFETIME, answer.get("expirationDateTime"), now)
                await self._write(
                    lambda connection: store.confirm(
                        connection, self._job_id, stream, subscription_id, now=now, until=until
                    )
                )
            case Step.REAUTHORIZE:
                await subscriptions.reauthorize(graph, subscription_id)
                assert kept.expires_at is not None
                renewed_at, until = kept.renewed_at, kept.expires_at
                await self._write(
                    lambda connection: store.confirm(
                        connection, self._job_id, stream, subscription_id, now=renewed_at, until=until
                    )
                )
            case _:
                await subscriptions.delete(graph, subscription_id)
                await self._write(lambda connection: store.forget(connection, self._job_id, stream))

    async def _create(self, stream: Stream, wanted: Wanted) -> None:
        assert self._graph is not None
        client_state = secrets.token_urlsafe(48)
        now = self._now()
        await self._write(
            lambda connection: store.ask(
                connection, self._job_id, stream, wanted, digest=digest_of(client_state), now=now
            )
        )
        answer = await subscriptions.create(self._graph, stream, wanted.address, client_state, now + LIFETIME)
        made = answer.get("id")
        if not isinstance(made, str) or not made:
            raise SourceRefusedError("Microsoft Graph answered a subscription without its id")
        until = granted_until(now + LIFETIME, answer.get("expirationDateTime"), now)
        await self._write(
            lambda connection: store.confirm(connection, self._job_id, stream, made, now=now, until=until)
        )
        await self._clear(self._graph, stream, wanted, made)

    async def _clear(self, graph: GraphRequests, stream: Stream, wanted: Wanted, made: str) -> None:
        """End what tries left behind whose answer did not arrive: they would count against the quota until they end by themselves."""
        try:
            for other in await subscriptions.find_others(graph, stream, wanted.address, made):
                await subscriptions.delete(graph, other)
        except (SourceError, NotFoundError) as error:
            _log.info(
                "subscriptions not cleared", action="clear", job_id=self._job_id, stream=stream, reason=str(error)
            )

    async def _fail(self, stream: Stream, planned: Plan, error: SourceError) -> None:
        _STEPS.labels(planned.step.value, "failed").inc()
        problem = f"{error}; {advice(planned.step, error.failure.http_status)}"
        _log.warning(
            "subscription step failed",
            action=f"{planned.step.value}_failed",
            job_id=self._job_id,
            stream=stream,
            reason=problem,
        )
        if planned.step is Step.DELETE and isinstance(error, SourceRefusedError):
            # Without a right to ask, nothing can be ended; it ends by itself.
            await self._write(lambda connection: store.forget(connection, self._job_id, stream))
            return
        now = self._now()

        async def note(connection: Connection) -> None:
            kept = (await store.load(connection, self._job_id)).get(stream)
            failures = (kept.failures if kept else 0) + 1
            await store.fail(
                connection,
                self._job_id,
                stream,
                failures=failures,
                retry_at=now + retry_after_failures(failures),
                problem=problem,
            )

        await self._write(note)

    async def _write(self, write: Callable[[Connection], Awaitable[None]]) -> None:
        """Write under the lease: two processes never both believe that a row is theirs."""
        async with self._frame.transaction() as tx:
            await write(tx.connection)
            await self._lease.fence(tx.connection)
