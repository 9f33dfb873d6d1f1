"""The oracle: who and what is effectively assigned, from the state alone and by code of its own (nothing of the delta engine)."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.entities import State

if TYPE_CHECKING:
    from simulators.graph.directory import Directory
    from simulators.graph.simulation import Simulation


def truth(sim: "Simulation", role: str, *, nested: bool = False) -> bytes:
    """The JSON of ``/_sim/truth``: every user with a path to an assignment or a deletion in its life.

    A path is an assignment of the user, or of a live and security-enabled group with the user as a direct member; with
    ``nested`` also as a member of groups in it, each of them live and security-enabled. ``assigned``: live, and some path
    gives ``role``. ``assignedAt``: the earliest createdDateTime of an assignment that gives it. Beside them every group with an
    assignment of its own; ``assignable``: live and security-enabled.
    Raises ``KeyError`` for a role that the application never knew.
    """
    directory = sim.directory
    names = directory.application.role_names
    if role not in names.values():
        raise KeyError(role)
    roles: dict[str, set[str]] = {}
    since: dict[str, str] = {}

    def reach(user_id: str, name: str, created: str) -> None:
        roles.setdefault(user_id, set()).add(name)
        if name == role and created < since.get(user_id, "~"):
            since[user_id] = created

    for assignment in directory.application.assignments.values():
        name = names[assignment.role_id]
        if assignment.principal_type == "User":
            reach(assignment.principal_id, name, assignment.created)
        elif assignment.principal_type == "Group":
            for member_id in _members(directory, assignment.principal_id, nested=nested):
                reach(member_id, name, assignment.created)

    groups: dict[str, Any] = {}
    for assignment in directory.application.assignments.values():
        if assignment.principal_type == "Group":
            group = directory.groups[assignment.principal_id]
            told = groups.setdefault(group.id, {"roles": set(), "state": group.state, "properties": group.properties})
            told["roles"].add(names[assignment.role_id])
            told["assignable"] = group.state is State.LIVE and bool(group.properties.get("securityEnabled"))

    users: dict[str, Any] = {}
    for user_id in [*roles, *sorted(directory.ever_deleted - roles.keys())]:
        user = directory.users.get(user_id)
        if user is not None:
            held = roles.get(user_id, set())
            users[user_id] = {
                "assigned": user.state is State.LIVE and role in held,
                "roles": sorted(held),
                "assignedAt": since.get(user_id),
                "state": user.state,
                "properties": user.properties,
            }
    living = sum(user.state is State.LIVE for user in directory.user_order)
    for told in groups.values():
        told["roles"] = sorted(told["roles"])
    return orjson.dumps({"lsn": directory.log.lsn, "users": users, "groups": groups, "directoryUsers": living})


def _members(directory: "Directory", group_id: str, *, nested: bool) -> Iterator[str]:
    """The users that a group gives its assignments to; one may come twice."""
    waiting, met = [group_id], {group_id}
    while waiting:
        group = directory.groups[waiting.pop()]
        if group.state is not State.LIVE or not group.properties.get("securityEnabled"):
            continue
        for member_id in group.members:
            if member_id in directory.users:
                yield member_id
            elif nested and member_id in directory.groups and member_id not in met:
                met.add(member_id)
                waiting.append(member_id)
