"""What is known of one assigned group in one job: wanted by the directory, sent towards the target, confirmed by it."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.public import UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class SentChange:
    """The newest change that was sent. ``resource``: what the group holds when it was carried out."""

    generation: int
    operation: Operation
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetGroup:
    """The group at the target: its id there, and the attributes that it was confirmed to hold (never its members)."""

    target_id: str
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The state of one group.

    ``in_flight``: the outcome of ``sent`` is not known yet; a group has one change under way at a time. ``link_number`` counts the links
    that it had, so that members of a group that is gone are told from those of the one that took its place. ``doubtful``: a change with an
    unknown end may have created or altered it. ``entered``: in scope at the last decision. ``members_at``: when the next change of members
    may go out, nothing while none waits. ``member_attempts``: changes of members in a row that came to nothing. ``members_left``: rows of
    members may hold what is true of an older link. ``failing_since``, ``escrows``, ``staged_in`` and ``released`` are as for a person.
    """

    job_id: str
    object_id: str
    assignment: DirectoryAssignment
    sent: SentChange | None = None
    in_flight: bool = False
    link: TargetGroup | None = None
    link_number: int = 0
    doubtful: bool = False
    entered: bool = False
    status: UserStatus = UserStatus.PENDING
    reason_code: str | None = None
    reasons: tuple[str, ...] = ()
    attempts: int = 0
    next_attempt_at: datetime | None = None
    failing_since: datetime | None = None
    escrows: int = 0
    staged_in: str | None = None
    released: bool = False
    members_at: datetime | None = None
    member_attempts: int = 0
    members_left: bool = False
    event_sequence: int = 0

    @property
    def generation(self) -> int:
        """Return the newest generation that was sent, 0 before the first."""
        return self.sent.generation if self.sent else 0

    @property
    def target_id(self) -> str | None:
        """Return the id of the linked group at the target, if there is one."""
        return self.link.target_id if self.link else None

    @property
    def may_exist(self) -> bool:
        """Return whether the target has, or may have or get, this group by our doing."""
        return self.link is not None or self.in_flight or self.doubtful
