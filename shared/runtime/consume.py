"""The only consumer loop: a batch of records becomes one transaction, and only then the Kafka offset moves on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from opentelemetry.trace import SpanKind
from prometheus_client import Counter, Histogram

from shared.contracts.message import Message
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.deadletters import bury
from shared.runtime.decode import Record, Unreadable, decode
from shared.runtime.errors import JobUnknownError, WaitError
from shared.runtime.frame import Frame
from shared.runtime.jobs import QUERIES
from shared.runtime.log import logger
from shared.runtime.telemetry import span
from shared.runtime.transaction import Received, Transaction

_log = logger(__name__)
_CONSUMED = Counter("seatkeeper_consumed_total", "Messages handled.", ["type"])
_REPEATED = Counter("seatkeeper_repeated_total", "Messages passed over because they were handled before.")
_SECONDS = Histogram("seatkeeper_batch_seconds", "Seconds for one batch, from its arrival to its commit.")
_RECORDS = Histogram("seatkeeper_batch_records", "Records in one batch.", buckets=(1, 5, 20, 50, 100, 200, 500, 1000))

FIRST_WAIT_SECONDS = 0.05
LONGEST_WAIT_SECONDS = 5.0
HELD_SECONDS = 120.0
"""Well inside max.poll.interval (300 s): after that the batch is handed back to Kafka and comes again."""

PASSING_ERRORS: tuple[type[BaseException], ...] = (WaitError, *TRANSIENT_ERRORS)

Handler = Callable[[Transaction, Sequence[Received[Any]]], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """A message type and the handler of its batches. The handler may be called again with the same messages after a crash: what it did
    before was rolled back.
    """

    message: type[Message]
    handler: Handler


@dataclass(frozen=True, slots=True, kw_only=True)
class _Patience:
    """Until when (monotonic seconds) a batch waits for a job's definition, and when it is handed back to Kafka."""

    job_unknown_until: float
    hand_back_at: float


class BatchConsumer:
    """Handles batches for one consumer group. An instance never handles two batches at once."""

    def __init__(self, frame: Frame, name: str, subscriptions: Sequence[Subscription]) -> None:
        self._frame = frame
        self.name = name
        self._subscriptions = subscriptions
        self.settings = frame.settings
        self._handled = {subscription.message.type: subscription.message for subscription in subscriptions}

    async def handle(self, records: Sequence[Record]) -> None:
        """Handle a batch to its end: committed, or dead-lettered, or still waiting (then the exception hands it back to Kafka)."""
        began = time.monotonic()
        messages, unreadable = decode(records, self._handled)
        _RECORDS.observe(len(records))
        if messages or unreadable:
            with span(
                f"{self.name} process",
                kind=SpanKind.CONSUMER,
                causes=[received.envelope.traceparent for received, _ in messages],
                attributes={"messaging.system": "kafka", "messaging.batch.message_count": len(records)},
            ):
                patience = _Patience(
                    job_unknown_until=began + self.settings.unknown_job_wait_seconds, hand_back_at=began + HELD_SECONDS
                )
                await self._settle(messages, unreadable, patience)
        _SECONDS.observe(time.monotonic() - began)

    async def _settle(
        self, messages: list[tuple[Received[Any], Any]], unreadable: list[Unreadable], patience: "_Patience"
    ) -> None:
        wait = FIRST_WAIT_SECONDS
        while True:
            self._frame.health.beat(self.name)
            try:
                await self._commit([received for received, _ in messages], unreadable)
            except PASSING_ERRORS as error:
                if isinstance(error, JobUnknownError) and time.monotonic() > patience.job_unknown_until:
                    await self._isolate(messages, unreadable, error, patience)
                    return
                self._wait(error)
                if time.monotonic() + wait > patience.hand_back_at or self._frame.stopping.is_set():
                    raise
                await asyncio.sleep(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            except Exception as error:  # noqa: BLE001 - a message that cannot be handled must not stop the ones behind it
                await self._isolate(messages, unreadable, error, patience)
                return
            else:
                self._frame.health.arrived(self.name)
                return

    def _wait(self, error: BaseException) -> None:
        reason = str(error) if isinstance(error, WaitError) else f"PostgreSQL does not answer ({type(error).__name__})"
        self._frame.health.wait_for(self.name, reason)

    async def _isolate(
        self,
        messages: list[tuple[Received[Any], Any]],
        unreadable: list[Unreadable],
        error: Exception,
        patience: "_Patience",
    ) -> None:
        """Halve the batch until the message that cannot be handled stands alone; it alone is dead-lettered."""
        if len(messages) == 1:
            reason = str(error) if isinstance(error, WaitError) else f"the handler failed with {type(error).__name__}"
            _log.error("message cannot be handled", action="dead_letter", exc_info=error)
            record = messages[0][1]
            await self._settle([], [*unreadable, Unreadable(record=record, reason=reason)], patience)
            return
        middle = len(messages) // 2
        await self._settle(messages[:middle], unreadable, patience)
        await self._settle(messages[middle:], [], patience)

    async def _commit(self, messages: list[Received[Any]], unreadable: list[Unreadable]) -> None:
        async with self._frame.transaction() as tx:
            fresh = await self._fresh(tx, messages)
            for subscription in self._subscriptions:
                batch = [received for received in fresh if type(received.message) is subscription.message]
                if batch:
                    await subscription.handler(tx, batch)
                    _CONSUMED.labels(subscription.message.type).inc(len(batch))
            await bury(tx, self._frame.name, unreadable, limit=self._frame.settings.dead_letters_per_hour)
            await tx.flush()
            crash_point("consume.before_commit")
        crash_point("consume.after_commit")
        self._frame.outbox_filled.set()

    async def _fresh(self, tx: Transaction, messages: list[Received[Any]]) -> list[Received[Any]]:
        """Return the messages that were not handled before, each once, in order of arrival."""
        ids = [received.envelope.id for received in messages]
        new = {row["event_id"] for row in await tx.connection.fetch(QUERIES.remember_events, ids)} if ids else set()
        fresh = []
        for received in messages:
            if received.envelope.id in new:
                new.discard(received.envelope.id)
                fresh.append(received)
        _REPEATED.inc(len(messages) - len(fresh))
        return fresh
