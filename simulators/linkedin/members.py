"""Members of one group, and a change of them that costs what it changes and not what the group holds."""

from collections.abc import Iterable
from typing import Final

Members = dict[str, None]
"""Ids of users in order of joining."""


class MemberChange:
    """A change that is under way: nothing of the group moves until `commit`, so a refused request leaves it as it was."""

    __slots__ = ("_added", "_cleared", "_members", "_removed")

    def __init__(self, members: Members) -> None:
        self._members: Final = members
        self._added: Members = {}
        self._removed: set[str] = set()
        self._cleared = False

    def _held(self, member: str) -> bool:
        return not self._cleared and member in self._members and member not in self._removed

    def add(self, members: Iterable[str]) -> None:
        """Let members join; who is there stays in their place."""
        self._added.update((member, None) for member in members if not self._held(member))

    def remove(self, members: Iterable[str]) -> None:
        """Let members leave; who is not there is passed over."""
        for member in members:
            self._added.pop(member, None)
            if self._held(member):
                self._removed.add(member)

    def clear(self) -> None:
        """Let every member leave."""
        self._cleared = True
        self._added.clear()
        self._removed.clear()

    def __bool__(self) -> bool:
        """Whether somebody joins or leaves."""
        if self._cleared:
            return self._members != self._added
        return bool(self._added or self._removed)

    def commit(self) -> None:
        """Carry the change out. The same members in another order are no change: they stay in their places."""
        if not self:
            return
        if self._cleared:
            self._members.clear()
        for member in self._removed:
            del self._members[member]
        self._members.update(self._added)
