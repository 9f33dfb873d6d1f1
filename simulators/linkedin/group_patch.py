"""PATCH of groups by RFC 7644 section 3.5.2, and the dialects in which Microsoft Entra sends it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from simulators.linkedin.attributes import CORE_GROUP
from simulators.linkedin.errors import ScimError
from simulators.linkedin.filters import parse_conditions
from simulators.linkedin.members import MemberChange
from simulators.linkedin.patch import MISSING, Operation, operations

_URN: Final = CORE_GROUP.lower() + ":"


@dataclass(slots=True, kw_only=True)
class GroupChange:
    """What a group is to become: its two attributes, and the change of its members."""

    display_name: Any
    external_id: Any
    members: MemberChange
    named: int = 0
    """How many members the operations name."""


def apply(change: GroupChange, body: object, known: Callable[[Iterable[str]], list[str]]) -> None:
    """Apply a PatchOp message to `change`; `known` returns those of some ids that may be members, or raises ScimError.

    Raises ScimError 400 with invalidSyntax, invalidPath, invalidValue, invalidFilter, noTarget or mutability.
    """
    for operation in operations(body):
        for path, value in _paths(operation):
            _change(change, operation.verb, path, value, known)
    if not isinstance(change.display_name, str) or not change.display_name:
        raise ScimError(400, "Attribute 'displayName' is required and must be a string.", "invalidValue")


def _paths(operation: Operation) -> list[tuple[str, object]]:
    if operation.path is not None:
        return [(operation.path, operation.value)]
    if not isinstance(operation.value, dict):
        raise ScimError(400, "An operation without a path needs an object as its value.", "invalidValue")
    return [(path, value) for path, value in operation.value.items() if path.lower() != "id"]


def _change(
    change: GroupChange, verb: str, path: str, value: object, known: Callable[[Iterable[str]], list[str]]
) -> None:
    name = path[len(_URN) :] if path.lower().startswith(_URN) else path
    lowered = name.lower()
    if lowered == "displayname":
        if verb == "remove":
            raise ScimError(400, "'displayName' is required and cannot be removed.", "mutability")
        change.display_name = value
    elif lowered == "externalid":
        change.external_id = None if verb == "remove" else value
    elif lowered == "members":
        _change_members(change, verb, value, known)
    elif lowered.startswith("members[") and name.endswith("]"):
        _select_members(change, verb, name[len("members[") : -1])
    elif lowered in ("id", "meta"):
        raise ScimError(400, f"'{lowered}' is read-only.", "mutability")
    elif lowered != "schemas":
        raise ScimError(400, "The path names an attribute that groups do not have.", "invalidPath")


def _change_members(change: GroupChange, verb: str, value: object, known: Callable[[Iterable[str]], list[str]]) -> None:
    if verb == "remove":
        if value is MISSING or value is None:
            change.members.clear()
            return
        named = listed(value)
        change.named += len(named)
        change.members.remove(named)
        return
    named = listed(value)
    change.named += len(named)
    if verb == "replace":
        change.members.clear()
    change.members.add(known(named))


def _select_members(change: GroupChange, verb: str, conditions: str) -> None:
    parsed = parse_conditions(conditions)
    if verb != "remove" or any(name != "value" for name, _ in parsed):
        raise ScimError(400, "Members can be selected by value only, and only to be removed.", "invalidFilter")
    change.named += len(parsed)
    change.members.remove(str(member) for _, member in parsed)


def listed(value: object) -> list[str]:
    """The ids in a members value: an array of objects with `value`, or one such object."""
    ids: list[str] = []
    for entry in value if isinstance(value, list) else [value] if value is not None else []:
        member = entry.get("value") if isinstance(entry, dict) else entry
        if not isinstance(member, str) or not member:
            raise ScimError(400, "Each of 'members' must be an object with a 'value'.", "invalidValue")
        ids.append(member)
    return ids
