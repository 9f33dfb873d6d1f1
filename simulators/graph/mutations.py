"""Transactions of the control plane: a list of changes that take effect at one LSN, or not at all."""

from typing import TYPE_CHECKING, Any

from simulators.graph.entities import GROUP_TEXT, USER_TEXT
from simulators.graph.fields import Fields
from simulators.graph.mutations_application import APPLICATION_OPS, Run
from simulators.graph.names import group_name, guest, person
from simulators.graph.refusal import RefusedError

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation

FLAGS = {"user": ("accountEnabled",), "group": ("securityEnabled", "mailEnabled")}


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


def _create_user(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    user_id, given = fields.identifier("userId", None), _properties(fields, "user")
    fields.done()
    directory = sim.directory
    invented = person(user_id or directory.new_id(), len(directory.user_order), directory.random)
    if "userPrincipalName" in given:
        invented.pop("mail", None)
    elif given.get("userType") == "Guest":
        guest(invented)
    user = directory.create_user({**invented, **given})
    return {"userId": user.id, "userPrincipalName": user.properties["userPrincipalName"]}


def _update_user(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    user_id, given = fields.identifier("userId"), _properties(fields, "user")
    fields.done()
    sim.directory.update_user(user_id, given)
    return {"userId": user_id}


def _set_manager(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    user_id, manager_id = fields.identifier("userId"), fields.identifier("managerId", None)
    fields.done()
    sim.directory.set_manager(user_id, manager_id)
    return {"userId": user_id, "managerId": manager_id}


def _create_group(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    group_id, name = fields.identifier("groupId", None), fields.text("displayName", None)
    members, given = fields.take("members", list, []), _properties(fields, "group")
    fields.done()
    directory = sim.directory
    properties: dict[str, Any] = {
        "id": group_id or directory.new_id(),
        "displayName": name or group_name(len(directory.group_order)),
        "securityEnabled": True,
        "groupTypes": [],
        **given,
    }
    return {"groupId": directory.create_group(properties, [str(member).casefold() for member in members]).id}


def _update_group(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    group_id, given = fields.identifier("groupId"), _properties(fields, "group")
    fields.done()
    sim.directory.update_group(group_id, given)
    return {"groupId": group_id}


def _delete_group(sim: "Simulation", fields: Fields) -> dict[str, Any]:
    group_id, permanent = fields.identifier("groupId"), fields.take("permanent", bool, False)
    fields.done()
    sim.directory.delete_group(group_id, permanent=permanent)
    return {"groupId": group_id}


def _on(name: str, method: str) -> Run:
    def run(sim: "Simulation", fields: Fields) -> dict[str, Any]:
        object_id = fields.identifier(name)
        fields.done()
        getattr(sim.directory, method)(object_id)
        return {name: object_id}

    return run


def _membership(method: str) -> Run:
    def run(sim: "Simulation", fields: Fields) -> dict[str, Any]:
        group_id, user_id = fields.identifier("groupId"), fields.identifier("userId")
        fields.done()
        getattr(sim.directory, method)(group_id, user_id)
        return {"groupId": group_id, "userId": user_id}

    return run


OPS: dict[str, Run] = {
    **APPLICATION_OPS,
    "createUser": _create_user,
    "updateUser": _update_user,
    "setManager": _set_manager,
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


def _properties(fields: Fields, kind: str) -> dict[str, Any]:
    """The ``properties`` of a mutation. With ``unchecked`` a text property may hold anything, as no real one should."""
    given: dict[str, Any] = fields.take("properties", dict, {})
    unchecked = fields.take("unchecked", bool, False)
    texts = USER_TEXT if kind == "user" else GROUP_TEXT
    for name, value in given.items():
        place = f"properties.{name}"
        if name in FLAGS[kind]:
            if not isinstance(value, bool) and not unchecked:
                raise RefusedError(place, "must be true or false")
        elif name == "groupTypes" and kind == "group":
            if not isinstance(value, list):
                raise RefusedError(place, "must be a list")
        elif name not in texts:
            raise RefusedError(place, "no property that can be written")
        elif unchecked and name != "userPrincipalName":
            continue
        elif not isinstance(value, str) and (value is not None or name in ("userPrincipalName", "displayName")):
            raise RefusedError(place, "must be a text")
    return given
