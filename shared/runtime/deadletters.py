"""Dead letters: the original bytes and headers, and why; limited, so that a bad release does not throw a topic away."""

from collections.abc import Sequence

import orjson
from prometheus_client import Counter

from shared.contracts.topics import dead_letter_topic
from shared.runtime.decode import Unreadable
from shared.runtime.errors import DeadLetterLimitError
from shared.runtime.jobs import QUERIES
from shared.runtime.log import logger
from shared.runtime.transaction import OutboxRow, Transaction

_log = logger(__name__)
_DEAD_LETTERS = Counter("seatkeeper_dead_letters_total", "Records put into a dead-letter topic.", ["topic"])


async def bury(tx: Transaction, service: str, unreadable: Sequence[Unreadable], *, limit: int) -> None:
    """Put records into their dead-letter topics, within the transaction.

    Raises ``DeadLetterLimitError`` when this would exceed ``limit`` in an hour: the batch is then kept and the service waits.
    """
    if not unreadable:
        return
    await tx.connection.execute(
        QUERIES.record_dead_letters,
        [item.record.topic for item in unreadable],
        [item.record.partition for item in unreadable],
        [item.record.offset for item in unreadable],
        [item.reason for item in unreadable],
    )
    count = await tx.connection.fetchval(QUERIES.count_dead_letters)
    if count > limit:
        first = unreadable[0]
        raise DeadLetterLimitError(
            f"more than {limit} messages of the last hour could not be handled, the newest on {first.record.topic} because "
            f"{first.reason}; nothing was skipped. Mend the producer or this release, or raise SEATKEEPER_DEAD_LETTERS_PER_HOUR"
        )
    for item in unreadable:
        record = item.record
        place = f"{record.topic}/{record.partition}/{record.offset}"
        tx.rows.append(
            OutboxRow(
                topic=dead_letter_topic(record.topic, service),
                key=record.key,
                partition=None,
                headers=orjson.dumps(
                    {
                        **{
                            name: value.decode("utf-8", "backslashreplace")
                            for name, value in record.headers
                            if value is not None
                        },
                        "seatkeeper-reason": item.reason,
                        "seatkeeper-place": place,
                    }
                ).decode(),
                payload=record.value,
            )
        )
        _DEAD_LETTERS.labels(record.topic).inc()
        _log.error("message dead-lettered", action="dead_letter", place=place, reason=item.reason)
