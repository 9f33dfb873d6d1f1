"""What the watcher asks of a source of assignments, and how a source says that it could not answer."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, NamedTuple, Protocol

from services.assignment_watcher.listing import AssignmentRow
from shared.contracts.assignments import AppRole, Lifecycle
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import Failure


class Stream(StrEnum):
    """What is read by its changes since the last time."""

    GROUPS = "groups"
    USERS = "users"


class Condition(StrEnum):
    """Conditions of a job that concern its source."""

    CREDENTIALS = "sourceCredentials"
    UNAVAILABLE = "sourceUnavailable"
    MISCONFIGURED = "sourceMisconfigured"
    ROLE = "sourceRole"


class SourceError(Exception):
    """The source could not be read to the end; nothing may be concluded from what was read."""

    condition: Condition
    code: Code

    def __init__(self, message: str, *, http_status: int | None = None) -> None:
        super().__init__(message)
        self.failure: Failure = failure(self.code, message, http_status=http_status)


class SourceRefusedError(SourceError):
    """Credentials or permissions were refused: only an operator can help."""

    condition = Condition.CREDENTIALS
    code = Code.SOURCE_REFUSED


class SourceUnavailableError(SourceError):
    """The source did not answer as it should."""

    condition = Condition.UNAVAILABLE
    code = Code.SOURCE_UNAVAILABLE


class SourceMisconfiguredError(SourceError):
    """What the job names is not there: a tenant, a service principal, a file. Never "everybody left"."""

    condition = Condition.MISCONFIGURED
    code = Code.SOURCE_MISCONFIGURED


class RoleUnknownError(SourceError):
    """A required role of the job is not declared: nobody could be told apart by it."""

    condition = Condition.ROLE
    code = Code.SOURCE_ROLE_UNKNOWN


class RestartRoundError(Exception):
    """What was read of this round must be thrown away, and the round read again from the same link."""


class ResyncError(Exception):
    """The link is dead: what was read of this round must be thrown away, and the stream read from its beginning.

    The text says in a few words why, without a link: it is shown to operators.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """One page of a stream. ``body`` is a JSON object whose ``value`` holds records as Microsoft Graph's delta functions write them.

    A record of a user says who its manager is in ``manager@delta``: an entry with the manager's id, or with ``@removed`` the one it no
    longer has; or in ``manager``, an id or null. In a full read a user without either has no manager.

    The last page of a round has ``link``, from which the next round starts; every other page has ``following``, where the round goes on.
    """

    body: str
    records: int
    link: str | None = None
    following: str | None = None


class Member(NamedTuple):
    """A direct member of a group: a user, or (``nested``) a group."""

    object_id: str
    nested: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the directory says of one object that was asked for by id.

    ``lifecycle`` is live (with its ``record``, the selected properties; ``manager`` is an id or null), softDeleted (it lies among the
    deleted items), or unknown (it is in neither place: never there, gone for good, or not replicated yet).
    """

    object_id: str
    lifecycle: Lifecycle
    record: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Traffic:
    """Requests since the last ``take``: how many by what was asked for, how many were throttled, and the seconds waited for that."""

    by_kind: Counter[str] = field(default_factory=Counter)
    throttled: int = 0
    waited_seconds: float = 0.0

    def take(self) -> "Traffic":
        """Return what was counted and begin anew."""
        taken = Traffic(self.by_kind, self.throttled, self.waited_seconds)
        self.by_kind, self.throttled, self.waited_seconds = Counter(), 0, 0.0
        return taken


class Source(Protocol):
    """A directory that is read in three ways: all assignments, and changes of groups (with members) and of users.

    Every method raises ``SourceRefusedError``, ``SourceMisconfiguredError`` or ``SourceUnavailableError`` when it cannot give the whole
    answer, and reads nothing before it is asked for the next page. Ids of directory objects are in lower case.
    """

    kind: str
    """The ``kind`` of the job's source."""
    traffic: Traffic

    @property
    def identity(self) -> str:
        """What is read: another value means that the mirror belongs to another application or tenant."""

    def query(self, stream: Stream) -> str:
        """Return what a full read of ``stream`` asks for: a link belongs to the query that it came from."""

    async def read_roles(self) -> Sequence[AppRole]:
        """Return the roles that the application declares. An application that is missing or disabled is misconfigured, not unassigned."""

    def read_assignments(self) -> AsyncIterator[Sequence[AssignmentRow]]:
        """Yield every assignment, a page at a time; may raise ``RestartRoundError``."""

    async def find_assignments(self, assignment_ids: Sequence[str]) -> frozenset[str]:
        """Return those of the assignments that still exist, each asked for by its id."""

    def read_changes(self, stream: Stream, link: str | None, *, page: str | None = None) -> AsyncIterator[ChangePage]:
        """Yield what changed since ``link``, or everything; may raise ``RestartRoundError`` and ``ResyncError``.

        With ``page`` (the ``following`` of an earlier page) a full read goes on there.
        """

    def read_members(self, group_id: str, *, in_background: bool = False) -> AsyncIterator[ChangePage]:
        """Yield pages with the direct members of one group, each as one change of that group; none when the group is not there.

        A group without members is one page with an empty ``members@delta``. ``in_background`` lets every other request go first.
        """

    async def find_members(self, group_id: str, absent: Sequence[Member], *, through: Sequence[str]) -> frozenset[str]:
        """Return the ids of those ``absent`` from a listing of a group's members that belong to it all the same, each asked about itself.

        ``through`` are the groups that the listing shows as members: whoever belongs to one of them is not returned, because that may be
        how it belongs to the group.
        """

    async def find_users(self, user_ids: Sequence[str], *, in_background: bool = False) -> Sequence[Found]:
        """Return what the directory says of these users, one ``Found`` for each id."""

    async def find_groups(self, group_ids: Sequence[str]) -> Sequence[Found]:
        """Return what the directory says of these groups, one ``Found`` for each id."""

    async def count_users(self) -> int | None:
        """Return about how many users there are, for an estimate only; nothing when the source cannot tell."""
