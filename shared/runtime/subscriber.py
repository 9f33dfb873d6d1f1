"""FastStream batch subscribers around ``BatchConsumer``: offsets are committed after the database commit, and only then."""

from collections.abc import Sequence
from typing import Any

from aiokafka import ConsumerRebalanceListener
from faststream import AckPolicy
from faststream.kafka import KafkaBroker
from faststream.kafka.message import KafkaAckableMessage

from shared.runtime.consume import BatchConsumer, Subscription
from shared.runtime.frame import Frame
from shared.runtime.kafka import connection_options

DRAIN_SECONDS = 25.0
"""Shorter than the rebalance timeout: time for the batch in flight, its commit included, before partitions move."""


CONTROL_WAIT_MILLISECONDS = 200
"""Job definitions change rarely; FastStream polls, and each poll of an idle topic costs as much as a busy one."""


class _Drain(ConsumerRebalanceListener):  # type: ignore[misc] # aiokafka is untyped
    """Lets the batch in flight end before its partitions go to another process."""

    def __init__(self) -> None:
        self.subscriber: Any = None

    async def on_partitions_revoked(self, revoked: Sequence[Any]) -> None:
        if revoked and self.subscriber is not None:
            await self.subscriber.lock.wait_release(DRAIN_SECONDS)

    async def on_partitions_assigned(self, assigned: Sequence[Any]) -> None:
        """Nothing to do: a partition starts at its committed offset, and the inbox knows what was handled after it."""


def build_broker(frame: Frame, subscriptions: Sequence[Subscription]) -> KafkaBroker:
    """Return a broker with one subscriber for control topics and one for the others.

    Control topics have a consumer of their own, so that a batch that waits for a job's definition does not keep that definition out.
    """
    options = connection_options(frame.settings, f"seatkeeper-{frame.name}")
    security = {name: options.pop(name) for name in list(options) if name.startswith(("s", "ssl"))}
    broker = KafkaBroker(
        options["bootstrap_servers"],
        client_id=options["client_id"],
        apply_types=False,
        consumer_only=True,
        allow_auto_create_topics=False,
        graceful_timeout=frame.settings.graceful_stop_seconds,
        logger=None,
        **_security(security),
    )
    control = [item for item in subscriptions if item.message.topic.startswith("control.")]
    data = [item for item in subscriptions if not item.message.topic.startswith("control.")]
    waits = frame.settings.batch_wait_milliseconds
    for group, items, wait in (
        (f"{frame.name}.control", control, CONTROL_WAIT_MILLISECONDS),
        (frame.name, data, waits),
    ):
        if items:
            topics = sorted({item.message.topic for item in items})
            _subscribe(broker, BatchConsumer(frame, group, items), topics, wait)
    return broker


def _security(options: dict[str, Any]) -> dict[str, Any]:
    from faststream.security import BaseSecurity, SASLPlaintext, SASLScram256, SASLScram512  # noqa: PLC0415 - only with security

    protocol = options.get("security_protocol", "PLAINTEXT")
    if protocol == "PLAINTEXT":
        return {}
    context, use_ssl = options.get("ssl_context"), protocol.endswith("SSL")
    if not protocol.startswith("SASL"):
        return {"security": BaseSecurity(ssl_context=context, use_ssl=use_ssl)}
    kinds = {"PLAIN": SASLPlaintext, "SCRAM-SHA-256": SASLScram256, "SCRAM-SHA-512": SASLScram512}
    return {
        "security": kinds[options["sasl_mechanism"]](
            username=options["sasl_plain_username"],
            password=options["sasl_plain_password"],
            ssl_context=context,
            use_ssl=use_ssl,
        )
    }


def _subscribe(broker: KafkaBroker, consumer: BatchConsumer, topics: Sequence[str], wait_milliseconds: int) -> None:
    drain = _Drain()

    async def parse(records: tuple[Any, ...]) -> KafkaAckableMessage:
        # FastStream's own parser decodes headers as UTF-8 and silently skips a record where that fails.
        return KafkaAckableMessage(
            raw_message=records, body=b"", headers={}, consumer=drain.subscriber.consumer, correlation_id="batch"
        )

    async def decode(message: Any) -> Any:
        return message.raw_message

    subscriber = broker.subscriber(
        *topics,
        batch=True,
        group_id=consumer.name,
        auto_offset_reset="earliest",
        ack_policy=AckPolicy.NACK_ON_ERROR,
        max_records=consumer.settings.batch_records,
        batch_timeout_ms=wait_milliseconds,
        listener=drain,
        parser=parse,
        decoder=decode,
        title=consumer.name,
    )

    async def handle(records: Any) -> None:
        await consumer.handle(records)

    drain.subscriber = subscriber
    subscriber(handle)
