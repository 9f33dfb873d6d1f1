"""Previews: what a change of a job would do, from the stored state alone; asked for and told on internal topics."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, ClassVar, Final

from pydantic import Field

from shared.contracts.changes import ModifiedAttribute
from shared.contracts.job import JobSettings
from shared.contracts.message import Message, ObjectType, Part

MOST_ROWS: Final = 1000
"""How many rows of each action a preview names for users, and as many for groups: counts are of all, and no preview grows with a tenant."""
MOST_ROWS_AT_ONCE: Final = 100
"""How many rows one message carries."""


class PreviewWish(Part):
    """What a job would be: its template, settings and synchronization schema (none: the default of the template).

    ``job_version`` is the version of the job that the change was made for.
    """

    job_version: int
    template: str
    settings: JobSettings
    synchronization_schema: dict[str, Any] | None = None


class PlannedAction(StrEnum):
    """What a plan would do about one user or group.

    ``match``: an account is looked for and none is made (the Create action is off). ``disable``, and ``delete`` of users and groups, are
    removals, which the deletion guard counts. ``skip``: newly out of scope, or kept back, and nothing is written. ``fail``: a value that
    is needed cannot be made, or another user has it. ``unchanged`` and ``outOfScope`` are only counted: as they are to be; left out as
    before.
    """

    CREATE = "create"
    UPDATE = "update"
    ENABLE = "enable"
    MATCH = "match"
    DISABLE = "disable"
    DELETE = "delete"
    SKIP = "skip"
    FAIL = "fail"
    UNCHANGED = "unchanged"
    OUT_OF_SCOPE = "outOfScope"


REMOVALS: Final = frozenset({PlannedAction.DISABLE, PlannedAction.DELETE})
COUNTED_ONLY: Final = frozenset({PlannedAction.UNCHANGED, PlannedAction.OUT_OF_SCOPE})


class PlanRow(Part):
    """What would be done about one user or group, and why.

    ``name`` is the userPrincipalName or displayName in the directory. ``attributes`` are the values that would be written, with what the
    target was confirmed to hold; those of redacted paths are replaced already. ``reasons``: failed scope conditions, and attributes that
    cannot be made. ``counted``: a removal that waits with all others of the plan, and is held with them above the threshold.
    """

    object_type: ObjectType
    object_id: str
    name: str | None = None
    action: PlannedAction
    reason: str
    reasons: tuple[str, ...] = ()
    code: str | None = None
    attributes: tuple[ModifiedAttribute, ...] = ()
    counted: bool = False


class PreviewRows(Message):
    """Rows of a preview, at most 100; ``first`` is the number of the first of them. Its object is the preview."""

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.preview.rows.v1"

    first: int
    rows: Annotated[tuple[PlanRow, ...], Field(max_length=MOST_ROWS_AT_ONCE)]
    at: datetime


class PreviewState(StrEnum):
    """Where a preview stands. ``superseded``: a newer one of the same job was asked for."""

    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SUPERSEDED = "superseded"


class PlanTotals(Part):
    """The whole plan in numbers. ``users`` and ``groups``: how many of each action; ``attributes``: how many objects of each path written.

    ``removals`` is how many the deletion guard would count, of ``managed`` objects; ``held``: how many of them would wait for an
    approval, all or none, and ``held_because`` says why. ``waiting``: removals that wait already. ``errors``: objects with an attribute
    that cannot be made. ``in_flight``: objects whose change is under way; for groups its end decides. ``unread``: source attributes that
    are not read yet, so that the plan takes them for empty, by the kind of object.
    """

    users: dict[PlannedAction, int] = Field(default_factory=dict)
    groups: dict[PlannedAction, int] = Field(default_factory=dict)
    attributes: dict[str, int] = Field(default_factory=dict)
    removals: int = 0
    managed: int = 0
    held: int = 0
    held_because: str | None = None
    waiting: int = 0
    errors: int = 0
    in_flight: int = 0
    unread: dict[ObjectType, tuple[str, ...]] = Field(default_factory=dict)

    @property
    def empty(self) -> bool:
        """Return whether nothing would be done."""
        return not any(
            count
            for counts in (self.users, self.groups)
            for action, count in counts.items()
            if action not in COUNTED_ONLY
        )


class PreviewFact(Message):
    """Where a preview stands; ``object_id`` is its id, the newest sequence counts. ``looked_at`` of ``expected`` objects were gone through.

    When it is done: ``totals``, how many ``rows`` were told before, ``as_of`` (the moment of the state that was looked at), and
    ``digest``, which two plans share only when they do the same. ``detail`` says why one failed, and what to do.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.preview.fact.v1"

    state: PreviewState
    job_version: int
    looked_at: int = 0
    expected: int = 0
    totals: PlanTotals | None = None
    rows: int = 0
    digest: str | None = None
    as_of: datetime | None = None
    seconds: float = 0
    detail: str | None = None
    at: datetime
