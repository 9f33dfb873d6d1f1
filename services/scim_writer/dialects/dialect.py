"""What a dialect decides: the spelling of an operation and of a boolean, how members are removed, whether replaces are merged."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

_MISSING: Final = object()
_MEMBERS: Final = "members"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How PATCH operations are worded."""

    name: str
    capitalised: bool
    """``Replace`` instead of ``replace``."""
    booleans_as_text: bool
    """``"False"`` instead of ``false``."""
    removes_members_by_value: bool = False
    """One remove of ``members`` with an array, instead of one ``members[value eq "…"]`` for each."""
    merges_replaces: bool = False
    """One replace without a path, its paths as keys, instead of one replace for each."""

    def operation(self, verb: str, path: str, value: Any = _MISSING) -> dict[str, Any]:
        """Return one operation; without a value for a remove."""
        operation: dict[str, Any] = {"op": self._spelled(verb), "path": path}
        if value is not _MISSING:
            operation["value"] = self._worded(value)
        return operation

    def merged(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the one operation that replaces several values, by path."""
        return {"op": self._spelled("replace"), "value": {path: self._worded(value) for path, value in values.items()}}

    def add_members(self, members: Sequence[str]) -> list[dict[str, Any]]:
        """Return the operations that add members of a group, given by their ids at the target."""
        return [self.operation("add", _MEMBERS, _listed(members))]

    def remove_members(self, members: Sequence[str]) -> list[dict[str, Any]]:
        """Return the operations that remove members of a group, given by their ids at the target."""
        if self.removes_members_by_value:
            return [self.operation("remove", _MEMBERS, _listed(members))]
        return [self.operation("remove", f"{_MEMBERS}[value eq {orjson.dumps(each).decode()}]") for each in members]

    def _spelled(self, verb: str) -> str:
        return verb.capitalize() if self.capitalised else verb

    def _worded(self, value: Any) -> Any:
        return str(value) if self.booleans_as_text and isinstance(value, bool) else value


def _listed(members: Iterable[str]) -> list[dict[str, str]]:
    return [{"value": each} for each in members]
