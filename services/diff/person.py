"""What is known of one person in one job: wanted by the directory, sent towards the target, confirmed by it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.public import UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """The newest change that was sent. ``touched``: the paths that it, or an older change still under way with it, may alter."""

    generation: int
    operation: Operation
    resource: dict[str, Any]
    touched: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """The account at the target: its id there, and what it was confirmed to hold."""

    target_id: str | None
    resource: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The state of one person.

    ``in_flight``: the outcome of ``sent`` is not known yet. ``settled``: the newest generation that was carried out, which
    ``account`` tells of (none: there is no account). ``doubtful``: paths that a change with an unknown end may have altered;
    without a link they mean that an account may exist. ``entered``: in scope at the last decision. ``license_generation``:
    generation of the last license fact.

    ``staged_in``: the cycle whose removals this person's one waits with; nothing of it was sent. ``released``: the removal was let out,
    so that its further attempts go out without being counted again. ``failing_since`` and ``escrows``: the first failure of a row of
    failures that do not pass by themselves, and how many there were (the escrow of Entra). ``resolved``: account ids at the target by
    the object ids of those whom the person refers to, as they were last seen.
    """

    job_id: str
    object_id: str
    assignment: DirectoryAssignment
    sent: Sent | None = None
    in_flight: bool = False
    account: Account | None = None
    settled: int = 0
    doubtful: frozenset[str] = frozenset()
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
    license_sequence: int = 0
    license_generation: int = 0
    license_waiting: bool = False
    event_sequence: int = 0
    user_sequence: int = 0
    resolved: Mapping[str, str] = field(default_factory=dict)

    def differs_in_its_assignment_only(self, other: "Person") -> bool:
        """Return whether ``other`` is this person with nothing changed but, perhaps, the assignment."""
        for name in _BESIDES_ASSIGNMENT:
            mine, theirs = getattr(self, name), getattr(other, name)
            if mine is not theirs and mine != theirs:
                return False
        return True

    @property
    def generation(self) -> int:
        """Return the newest generation that was sent, 0 before the first."""
        return self.sent.generation if self.sent else 0

    @property
    def target_id(self) -> str | None:
        """Return the id of the linked account at the target, if there is one."""
        return self.account.target_id if self.account else None

    @property
    def may_exist(self) -> bool:
        """Return whether the target has, or may have or get, an account of this person."""
        return self.account is not None or self.in_flight or bool(self.doubtful)

    def is_active(self, path: str) -> bool:
        """Return whether the target confirmed an account that attribute ``path`` does not say is out of use."""
        return self.account is not None and self.account.resource.get(path) is not False


def altered(person: Person, **values: Any) -> Person:
    """Return the person with these fields; the very same one who has them already, since a copy costs as much as a decision."""
    if all(getattr(person, name) == value for name, value in values.items()):
        return person
    return replace(person, **values)


_BESIDES_ASSIGNMENT = tuple(field.name for field in fields(Person) if field.name != "assignment")
