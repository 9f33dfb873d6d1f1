"""From Kafka records to messages: what can be read is read, what cannot gets a reason. Nothing is lost here."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pydantic import ValidationError

from shared.contracts.cloudevents import NotACloudEventError, envelope_of
from shared.contracts.message import Message
from shared.contracts.topics import TOPICS
from shared.runtime.transaction import Received

MOST_BODY_BYTES = 1_000_000


class Record(Protocol):
    """What is used of an aiokafka ``ConsumerRecord``."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unreadable:
    """A record that cannot become a message, with the reason: it goes to the dead-letter topic as it is."""

    record: Any
    reason: str


def decode(
    records: Sequence[Record], handled: Mapping[str, type[Message]]
) -> tuple[list[tuple[Received[Any], Any]], list[Unreadable]]:
    """Return messages (each with its record) in order of arrival, and unreadable records.

    Types of the topic that ``handled`` does not name, and tombstones, are passed over: they are for others.
    """
    messages: list[tuple[Received[Any], Any]] = []
    unreadable: list[Unreadable] = []
    for record in records:
        if record.value is None:
            continue
        try:
            headers = dict(record.headers)
            type_header = headers.get("ce_type")
            model = handled.get(type_header.decode("utf-8", "replace")) if type_header is not None else None
            if model is None:
                if reason := _why_not_ours(record.topic, type_header):
                    unreadable.append(Unreadable(record=record, reason=reason))
                continue
            if len(record.value) > MOST_BODY_BYTES:
                unreadable.append(Unreadable(record=record, reason=f"the body is larger than {MOST_BODY_BYTES} bytes"))
                continue
            envelope = envelope_of(headers)
            message = model.model_validate_json(record.value)
        except NotACloudEventError as error:
            unreadable.append(Unreadable(record=record, reason=str(error)))
        except ValidationError as error:
            unreadable.append(Unreadable(record=record, reason=_fields(error)))
        else:
            received = Received(
                message=message,
                envelope=envelope,
                topic=record.topic,
                partition=record.partition,
                position=record.offset,
            )
            messages.append((received, record))
    return messages, unreadable


def _why_not_ours(topic: str, type_header: bytes | None) -> str | None:
    if type_header is None:
        return "header ce_type is missing"
    known = {message.type for message in TOPICS[topic].messages}
    name = type_header.decode("utf-8", "replace")[:100]
    if name in known:
        return None
    return f"ce_type {name!r} is not a type or version that this release knows on {topic}"


def _fields(error: ValidationError) -> str:
    """Name the fields that are wrong, never their values."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[:5]
    if first and first[0]["type"] == "json_invalid":
        return "the body is not JSON"
    return "; ".join(f"field {'.'.join(str(part) for part in item['loc']) or 'body'}: {item['type']}" for item in first)
