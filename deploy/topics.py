"""Creates the topics of the registry. Services never do: in a cluster this is a job that runs before them."""

from collections.abc import Iterator
from datetime import timedelta

from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.errors import TopicAlreadyExistsError, for_code

from shared.contracts.topics import DEAD_LETTER_RETENTION, TOPICS, Cleanup
from shared.runtime.kafka import connection_options
from shared.runtime.settings import KafkaSettings

COMPACTION_LAG = timedelta(days=7)
"""A null record takes effect within this time: Kafka's own default may never compact the newest segment."""


def new_topics(replication_factor: int) -> Iterator[NewTopic]:
    """Yield every topic of the registry, and a dead-letter topic for each of its readers."""
    for topic in TOPICS.values():
        options = {"cleanup.policy": topic.cleanup.value}
        if topic.cleanup is Cleanup.COMPACT:
            options["max.compaction.lag.ms"] = _milliseconds(COMPACTION_LAG)
        elif topic.retention is not None:
            options["retention.ms"] = _milliseconds(topic.retention)
        yield NewTopic(topic.name, topic.partitions, replication_factor, topic_configs=options)
        for service in topic.consumers:
            yield NewTopic(
                topic.dead_letters(service),
                1,
                replication_factor,
                topic_configs={"cleanup.policy": "delete", "retention.ms": _milliseconds(DEAD_LETTER_RETENTION)},
            )


def _milliseconds(duration: timedelta) -> str:
    return str(int(duration.total_seconds() * 1000))


async def create_topics(settings: KafkaSettings, replication_factor: int = 1) -> list[str]:
    """Create the topics that are missing and return their names; what is there already is left alone.

    Raises an aiokafka ``KafkaError`` when the broker refuses.
    """
    admin = AIOKafkaAdminClient(**connection_options(settings, "seatkeeper-topics"))
    await admin.start()
    try:
        present = set(await admin.list_topics())
        missing = [topic for topic in new_topics(replication_factor) if topic.name not in present]
        if missing:
            answer = await admin.create_topics(missing, timeout_ms=30_000)
            for name, code, *_ in answer.topic_errors:
                error = for_code(code)
                if code and error is not TopicAlreadyExistsError:
                    raise error(f"topic {name} could not be created")
    finally:
        await admin.close()
    return [topic.name for topic in missing]
