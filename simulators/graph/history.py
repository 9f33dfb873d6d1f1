"""What the tenant looked like before later transactions: replicas that lag, and reads that go backward, need it."""

from typing import Any, TypeVar

from simulators.graph.entities import DirectoryObject, State

Kind = TypeVar("Kind", bound=DirectoryObject)
Before = tuple[State | None, dict[str, Any]]
"""The state (``None``: it did not exist) and the properties."""


class History:
    """For each object that ever changed what it was before each change, in LSN order. The seed is not kept."""

    __slots__ = ("_before", "_staged")

    def __init__(self) -> None:
        self._before: dict[str, list[tuple[int, Before]]] = {}
        self._staged: dict[str, Before] = {}

    def stage(self, target: DirectoryObject, *, new: bool = False) -> None:
        """Remember what ``target`` is now, before the first change of this transaction."""
        self._staged.setdefault(target.id, (None, {}) if new else (target.state, target.properties))

    def commit(self, lsn: int) -> None:
        """The transaction is this one."""
        for object_id, before in self._staged.items():
            self._before.setdefault(object_id, []).append((lsn, before))
        self._staged.clear()

    def roll_back(self) -> None:
        """The transaction never was."""
        self._staged.clear()

    def seen(self, target: Kind, lsn: int) -> Kind | None:
        """``target`` as it was at ``lsn``: itself when nothing happened since, a copy, or ``None`` when it was not there."""
        for at, (state, properties) in self._before.get(target.id, ()):
            if at > lsn:
                return None if state is None else target.past(state, properties)
        return target
