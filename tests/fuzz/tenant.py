"""The simulated tenant of a run, changed as its control plane would, and asked for the truth."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import orjson

from simulators.graph.directory import Directory
from simulators.graph.entities import DEFAULT_ACCESS_ROLE_ID, Group, State, User
from simulators.graph.journal import Journal
from simulators.graph.knobs import Knobs
from simulators.graph.mutations import transact
from simulators.graph.refusal import RefusedError
from simulators.graph.seed import SeedPlan
from simulators.graph.simulation import Simulation
from simulators.graph.truth import truth
from tests.fuzz.plans import Mutation, Plan
from tests.fuzz.shadow import Shadow

CITIES = ("Oslo", "Bergen", None, "Tromsø")


class Tenant:
    """One tenant for one run, in a simulator that is used again and again."""

    def __init__(self, sim: Simulation, plan: Plan, started: datetime) -> None:
        self.sim = sim
        sim.knobs, sim.journal = Knobs(), Journal()
        sim.faults.armed.clear()
        sim.clock.reset()
        sim.access.expire()
        sim.reseed(
            SeedPlan(
                users=plan.users,
                groups=plan.groups,
                seed=plan.seed,
                assignments=min(1, plan.groups),
                direct_assignments=1,
            )
        )
        sim.clock.frozen_at = started.timestamp()
        self.turn({"appRoles": None})
        sim.knobs.turn(plan.knobs)
        sim.directory.relist()
        self.shadow = Shadow(sim)
        changed = sim.notifier.changed

        def committed(lsn: int, staged: Any) -> None:
            changed(lsn, staged)
            self.shadow.record()

        sim.directory.on_commit = committed

    @property
    def directory(self) -> Directory:
        return self.sim.directory

    def turn(self, knobs: dict[str, Any]) -> None:
        """Turn knobs, or with ``appRoles`` declare the roles that a run starts and ends with."""
        if "appRoles" in knobs:
            self._declare("User", "Manager")
            return
        self.sim.knobs.turn(knobs)
        self.sim.directory.relist()

    def change(self, mutations: list[Mutation], *, together: bool = False) -> None:
        """Apply mutations; those that the tenant refuses are left out, together with the transaction that they are in.

        Each transaction picks whom it concerns from what the one before it left: who was just created can be assigned.
        """
        batches: Iterable[list[dict[str, Any]]] = (
            [[one for mutation in mutations for one in self._told(mutation)]]
            if together
            else ([one] for mutation in mutations for one in self._told(mutation))
        )
        for batch in batches:
            try:
                transact(self.sim, batch)
            except RefusedError:
                continue

    def _declare(self, *values: str, rename: str | None = None) -> None:
        known = {value: role_id for role_id, value in self.directory.application.role_names.items()}
        original = self.directory.tenant.roles[0].id
        roles = [
            {"value": rename or value, "id": original} if value == "User" else {"value": value} for value in values
        ]
        roles = [
            role if "id" in role else role | ({"id": known[role["value"]]} if role["value"] in known else {})
            for role in roles
        ]
        transact(self.sim, [{"op": "updateServicePrincipal", "properties": {"appRoles": roles}}])

    def _whom(self, op: str, order: Sequence[User | Group]) -> list[str]:
        """Ids of those whom an operation can concern; of all when there are none."""
        held = self.directory.application.by_principal
        fitting = [
            one.id
            for one in order
            if (one.state is State.SOFT) is (op.startswith("restore") or op == "unassignDeleted")
            and (one.state is not State.HARD)
            and (not op.startswith("unassign") or held.get(one.id))
            and (op != "removeMember" or not isinstance(one, User) or one.groups)
        ]
        return fitting or [one.id for one in order]

    def _told(self, mutation: Mutation) -> list[dict[str, Any]]:
        op, first, second, role = mutation
        directory = self.directory
        users = self._whom(op, directory.user_order)
        groups = self._whom(op, directory.group_order)
        user = users[first % len(users)] if users else ""
        group = groups[second % len(groups)] if groups else ""
        if op in ("removeMember", "addMember") and user:
            belongs = [one for one in groups if (user in directory.groups[one].members) is (op == "removeMember")]
            group = belongs[second % len(belongs)] if belongs else group
        everybody = [one.id for one in directory.user_order]
        everything = [one.id for one in directory.group_order]
        other = everything[first % len(everything)] if everything else ""
        memberships = list(directory.users[user].groups) if user else []
        assigned_groups = [one for one in everything if directory.application.by_principal.get(one)]
        match op:
            case "assignUser" | "assignGroup":
                kind, principal = ("User", user) if op == "assignUser" else ("Group", group)
                return [{"op": "assign", "principalType": kind, "principalId": principal, "role": role}]
            case "unassignUser" | "unassignDeleted" | "unassignGroup":
                return [{"op": "unassign", "principalId": group if op == "unassignGroup" else user}]
            case "addMember" | "removeMember":
                return [{"op": op, "groupId": group, "userId": user}]
            case "nest" | "unnest":
                return [{"op": {"nest": "addMember", "unnest": "removeMember"}[op], "groupId": group, "userId": other}]
            case "city":
                return [{"op": "updateUser", "userId": user, "properties": {"city": CITIES[second]}}]
            case "manage":
                manager = {"managerId": everybody[second % len(everybody)]} if second else {}
                return [{"op": "setManager", "userId": user, **manager}]
            case "enabled":
                return [{"op": "updateUser", "userId": user, "properties": {"accountEnabled": second > 0}}]
            case "softDelete" | "restore" | "hardDelete":
                return [{"op": f"{op}User", "userId": user}]
            case "createUser":
                return [{"op": "createUser"}] if len(directory.user_order) < 12 else []
            case "swapToDirect":
                assign = {"op": "assign", "principalType": "User", "principalId": user, "role": role}
                return [assign, *({"op": "removeMember", "groupId": one, "userId": user} for one in memberships)]
            case "swapToGroup":
                add = [{"op": "addMember", "groupId": one, "userId": user} for one in assigned_groups[:1]]
                return [*add, {"op": "unassign", "principalId": user}]
            case "createGroup":
                return [{"op": "createGroup", "members": [user]}] if len(directory.group_order) < 5 else []
            case "secure":
                return [{"op": "updateGroup", "groupId": group, "properties": {"securityEnabled": first > 4}}]
            case "renameGroup":
                return [
                    {
                        "op": "updateGroup",
                        "groupId": group,
                        "properties": {"displayName": f"Group {first}", "description": CITIES[second]},
                    }
                ]
            case "deleteGroup" | "restoreGroup":
                return [{"op": op, "groupId": group}]
            case "purgeGroup":
                return [{"op": "deleteGroup", "groupId": group, "permanent": True}]
            case "device":
                thing = f"d0d0d0d0-0000-4000-8000-{first:012x}"
                created = {"op": "createObject", "kind": "device", "objectId": thing}
                return [created, {"op": "addMember", "groupId": group, "userId": thing}]
            case "robot":
                thing = f"50505050-0000-4000-8000-{first:012x}"
                created = {"op": "createObject", "kind": "servicePrincipal", "objectId": thing}
                return [
                    created,
                    {"op": "assign", "principalType": "ServicePrincipal", "principalId": thing, "role": role},
                ]
            case "disable" | "enable":
                return [{"op": "updateServicePrincipal", "properties": {"accountEnabled": op == "enable"}}]
            case "delete" | "undelete":
                return [{"op": {"delete": "deleteServicePrincipal", "undelete": "restoreServicePrincipal"}[op]}]
            case "declare":
                self._declare("User", "Manager")
            case "rename":
                self._declare("User", "Manager", rename="Seller")
            case "undeclare":
                self._declare("User")
        return []

    def put_right(self) -> None:
        """Let everything that is disturbed end: faults, replicas, consent, the application, throttling."""
        sim = self.sim
        sim.faults.armed.clear()
        sim.replica.reset()
        sim.knobs.turn({"consentRevoked": False, "permissions": Knobs().permissions})
        for op in ("undelete", "enable", "declare"):
            self.change([(op, 0, 0, "")])

    def roles_that_count(self, required: list[str]) -> frozenset[str]:
        """Ids of the roles with these names; of those that are declared now, and Default Access."""
        declared = self.directory.application.service_principal.properties["appRoles"]
        named = {role["id"]: role["value"] for role in declared} | {DEFAULT_ACCESS_ROLE_ID: "Default Access"}
        return frozenset(role_id for role_id, value in named.items() if value in required)

    def effective(self, *, nested: bool) -> dict[str, dict[str, Any]]:
        """By the simulator's own reckoning: who and what is live and holds any role, with names of roles and properties."""
        told = orjson.loads(truth(self.sim, "User", nested=nested))
        users = {user_id: user for user_id, user in told["users"].items() if user["state"] == "live" and user["roles"]}
        return users | {group_id: group for group_id, group in told["groups"].items() if group["assignable"]}
