"""What every message has: a topic, a type, a key, a sequence; camelCase on the wire, unknown fields ignored by readers."""

from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict
from pydantic.alias_generators import to_camel

from shared.contracts.ids import message_key


class ObjectType(StrEnum):
    """What a message is about."""

    USER = "user"
    GROUP = "group"
    CYCLE = "cycle"
    JOB = "job"
    SOURCE = "source"
    HOLD = "hold"
    PREVIEW = "preview"


class Part(BaseModel):
    """A part of a message: immutable, camelCase on the wire, tolerant of fields that a newer writer added."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_name=True,
        validate_by_alias=True,
        serialize_by_alias=True,
        frozen=True,
        extra="ignore",
    )


class Message(Part):
    """A message about one object of one job.

    ``sequence`` rises for each key within one topic and one producing service.
    """

    topic: ClassVar[str]
    type: ClassVar[str]

    job_id: str
    object_type: ObjectType
    object_id: str
    sequence: int

    @property
    def key(self) -> str:
        """Return the Kafka key, ``job_id/object_id``."""
        return message_key(self.job_id, self.object_id)

    def body(self) -> bytes:
        """Return the JSON body as UTF-8 bytes; fields that hold nothing are left out."""
        return self.__pydantic_serializer__.to_json(self, by_alias=True, exclude_none=True)
