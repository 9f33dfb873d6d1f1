"""directory.assignments.v1: the current state of each object of the directory in one job, and the marks that close a cycle."""

from datetime import datetime
from enum import StrEnum
from typing import Any, ClassVar

from pydantic import Field

from shared.contracts.message import Message, Part


class Lifecycle(StrEnum):
    """Where a directory object stands (Microsoft Graph, "Use delta query to track changes")."""

    LIVE = "live"
    SOFT_DELETED = "softDeleted"
    HARD_DELETED = "hardDeleted"
    UNKNOWN = "unknown"


class CycleKind(StrEnum):
    """An initial cycle reads everything; an incremental one reads what changed."""

    INITIAL = "initial"
    INCREMENTAL = "incremental"


class AppRole(Part):
    """A role of the application that an object holds; ``value`` is empty for "Default Access"."""

    id: str
    value: str = ""
    display_name: str = ""


class AssignmentPath(Part):
    """One way by which an object is assigned: by an assignment of its own, or as a member of the assigned group ``group_id``.

    ``nested``: a member of groups in that group only, not of the group itself (with ``nestedGroups``).
    """

    assignment_id: str
    role_id: str
    group_id: str | None = None
    nested: bool = False
    assigned_at: datetime


class DirectoryAssignment(Message):
    """The whole current state of one object in one job: of a user, or of a group that is assigned (``object_type``).

    ``assigned`` is true while at least one path exists, whatever its role. ``attributes`` are Microsoft Graph properties by
    their Graph names: of a user with ``accountEnabled`` among them, and ``manager`` as the directory object id of the manager; of a
    group with ``securityEnabled`` among them. ``assigned_at`` is the time of the oldest current path (or of the last known one), in UTC.

    A group's paths are its own assignments, and its members are never listed: who belongs to it says so by a path of its own. A group
    that is not security-enabled assigns nobody, itself neither: it has no paths and is not ``assigned``, whatever the application lists.

    ``request_id`` is set when an operator asked for this object ("provision on demand"): then it is decided anew even if nothing changed.
    Its ``cycle_id`` is then that request's alone, and no mark follows.
    """

    topic: ClassVar[str] = "directory.assignments.v1"
    type: ClassVar[str] = "seatkeeper.directory.assignment.v1"

    cycle_id: str
    cycle_kind: CycleKind
    assigned: bool
    paths: tuple[AssignmentPath, ...] = ()
    roles: tuple[AppRole, ...] = ()
    lifecycle: Lifecycle = Lifecycle.LIVE
    attributes: dict[str, Any] = Field(default_factory=dict)
    assigned_at: datetime | None = None
    request_id: str | None = None
    observed_at: datetime


class CycleMark(Message):
    """Closes a cycle on one partition: everything that the cycle found stands before this mark on that partition.

    ``schema_version`` is that of the job whose attributes were read.
    """

    topic: ClassVar[str] = "directory.assignments.v1"
    type: ClassVar[str] = "seatkeeper.directory.cycle-mark.v1"

    cycle_id: str
    cycle_kind: CycleKind
    partition: int
    partitions: int
    objects: int
    schema_version: int = 0
    started_at: datetime
    ended_at: datetime
