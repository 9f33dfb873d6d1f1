"""What the watcher asks of a source of assignments, and how a source says that it could not answer."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from services.assignment_watcher.listing import AssignmentRow
from shared.contracts.assignments import AppRole
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
    """The source did not answer as it should, or what is to be read is not there."""

    condition = Condition.UNAVAILABLE
    code = Code.SOURCE_UNAVAILABLE


class RestartRoundError(Exception):
    """What was read of this round must be thrown away, and the round read again from the same link."""


class ResyncError(Exception):
    """The link is dead: what was read of this round must be thrown away, and the stream read from its beginning."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangePage:
    """One page of a stream. ``body`` is a JSON object whose ``value`` holds records as Microsoft Graph's delta functions write them.

    The last page of a round has the link from which the next round starts.
    """

    body: str
    records: int
    link: str | None


class Source(Protocol):
    """A directory that is read in three ways: all assignments, and changes of groups (with members) and of users.

    Every method raises ``SourceRefusedError`` or ``SourceUnavailableError`` when it cannot give the whole answer, and reads nothing
    before it is asked for the next page.
    """

    @property
    def identity(self) -> str:
        """What is read: another value means that the mirror belongs to another application or tenant."""

    def query(self, stream: Stream) -> str:
        """Return what a full read of ``stream`` asks for: a link belongs to the query that it came from."""

    async def read_roles(self) -> Sequence[AppRole]:
        """Return the roles that the application declares. An application that is missing or disabled is unavailable, not unassigned."""

    def read_assignments(self) -> AsyncIterator[Sequence[AssignmentRow]]:
        """Yield every assignment of users and groups, a page at a time; may raise ``RestartRoundError``."""

    def read_changes(self, stream: Stream, link: str | None) -> AsyncIterator[ChangePage]:
        """Yield what changed since ``link``, or everything; may raise ``RestartRoundError`` and ``ResyncError``."""

    def read_members(self, group_id: str) -> AsyncIterator[ChangePage]:
        """Yield pages with the direct members of one group, each as one change of that group; none when the group is not there."""

    async def read_user(self, user_id: str) -> str | None:
        """Return a page body with this one user, or nothing when the directory does not have it (any more, or yet)."""
