"""Transactions of the control plane: a list of changes that take effect at one LSN, or not at all."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from simulators.graph.directory import RefusedError
from simulators.graph.entities import DEFAULT_ACCESS_ROLE_ID, GROUP_TEXT, USER_TEXT
from simulators.graph.names import group_name, person

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,7}))?Z")
_REQUIRED = object()


class Fields:
    """One mutation being read: each field is taken once, and what is left over is an error."""

    def __init__(self, mutation: Any) -> None:
        if not isinstance(mutation, dict):
            raise RefusedError("", "must be an object")
        self._left = dict(mutation)

    def text(self, name: str, default: Any = _REQUIRED) -> Any:
        """A text field; raises :class:`RefusedError` when it is missing or no text."""
        value = self._left.pop(name, default)
        if value is _REQUIRED or (value is not default and not (isinstance(value, str) and value)):
            raise RefusedError(name, "must be a text that is not empty")
        return value

    def identifier(self, name: str, default: Any = _REQUIRED) -> Any:
        """An object id, folded to lower case."""
        value = self.text(name, default)
        if value is not default and not _UUID.fullmatch(value.casefold()):
            raise RefusedError(name, "must be a UUID")
        return value if value is default else value.casefold()

    def take(self, name: str, kind: type, default: Any) -> Any:
        """A field of some JSON type."""
        value = self._left.pop(name, default)
        if not isinstance(value, kind):
            raise RefusedError(name, f"must be a {kind.__name__}")
        return value

    def done(self) -> None:
        """Raise :class:`RefusedError` when a field was not taken."""
        if self._left:
            raise RefusedError(min(self._left), "no such field of this op")


def transact(sim: "Simulation", mutations: Any) -> dict[str, Any]:
    """Apply all mutations at one LSN; raises :class:`RefusedError` naming the bad field, and then nothing has changed.

    Returns ``{"lsn", "at", "results": [...]}`` with the ids that each mutation created.
    """
    if not isinstance(mutations, list):
        raise RefusedError("mutations", "must be a list")
    results = []
    for index, mutation in enumerate(mutations):
        try:
            fields = Fields(mutation)
            op = fields.text("op")
            if op not in OPS:
                raise RefusedError("op", f"must be one of {', '.join(OPS)}")
            results.append(OPS[op](sim, fields))
        except RefusedError as refused:
            sim.directory.roll_back()
            place = f"mutations[{index}]"
            raise RefusedError(f"{place}.{refused.field}" if refused.field else place, refused.message) from None
    return {"lsn": sim.directory.commit(), "at": sim.clock.now(), "results": results}


def _assign(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    kind, principal = fields.text("principalType"), fields.identifier("principalId")
    role, created = fields.text("role"), fields.text("createdDateTime", None)
    fields.done()
    if kind not in ("User", "Group"):
        raise RefusedError("principalType", 'must be "User" or "Group"')
    made = sim.directory.assign(
        principal_type=kind,
        principal_id=principal,
        role_id=_role_id(sim, role),
        created=instant(created, sim.clock.now()),
    )
    return {"assignmentId": made.id, "createdDateTime": made.created}


def _unassign(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    principal, role = fields.identifier("principalId"), fields.text("role", None)
    fields.text("principalType", None)
    fields.done()
    gone = sim.directory.unassign(principal, None if role is None else _role_id(sim, role))
    return {"assignmentIds": gone}


def _create_user(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    user_id, given = fields.identifier("userId", None), _properties(fields, USER_TEXT)
    fields.done()
    directory = sim.directory
    invented = person(user_id or directory.new_id(), len(directory.user_order), directory.random)
    if "userPrincipalName" in given:
        invented.pop("mail", None)
    user = directory.create_user({**invented, **given})
    return {"userId": user.id, "userPrincipalName": user.properties["userPrincipalName"]}


def _update_user(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    user_id, given = fields.identifier("userId"), _properties(fields, USER_TEXT)
    fields.done()
    sim.directory.update_user(user_id, given)
    return {"userId": user_id}


def _create_group(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    group_id, name = fields.identifier("groupId", None), fields.text("displayName", None)
    members = fields.take("members", list, [])
    fields.done()
    directory = sim.directory
    properties: dict[str, Any] = {
        "id": group_id or directory.new_id(),
        "displayName": name or group_name(len(directory.group_order)),
        "securityEnabled": True,
        "groupTypes": [],
    }
    return {"groupId": directory.create_group(properties, [str(member).casefold() for member in members]).id}


def _update_group(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    group_id, given = fields.identifier("groupId"), _properties(fields, GROUP_TEXT)
    fields.done()
    sim.directory.update_group(group_id, given)
    return {"groupId": group_id}


def _delete_group(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    group_id, permanent = fields.identifier("groupId"), fields.take("permanent", bool, False)
    fields.done()
    sim.directory.delete_group(group_id, permanent=permanent)
    return {"groupId": group_id}


def _on(name: str, method: str) -> Callable[["Simulation", Fields], dict[str, Any]]:
    def run(sim: "Simulation", fields: Fields) -> dict[str, Any]:
        object_id = fields.identifier(name)
        fields.done()
        getattr(sim.directory, method)(object_id)
        return {name: object_id}

    return run


def _membership(method: str) -> Callable[["Simulation", Fields], dict[str, Any]]:
    def run(sim: "Simulation", fields: Fields) -> dict[str, Any]:
        group_id, user_id = fields.identifier("groupId"), fields.identifier("userId")
        fields.done()
        getattr(sim.directory, method)(group_id, user_id)
        return {"groupId": group_id, "userId": user_id}

    return run


OPS: dict[str, Callable[["Simulation", Fields], dict[str, Any]]] = {
    "assign": _assign,
    "unassign": _unassign,
    "createUser": _create_user,
    "updateUser": _update_user,
    "softDeleteUser": _on("userId", "soft_delete_user"),
    "restoreUser": _on("userId", "restore_user"),
    "hardDeleteUser": _on("userId", "hard_delete_user"),
    "createGroup": _create_group,
    "updateGroup": _update_group,
    "deleteGroup": _delete_group,
    "restoreGroup": _on("groupId", "restore_group"),
    "addMember": _membership("add_member"),
    "removeMember": _membership("remove_member"),
}


def _properties(fields: Fields, texts: frozenset[str]) -> dict[str, Any]:
    given: dict[str, Any] = fields.take("properties", dict, {})
    for name, value in given.items():
        place = f"properties.{name}"
        if name == "accountEnabled" and texts is USER_TEXT:
            if not isinstance(value, bool):
                raise RefusedError(place, "must be true or false")
        elif name not in texts:
            raise RefusedError(place, "no property that can be written")
        elif not isinstance(value, str) and (value is not None or name in ("userPrincipalName", "displayName")):
            raise RefusedError(place, "must be a text")
    return given


def _role_id(sim: "Simulation", role: str) -> str:
    if role in ("Default Access", DEFAULT_ACCESS_ROLE_ID):
        return DEFAULT_ACCESS_ROLE_ID
    for declared in sim.directory.tenant.roles:
        if role in (declared.id, declared.value, declared.display_name):
            return declared.id
    raise RefusedError("role", "the application declares no such role")


def instant(text: str | None, now: float) -> str:
    """An ISO 8601 instant with seven digits after the second, as Graph writes it; ``now`` when none is given."""
    if text is None:
        return f"{datetime.fromtimestamp(now, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
    found = _INSTANT.fullmatch(text)
    if found is None:
        raise RefusedError("createdDateTime", "must be like 2026-03-01T10:00:00Z")
    return f"{found.group(1)}.{(found.group(2) or ''):0<7}Z"
