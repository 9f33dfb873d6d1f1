"""The one relay of a service: the only publisher. It takes outbox rows in order, publishes them, and deletes them with the same commit."""

import asyncio
from collections import Counter as Tally
from collections.abc import Awaitable, Sequence
from operator import itemgetter
from typing import Any

import orjson
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError, UnknownTopicOrPartitionError
from prometheus_client import Counter, Gauge

from shared.contracts.ids import partition_of
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import TRANSIENT_ERRORS, Connection
from shared.runtime.frame import Frame
from shared.runtime.jobs import QUERIES
from shared.runtime.kafka import connection_options
from shared.runtime.log import logger
from shared.runtime.wakeups import any_set

_log = logger(__name__)
_PUBLISHED = Counter("seatkeeper_published_total", "Records published.", ["topic"])
_ROWS = Gauge("seatkeeper_outbox_rows", "Records that wait to be published.")
_OLDEST = Gauge("seatkeeper_outbox_oldest_seconds", "Age of the oldest record that waits to be published.")

IDLE_SECONDS = 1.0
LOOP = "relay"


class Relay:
    """Publishes the outbox of one service. Of all processes of the service, the one with the advisory lock does it."""

    def __init__(self, frame: Frame) -> None:
        self._frame = frame
        self._producer: Any = None
        self._wake = frame.outbox_filled

    async def run(self) -> None:
        """Publish until the service stops and the outbox is empty; wait, and say so, while Kafka or PostgreSQL is away."""
        wait = 0.1
        while not self._frame.stopping.is_set():
            self._frame.health.beat(LOOP)
            try:
                await self._publish_while_locked()
                wait = 0.1
            except KafkaError as error:
                self._frame.health.wait_for(LOOP, f"Kafka does not take records ({type(error).__name__})")
            except TRANSIENT_ERRORS as error:
                self._frame.health.wait_for(LOOP, f"the outbox cannot be published ({type(error).__name__})")
            except Exception as error:  # noqa: BLE001 - a connection that dies fails in many ways, and without its relay a service is mute
                _log.error("relay failed", action="loop_failed", exc_info=error)
                self._frame.health.wait_for(LOOP, f"the outbox cannot be published ({type(error).__name__})")
            await self._frame.pause(wait)
            wait = min(wait * 2, 2.0)
        self._frame.health.finished(LOOP)

    async def close(self) -> None:
        """Stop the producer."""
        if self._producer is not None:
            await self._producer.stop()

    async def _publish_while_locked(self) -> None:
        async with self._frame.database.dedicated() as listener:
            if not await listener.fetchval(
                "SELECT pg_try_advisory_lock(hashtextextended($1, 0))", f"seatkeeper-relay-{self._frame.name}"
            ):
                await self._frame.pause(IDLE_SECONDS)
                return
            await listener.add_listener(f"{self._frame.name}-outbox", lambda *_: self._wake.set())
            await self._start_producer()
            while True:
                self._frame.health.beat(LOOP)
                self._wake.clear()
                if await self._publish_some():
                    self._frame.health.arrived(LOOP)
                    continue
                self._frame.health.arrived(LOOP)
                if self._frame.stopping.is_set():
                    return
                await self._idle(listener)

    async def _idle(self, listener: Connection) -> None:
        if not await any_set(self._frame.stopping, self._wake, within=IDLE_SECONDS):
            row = await listener.fetchrow(QUERIES.measure_outbox)
            _ROWS.set(row["rows"])
            _OLDEST.set(row["oldest_seconds"])

    async def _start_producer(self) -> None:
        if self._producer is None:
            producer = AIOKafkaProducer(
                enable_idempotence=True,
                compression_type="zstd",
                linger_ms=2,
                max_batch_size=262_144,
                max_request_size=2_000_000,
                request_timeout_ms=int(self._frame.settings.kafka_request_timeout_seconds * 1000),
                **connection_options(self._frame.settings, f"seatkeeper-{self._frame.name}-relay"),
            )
            try:
                await producer.start()
            except BaseException:
                await producer.stop()
                raise
            self._producer = producer

    async def _publish_some(self) -> int:
        """Publish one batch. The rows go with the commit after Kafka has them: a crash between repeats them with the same ids."""
        async with self._frame.connection() as connection, connection.transaction():
            rows = await connection.fetch(QUERIES.take_outbox, self._frame.settings.relay_batch_records)
            if not rows:
                return 0
            crash_point("relay.before_publish")
            # An idempotent aiokafka producer never gives a batch up; without this limit a broker that is away would hold the transaction.
            async with asyncio.timeout(self._frame.settings.kafka_request_timeout_seconds):
                await asyncio.gather(*[await sent for sent in await self._send(sorted(rows, key=itemgetter("id")))])
            crash_point("relay.after_publish")
        for topic, count in Tally(row["topic"] for row in rows).items():
            _PUBLISHED.labels(topic).inc(count)
        return len(rows)

    async def _send(self, rows: Sequence[Any]) -> "list[Awaitable[Awaitable[Any]]]":
        """Put rows into one record batch for each partition, in order, and return the batches as they are handed over.

        aiokafka's ``send`` costs several times as much for each record: a future, a hash in pure Python, and bookkeeping.
        """
        batches: dict[tuple[str, int], list[Any]] = {}
        for row in rows:
            topic, key = row["topic"], row["key"]
            partition = row["partition"]
            if partition is None:
                partition = partition_of(key or b"", len(await self._partitions(topic)))
            headers = [(name, value.encode()) for name, value in orjson.loads(row["headers"]).items()]
            record = {"key": key, "value": row["payload"], "headers": headers, "timestamp": None}
            builders = batches.setdefault((topic, partition), [])
            if not builders or builders[-1].append(**record) is None:
                builders.append(self._producer.create_batch())
                builders[-1].append(**record)
        return [
            self._producer.send_batch(builder, topic, partition=partition)
            for (topic, partition), builders in batches.items()
            for builder in builders
        ]

    async def _partitions(self, topic: str) -> set[int]:
        try:
            partitions: set[int] = await self._producer.partitions_for(topic)
        except UnknownTopicOrPartitionError:
            self._frame.health.wait_for(LOOP, f"topic {topic} is missing; run: seatkeeper topics")
            raise
        return partitions
