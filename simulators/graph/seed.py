"""A tenant from a seed: the same numbers give the same ids, names and memberships."""

import random

from simulators.graph.directory import Directory
from simulators.graph.entities import AppRole, Group, Tenant, User
from simulators.graph.knobs import Knobs
from simulators.graph.names import group_name, person


def populate(*, users: int, groups: int, seed: int, knobs: Knobs) -> Directory:
    """A tenant with users and groups at LSN 1 and no assignments.

    One user in 20 is in no group, one in 10 in two, the others in one. With two groups or more the last one is a member
    of the first; its users are not thereby assigned when the first is.
    """
    source = random.Random(f"{seed}/{users}/{groups}")
    directory = Directory(constants(seed), knobs, source)
    directory.relist()
    for number in range(users):
        user = User(person(directory.new_id(), number, source))
        directory.users[user.id] = user
        directory.user_order.append(user)
        directory.by_name[str(user.properties["userPrincipalName"]).casefold()] = user.id
    for number in range(groups):
        group = Group(
            {"id": directory.new_id(), "displayName": group_name(number), "securityEnabled": True, "groupTypes": []},
        )
        directory.groups[group.id] = group
        directory.group_order.append(group)
    if groups:
        for user in directory.user_order:
            _place(user, directory.group_order, source)
    if groups > 1:
        directory.group_order[0].link(directory.group_order[-1].id, 1)
    return directory


def _place(user: User, groups: list[Group], source: random.Random) -> None:
    chance = source.random()
    count = 0 if chance < 0.05 else 2 if chance < 0.15 and len(groups) > 1 else 1
    for group in source.sample(groups, count) if count else ():
        group.link(user.id, 1)
        user.groups.append(group.id)


def constants(seed: int) -> Tenant:
    """The tenant, the client and the application of a seed. The secret is the same for all and opens nothing."""
    source = random.Random(f"tenant {seed}")

    def identifier() -> str:
        bits = f"{source.getrandbits(128):032x}"
        return f"{bits[:8]}-{bits[8:12]}-4{bits[13:16]}-8{bits[17:20]}-{bits[20:]}"

    return Tenant(
        id=identifier(),
        client_id=identifier(),
        client_secret="simulated-client-secret",  # noqa: S106 - opens nothing but this simulator
        service_principal_id=identifier(),
        app_id=identifier(),
        app_display_name="LinkedIn Sales Navigator",
        roles=(AppRole(id=identifier(), value="User", display_name="User"),),
    )
