"""Deterministic identifiers: what is repeated gets the same id, so that every reader can recognise the repeat."""

import hashlib
from functools import lru_cache
from typing import Final
from uuid import UUID
from zlib import crc32

NAMESPACE: Final = UUID("6f1c52a4-0c3e-5a54-9d3f-5b2f6e1f7c10")
# uuid5() of the standard library hashes the namespace anew each time; ids are made several times for each message.
_of_namespace: Final = hashlib.sha1(NAMESPACE.bytes, usedforsecurity=False)

CYCLE_OBJECT: Final = "~cycle"
"""Object id of messages about a whole cycle; no directory object id starts with a tilde."""
JOB_OBJECT: Final = "~job"
"""Object id of messages about a whole job."""
SOURCE_OBJECT: Final = "~source"
"""Object id of messages about the source of a job."""


def derived_id(*parts: str | int) -> UUID:
    """Return the UUID version 5 of what caused a message (RFC 9562, section 5.5): the same parts give the same id."""
    name = _of_namespace.copy()
    name.update("\x1f".join([str(part) for part in parts]).encode())
    return UUID(bytes=name.digest()[:16], version=5)


@lru_cache(maxsize=4096)
def job_id_for(idempotency_key: str) -> str:
    """Return the job id that belongs to the idempotency key of the request that created the job."""
    return str(derived_id("job", idempotency_key))


def message_key(job_id: str, object_id: str) -> str:
    """Return the Kafka key of every message about one object of one job: opaque ids only, never an e-mail address."""
    return f"{job_id}/{object_id}"


def partition_of(key: bytes, partitions: int) -> int:
    """Return the partition of a key: CRC-32 modulo their number, as librdkafka's partitioner ``consistent``."""
    return crc32(key) % partitions
