"""The append-only log with one global LSN, indexed so that a quiet delta poll costs nothing."""

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import Generic, TypeVar

Entry = TypeVar("Entry")

EVERYTHING = frozenset({"*"})
"""The change of an object's life (created, deleted, restored): it surfaces whatever ``$select`` says."""
ADDED, REMOVED, RESENT = 1, -1, 0

ObjectChange = tuple[str, frozenset[str]]
"""(object id, names of the properties written)."""
LinkChange = tuple[str, str, int]
"""(group id, member id, one of ADDED, REMOVED, RESENT)."""


class Stream(Generic[Entry]):
    """Entries in LSN order."""

    __slots__ = ("_entries", "_lsns")

    def __init__(self) -> None:
        self._lsns: list[int] = []
        self._entries: list[Entry] = []

    def append(self, lsn: int, entries: list[Entry]) -> None:
        """Append entries of one LSN, which must not be smaller than any before."""
        self._lsns.extend([lsn] * len(entries))
        self._entries.extend(entries)

    def window(self, after: int, upto: int) -> list[Entry]:
        """The entries with ``after < lsn <= upto``."""
        return self._entries[bisect_right(self._lsns, after) : bisect_right(self._lsns, upto)]


@dataclass(slots=True, kw_only=True)
class Staged:
    """The entries of a transaction that is not committed yet."""

    users: list[ObjectChange] = field(default_factory=list)
    groups: list[ObjectChange] = field(default_factory=list)
    links: list[LinkChange] = field(default_factory=list)
    applications: list[ObjectChange] = field(default_factory=list)


class ChangeLog:
    """One stream per delta function and one for memberships. The seed is LSN 1 and is not logged.

    ``moments`` holds when each later LSN was committed, in seconds of the simulated clock.
    """

    __slots__ = ("applications", "groups", "links", "lsn", "moments", "users")

    def __init__(self) -> None:
        self.lsn = 1
        self.moments: list[float] = []
        self.applications: Stream[ObjectChange] = Stream()
        self.users: Stream[ObjectChange] = Stream()
        self.groups: Stream[ObjectChange] = Stream()
        self.links: Stream[LinkChange] = Stream()

    def of(self, kind: str) -> Stream[ObjectChange]:
        """The stream of "users", "groups" or "servicePrincipals"."""
        return {"users": self.users, "groups": self.groups, "servicePrincipals": self.applications}[kind]

    def commit(self, staged: Staged, at: float = 0.0) -> int:
        """Append everything staged at the next LSN, which is returned."""
        self.lsn += 1
        self.moments.append(at)
        self.applications.append(self.lsn, staged.applications)
        self.users.append(self.lsn, staged.users)
        self.groups.append(self.lsn, staged.groups)
        self.links.append(self.lsn, staged.links)
        return self.lsn
