"""A tenant from a seed: the same numbers give the same ids, names and memberships."""

import random
from dataclasses import dataclass, fields
from typing import Any

from simulators.graph.directory import Directory
from simulators.graph.entities import AppRole, Group, Tenant, User
from simulators.graph.knobs import Knobs, camel
from simulators.graph.names import group_name, person
from simulators.graph.refusal import RefusedError

CREATED = "2026-01-01T00:00:00.0000000Z"
"""When the seeded assignments were made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeedPlan:
    """How big a tenant is.

    ``memberships``: how many there are in all, spread unevenly over the groups; without it one user in 20 is in no group,
    one in 10 in two, the others in one. ``assignments``: so many of the first groups are assigned with the role "User";
    ``direct_assignments``: so many of the first users. ``insecure_groups``: so many of the last groups are not
    security-enabled.
    """

    users: int = 0
    groups: int = 0
    seed: int = 1
    memberships: int | None = None
    assignments: int = 0
    direct_assignments: int = 0
    insecure_groups: int = 0

    @classmethod
    def read(cls, asked: dict[str, Any], *, seed: int) -> "SeedPlan":
        """A plan from JSON with the names in camel case; raises :class:`RefusedError`."""
        known = {camel(one.name): one.name for one in fields(cls)}
        values: dict[str, Any] = {"seed": seed}
        for name, value in asked.items():
            if name not in known:
                raise RefusedError(name, "no such field")
            if value is None and name == "memberships":
                continue
            if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 1_000_000_000:
                raise RefusedError(name, "must be a whole number that is not negative")
            values[known[name]] = value
        plan = cls(**values)
        for name, most in (
            ("assignments", plan.groups),
            ("insecureGroups", plan.groups),
            ("directAssignments", plan.users),
            ("memberships", plan.groups * plan.users),
        ):
            if (getattr(plan, known[name]) or 0) > most:
                raise RefusedError(name, f"must be at most {most}")
        return plan


def populate(plan: SeedPlan, knobs: Knobs) -> Directory:
    """A tenant with users, managers of some of them, groups, memberships and assignments, at LSN 1.

    With two groups or more the last one is a member of the first; its users are not thereby assigned when the first is.
    """
    source = random.Random(f"{plan.seed}/{plan.users}/{plan.groups}")
    directory = Directory(constants(plan.seed), knobs, source)
    directory.relist()
    for number in range(plan.users):
        user = User(person(directory.new_id(), number, source))
        directory.users[user.id] = user
        directory.user_order.append(user)
        directory.by_name[str(user.properties["userPrincipalName"]).casefold()] = user.id
    for number in range(plan.groups):
        secure = number < plan.groups - plan.insecure_groups
        group = Group(
            {"id": directory.new_id(), "displayName": group_name(number), "securityEnabled": secure, "groupTypes": []},
        )
        directory.groups[group.id] = group
        directory.group_order.append(group)
    _report(directory.user_order)
    if plan.memberships is not None:
        _spread(directory, plan.memberships, source)
    elif plan.groups:
        for user in directory.user_order:
            _place(user, directory.group_order, source)
    if plan.groups > 1:
        directory.group_order[0].link(directory.group_order[-1].id, 1)
    _assign(directory, plan)
    return directory


def _report(users: list[User]) -> None:
    """Two users in three report to one of the first tenth."""
    for number, user in enumerate(users):
        manager = users[number // 10]
        if number % 3 and manager is not user:
            user.properties["manager"] = manager.id
            manager.reports.add(user.id)


def _assign(directory: Directory, plan: SeedPlan) -> None:
    role, application = directory.tenant.roles[0].id, directory.application
    for group in directory.group_order[: plan.assignments]:
        application.assign(group, kind="Group", role_id=role, created=CREATED, lsn=1)
    for user in directory.user_order[: plan.direct_assignments]:
        application.assign(user, kind="User", role_id=role, created=CREATED, lsn=1)
    directory.forget_undo()


def _spread(directory: Directory, total: int, source: random.Random) -> None:
    """Give each group between a fifth and nine fifths of the average, and the remainder to whichever has room."""
    groups, users = directory.group_order, directory.user_order
    if not groups or not users:
        return
    average = total / len(groups)
    sizes = [min(len(users), int(average * (0.2 + 1.6 * source.random()))) for _ in groups]
    place, missing = 0, total - sum(sizes)
    while missing:
        step = 1 if missing > 0 else -1
        change = step * min(abs(missing), max(1, abs(missing) // len(groups)))
        change = min(change, len(users) - sizes[place]) if step > 0 else max(change, -sizes[place])
        sizes[place] += change
        missing -= change
        place = (place + 1) % len(groups)
    for group, size in zip(groups, sizes, strict=True):
        chosen = source.sample(users, size)
        group.fill([user.id for user in chosen])
        for user in chosen:
            user.groups.append(group.id)


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
