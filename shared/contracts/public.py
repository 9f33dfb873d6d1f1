"""provisioning.events.v1 and provisioning.users.v1: what other teams subscribe to; no personal data."""

from datetime import datetime
from enum import StrEnum
from typing import ClassVar

from shared.contracts.changes import Operation
from shared.contracts.message import Message


class EventName(StrEnum):
    """Public events, in the vocabulary of RFC 9967 section 2 where one of its events fits, else in our own namespace."""

    FEED_ADD = "urn:ietf:params:scim:event:feed:add"
    FEED_REMOVE = "urn:ietf:params:scim:event:feed:remove"
    CREATE = "urn:ietf:params:scim:event:prov:create:notice"
    PATCH = "urn:ietf:params:scim:event:prov:patch:notice"
    ACTIVATE = "urn:ietf:params:scim:event:prov:activate"
    DEACTIVATE = "urn:ietf:params:scim:event:prov:deactivate"
    DELETE = "urn:ietf:params:scim:event:prov:delete"
    SKIPPED = "urn:seatkeeper:event:skipped"
    FAILED = "urn:seatkeeper:event:failed"
    WAITING = "urn:seatkeeper:event:waiting-for-license"
    WITHDRAWN = "urn:seatkeeper:event:withdrawn"


class UserStatus(StrEnum):
    """Where a user stands; each accepted assignment ends in exactly one of these (guarantee I1)."""

    PENDING = "pending"
    PROVISIONED = "provisioned"
    WAITING = "waiting"
    SKIPPED = "skipped"
    FAILED = "failed"
    DISABLED = "disabled"


class ProvisioningEvent(Message):
    """One fact about one object. ``sequence`` has no gaps for a key; ``attributes`` names what changed, never the values."""

    topic: ClassVar[str] = "provisioning.events.v1"
    type: ClassVar[str] = "seatkeeper.provisioning.event.v1"

    event: EventName
    txn: str
    status: UserStatus
    operation: Operation
    attributes: tuple[str, ...] = ()
    code: str | None = None
    target_id: str | None = None
    at: datetime


class ProvisionedUser(Message):
    """The latest state of one user at the target; the record is null once the user is erased."""

    topic: ClassVar[str] = "provisioning.users.v1"
    type: ClassVar[str] = "seatkeeper.provisioning.user.v1"

    status: UserStatus
    active: bool
    target_id: str | None = None
    code: str | None = None
    generation: int
    at: datetime
