"""The oracle: who is effectively assigned, from the state alone and by code of its own (nothing of the delta engine)."""

from typing import TYPE_CHECKING, Any

import orjson

from simulators.graph.entities import DEFAULT_ACCESS_ROLE_ID, State

if TYPE_CHECKING:
    from simulators.graph.simulation import Simulation


def truth(sim: "Simulation", role: str) -> bytes:
    """The JSON of ``/_sim/truth``: every user with a path to an assignment or a deletion in its life.

    A path is an assignment of the user, or of a live group with the user as a direct member. ``assigned``: live, and
    some path gives ``role``. ``assignedAt``: the earliest createdDateTime of an assignment that gives it.
    Raises ``KeyError`` for a role that the application does not know.
    """
    directory = sim.directory
    names = {DEFAULT_ACCESS_ROLE_ID: "Default Access"}
    names |= {declared.id: declared.value for declared in directory.tenant.roles}
    if role not in names.values():
        raise KeyError(role)
    roles: dict[str, set[str]] = {}
    since: dict[str, str] = {}

    def reach(user_id: str, name: str, created: str) -> None:
        roles.setdefault(user_id, set()).add(name)
        if name == role and created < since.get(user_id, "~"):
            since[user_id] = created

    for assignment in directory.assignments.values():
        name = names[assignment.role_id]
        if assignment.principal_type == "User":
            reach(assignment.principal_id, name, assignment.created)
            continue
        group = directory.groups[assignment.principal_id]
        if group.state is State.LIVE:
            for member_id in group.members:
                reach(member_id, name, assignment.created)

    users: dict[str, Any] = {}
    for user_id in [*roles, *sorted(directory.ever_deleted - roles.keys())]:
        user = directory.users.get(user_id)
        if user is not None:  # a nested group is a member too, and nobody through it
            held = roles.get(user_id, set())
            users[user_id] = {
                "assigned": user.state is State.LIVE and role in held,
                "roles": sorted(held),
                "assignedAt": since.get(user_id),
                "state": user.state,
                "properties": user.properties,
            }
    living = sum(user.state is State.LIVE for user in directory.user_order)
    return orjson.dumps({"lsn": directory.log.lsn, "users": users, "directoryUsers": living})
