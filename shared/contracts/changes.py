"""provisioning.changes.v1 (what diff wants) and provisioning.commands.v1 (what the license-allocator allows)."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final
from uuid import UUID

from pydantic import Field

from shared.contracts.ids import derived_id
from shared.contracts.message import Message, Part

MOST_MEMBERS: Final = 200
"""How many members one change adds or removes at most, so that no message grows with a group."""
REDACTED: Final = "[Redact]"
"""What is shown in the place of a value that nobody is to see (Microsoft Entra, expression function ``Redact``)."""


class Operation(StrEnum):
    """What is to be done with one object at the target (Microsoft Entra provisioning log, ``provisioningAction``)."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    DELETE = "delete"
    ADD_MEMBERS = "addMembers"
    REMOVE_MEMBERS = "removeMembers"
    COMPARE = "compare"
    """Read only: what does the target hold of the confirmed values? Not an action of Entra."""
    NONE = "none"


class ModifiedAttribute(Part):
    """One attribute that a change modifies: its SCIM path, the confirmed value before and the desired value after."""

    path: str
    old: Any = None
    new: Any = None


def redact(value: Any) -> Any:
    """Return what is shown in the place of ``value``: that there is one can be seen."""
    return None if value is None else REDACTED


class MatchingValue(Part):
    """An attribute and value by which an existing account is looked for at the target, in order of precedence."""

    attribute: str
    value: str


class Change(Message):
    """One wanted operation on one object.

    ``resource`` maps SCIM attribute paths to the desired values; ``modified`` names what differs from the confirmed ones, and is empty for
    a create, where everything is new. ``generation`` rises with every change of the object; the newest one
    wins. ``needs_license`` is true when the object is to be active afterwards. ``assigned_at`` orders the requests of one batch.
    ``relinked``: an operator pointed the link at ``target_id``, or nothing is confirmed of that account yet: it is read before anything is
    written, and a link that was known before does not count. A ``compare`` has the confirmed values as its ``resource``.
    ``on_demand``: an operator asked for it, so it is also carried out while the job does not run.
    ``members`` are ids at the target, of the users that ``addMembers`` or ``removeMembers`` is about; empty for every other operation.
    A group has one change under way at a time, so no newer generation takes the place of members that are not written yet.

    What the mapping says of an account that turns out to exist already: ``only_on_create`` are paths that it keeps as it has them,
    ``only_if_absent`` those that are written only where it has no value. Without ``may_create`` no account is made: an existing one is
    looked for, and otherwise nothing is done. The values of ``redacted`` paths are written, and shown to nobody.
    """

    topic: ClassVar[str] = "provisioning.changes.v1"
    type: ClassVar[str] = "seatkeeper.provisioning.change.v1"

    generation: int
    operation: Operation
    reason: str
    resource: dict[str, Any]
    modified: tuple[ModifiedAttribute, ...] = ()
    matching: tuple[MatchingValue, ...] = ()
    members: Annotated[tuple[str, ...], Field(max_length=MOST_MEMBERS)] = ()
    only_on_create: tuple[str, ...] = ()
    only_if_absent: tuple[str, ...] = ()
    may_create: bool = True
    redacted: tuple[str, ...] = ()
    target_id: str | None = None
    relinked: bool = False
    on_demand: bool = False
    needs_license: bool
    attempt: int = 1
    assigned_at: datetime | None = None
    cycle_id: str | None = None
    decided_at: datetime

    @property
    def change_id(self) -> UUID:
        """Return the id of this change: one for each generation of an object."""
        return change_id(self.job_id, self.object_id, self.generation)


def change_id(job_id: str, object_id: str, generation: int) -> UUID:
    """Return the id of the change of ``generation`` of one object of one job."""
    return derived_id("change", job_id, object_id, generation)


class LicenseDecision(StrEnum):
    """Why the license-allocator let a change out."""

    RESERVED = "reserved"
    HELD = "held"
    NOT_NEEDED = "notNeeded"
    NOT_COUNTED = "notCounted"
    NONE_LEFT = "noneLeft"


class License(Part):
    """The license decision that a command carries. ``ticket`` is the place in the order of arrival at the pool."""

    decision: LicenseDecision
    reason: str
    application_instance: str = ""
    license_type: str = ""
    ticket: int | None = None


class Command(Change):
    """A change that is allowed to go out, with its license decision. Its sequence is its generation."""

    topic: ClassVar[str] = "provisioning.commands.v1"
    type: ClassVar[str] = "seatkeeper.provisioning.command.v1"

    license: License
