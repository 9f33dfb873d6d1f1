"""Mutations of the application, its assignments, and of objects that are neither user nor group."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulators.graph.entities import State, role_json
from simulators.graph.fields import Fields
from simulators.graph.instants import instant
from simulators.graph.refusal import RefusedError

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

Run = Callable[["Simulation", Fields], dict[str, Any]]
PRINCIPALS = ("User", "Group", "ServicePrincipal")


def _assign(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    kind, principal = fields.text("principalType"), fields.identifier("principalId")
    role, created = fields.text("role"), fields.text("createdDateTime", None)
    fields.done()
    if kind not in PRINCIPALS:
        raise RefusedError("principalType", f"must be one of {', '.join(PRINCIPALS)}")
    try:
        moment = instant(created, sim.clock.now())
    except ValueError as error:
        raise RefusedError("createdDateTime", str(error)) from None
    role_id = sim.directory.application.role_id(role)
    made = sim.directory.assign(principal_type=kind, principal_id=principal, role_id=role_id, created=moment)
    return {"assignmentId": made.id, "createdDateTime": made.created}


def _unassign(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    principal, role = fields.identifier("principalId"), fields.text("role", None)
    fields.text("principalType", None)
    fields.done()
    role_id = None if role is None else sim.directory.application.role_id(role)
    return {"assignmentIds": sim.directory.unassign(principal, role_id)}


def _create_object(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    """``kind`` is the ``@odata.type`` without its prefix; a "servicePrincipal" can be assigned, everything be a member."""
    kind, object_id = fields.text("kind"), fields.identifier("objectId", None)
    name = fields.text("displayName", f"A {kind}")
    fields.done()
    if kind in ("user", "group"):
        raise RefusedError("kind", "users and groups have ops of their own")
    properties = {"id": object_id or sim.directory.new_id(), "displayName": name}
    return {"objectId": sim.directory.create_thing(kind, properties).id}


def _update_application(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    """Write ``accountEnabled``, ``appRoleAssignmentRequired``, ``displayName``, or all ``appRoles``.

    A role is ``{"value", "id", "displayName", "isEnabled"}``; without an id it gets one, or keeps that of its value.
    """
    given = fields.take("properties", dict, {})
    fields.done()
    for name, value in given.items():
        if name in ("accountEnabled", "appRoleAssignmentRequired"):
            _must(isinstance(value, bool), f"properties.{name}", "must be true or false")
        elif name == "displayName":
            _must(isinstance(value, str), "properties.displayName", "must be a text")
        elif name == "appRoles":
            _must(isinstance(value, list), "properties.appRoles", "must be a list")
        else:
            raise RefusedError(f"properties.{name}", "no property that can be written")
    if "appRoles" in given:
        given = {**given, "appRoles": [_role(sim, number, role) for number, role in enumerate(given["appRoles"])]}
    sim.directory.change_application(given)
    return {"appRoles": [{"id": role["id"], "value": role["value"]} for role in given.get("appRoles", [])]}


def _role(sim: "Simulation", number: int, role: Any) -> dict[str, Any]:
    place = f"properties.appRoles[{number}]"
    if not isinstance(role, dict) or not isinstance(role.get("value"), str):
        raise RefusedError(place, "must be an object with a value")
    if stray := set(role) - {"id", "value", "displayName", "isEnabled"}:
        raise RefusedError(f"{place}.{min(stray)}", "no such field")
    known = {value: role_id for role_id, value in sim.directory.application.role_names.items()}
    value = role["value"]
    role_id = str(role.get("id") or known.get(value) or sim.directory.new_id())
    return role_json(role_id, value, str(role.get("displayName", value)), enabled=bool(role.get("isEnabled", True)))


def _move_application(state: State) -> Run:
    def run(sim: "Simulation", fields: Fields) -> dict[str, Any]:
        fields.done()
        sim.directory.move_application(state)
        return {}

    return run


def _must(holds: bool, field: str, message: str) -> None:
    if not holds:
        raise RefusedError(field, message)


APPLICATION_OPS: dict[str, Run] = {
    "assign": _assign,
    "unassign": _unassign,
    "createObject": _create_object,
    "updateServicePrincipal": _update_application,
    "deleteServicePrincipal": _move_application(State.SOFT),
    "restoreServicePrincipal": _move_application(State.LIVE),
}
