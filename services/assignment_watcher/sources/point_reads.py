"""What a source answers about one user, beside the cycles: an optional capability, used to provision on demand."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from services.assignment_watcher.listing import AssignmentRow
from services.assignment_watcher.sources.source import Found


@dataclass(frozen=True, slots=True, kw_only=True)
class Ways:
    """By what one user may be assigned: assignments of its own, and the groups whose direct member it is, by id."""

    assignments: Sequence[AssignmentRow] = ()
    groups: Sequence[str] = ()


@runtime_checkable
class PointReads(Protocol):
    """A source that can be asked for one user by name. Every method raises ``SourceError`` when it cannot give the whole answer."""

    async def find_user(self, name: str) -> Found | None:
        """Return the user with this object id, userPrincipalName or mail address; nothing when there is none."""

    async def read_ways(self, found: Found, groups: Sequence[str]) -> Ways:
        """Return by what a live user may be assigned: of the groups only those in question are looked at.

        What is missing from it is no proof that it ended.
        """
