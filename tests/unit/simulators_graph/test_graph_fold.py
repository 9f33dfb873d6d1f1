"""Folding delta rounds and listings over any mutations gives what the truth says, whatever the knobs and page sizes."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import orjson
from hypothesis import given, settings
from hypothesis import strategies as st

from simulators.graph.assignments import assigned_to
from simulators.graph.call import Call
from simulators.graph.delta import delta
from simulators.graph.mutations import transact
from simulators.graph.odata import parse_options
from simulators.graph.pages import Page
from simulators.graph.refusal import RefusedError
from simulators.graph.seed import SeedPlan
from simulators.graph.simulation import Simulation
from simulators.graph.truth import truth

USERS, GROUPS = 6, 3
OPS = (
    *("assignUser", "assignGroup", "unassignUser", "unassignGroup", "updateUser", "softDeleteUser", "restoreUser"),
    *("hardDeleteUser", "createUser", "createGroup", "deleteGroup", "purgeGroup", "restoreGroup"),
    *("addMember", "addMember", "removeMember", "removeMember", "updateGroup"),
)
STEP = st.tuples(st.sampled_from(OPS), st.integers(0, USERS), st.integers(0, GROUPS), st.integers(0, 3))
"""An op with the numbers of a user, of a group, and of a role or title."""
KNOBS = st.fixed_dictionaries(
    {
        "pageSize": st.integers(1, 4),
        "memberSlice": st.integers(1, 3),
        "pageMembers": st.integers(1, 5),
        "emptyPages": st.booleans(),
        "hardDeletedMembers": st.sampled_from(["prompt", "late", "never"]),
        "flappedLinks": st.sampled_from(["omit", "removed"]),
        "restoreResendsMembers": st.booleans(),
    }
)


def mutation(sim: Simulation, step: tuple[str, int, int, int]) -> dict[str, Any]:
    op, user_number, group_number, extra = step
    users, groups = sim.directory.user_order, sim.directory.group_order
    user, group = users[user_number % len(users)].id, groups[group_number % len(groups)].id
    role = ("User", "Default Access")[extra % 2]
    made: dict[str, dict[str, Any]] = {
        "assignUser": {"op": "assign", "principalType": "User", "principalId": user, "role": role},
        "assignGroup": {"op": "assign", "principalType": "Group", "principalId": group, "role": role},
        "unassignUser": {"op": "unassign", "principalId": user},
        "unassignGroup": {"op": "unassign", "principalId": group},
        "updateUser": {"op": "updateUser", "userId": user, "properties": {"jobTitle": (None, "A", "B", "C")[extra]}},
        "updateGroup": {"op": "updateGroup", "groupId": group, "properties": {"displayName": f"G{extra}"}},
        "createGroup": {"op": "createGroup", "members": [user]},
        "purgeGroup": {"op": "deleteGroup", "groupId": group, "permanent": True},
        **{name: {"op": name, "userId": user} for name in ("softDeleteUser", "restoreUser", "hardDeleteUser")},
        **{name: {"op": name, "groupId": group} for name in ("deleteGroup", "restoreGroup")},
        **{name: {"op": name, "groupId": group, "userId": user} for name in ("addMember", "removeMember")},
        "createUser": {"op": "createUser"},
    }
    return made[op]


@dataclass
class Mirror:
    """What a client of Graph keeps: users and groups by state, edges, and one deltaLink per stream."""

    sim: Simulation
    between: Callable[[], None]
    users: dict[str, dict[str, Any]] = field(default_factory=dict)
    user_state: dict[str, str] = field(default_factory=dict)
    group_state: dict[str, str] = field(default_factory=dict)
    edges: set[tuple[str, str]] = field(default_factory=set)
    links: dict[str, str] = field(default_factory=dict)
    replays: int = 0

    def call(self, path: str, query: str) -> Call:
        options = parse_options([(k, v) for k, _, v in (pair.partition("=") for pair in query.split("&") if pair)])
        roles = ("Directory.Read.All",)
        return Call(
            sim=self.sim, path=path, origin="http://sim", options=options, authorization=None, prefer="", roles=roles
        )

    def pages(self, path: str, query: str, read: Callable[[Call], Page]) -> Iterator[dict[str, Any]]:
        for _ in range(10_000):
            answered = read(self.call(path, query))
            if answered.replay is not None:
                answered.rows = [*answered.rows, *answered.replay(self.replays), *answered.rows[: self.replays]]
            page = orjson.loads(answered.body())
            yield page
            if "@odata.nextLink" not in page:
                return
            query = page["@odata.nextLink"].partition("?")[2]
            self.between()
        raise AssertionError("the round has no end")

    def round(self, kind: str, select: str) -> None:
        query = self.links.get(kind, f"$select={select}")
        for page in self.pages(f"/v1.0/{kind}/delta", query, lambda call: delta(call, kind)):
            for row in page["value"]:
                (self.user if kind == "users" else self.group)(row)
            assert ("@odata.nextLink" in page) != ("@odata.deltaLink" in page)
            if "@odata.deltaLink" in page:
                self.links[kind] = page["@odata.deltaLink"].partition("?")[2]

    def user(self, row: dict[str, Any]) -> None:
        gone = row.pop("@removed", None)
        self.user_state[row["id"]] = {"changed": "soft", "deleted": "hard"}[gone["reason"]] if gone else "live"
        self.users.setdefault(row["id"], {}).update(row)

    def group(self, row: dict[str, Any]) -> None:
        gone = row.get("@removed")
        self.group_state[row["id"]] = {"changed": "soft", "deleted": "hard"}[gone["reason"]] if gone else "live"
        for member in row.get("members@delta", []):
            edge = (row["id"], member["id"])
            (self.edges.discard if "@removed" in member else self.edges.add)(edge)

    def effective(self) -> dict[str, set[str]]:
        rows = [row for page in self.pages("/v1.0/a", "$top=2", self.listing) for row in page["value"]]
        names = {role.id: role.value for role in self.sim.directory.tenant.roles}
        found: dict[str, set[str]] = {}
        for row in rows:
            principal, role = row["principalId"], names.get(row["appRoleId"], "Default Access")
            users = [principal]
            if row["principalType"] == "Group":
                live = self.group_state.get(principal) == "live"
                users = [member for group, member in self.edges if group == principal and live]
            for user in users:
                if self.user_state.get(user) == "live":
                    found.setdefault(user, set()).add(role)
        return found

    def listing(self, call: Call) -> Page:
        return assigned_to(call, self.sim.directory.tenant.service_principal_id)


SELECTS = {"users": "displayName,jobTitle,userPrincipalName", "groups": "displayName,members"}


@settings(max_examples=150, deadline=None)
@given(
    knobs=KNOBS,
    before=st.lists(STEP, max_size=15),
    bursts=st.lists(st.lists(STEP, max_size=8), max_size=5),
    seed=st.integers(0, 9),
    lags=st.lists(st.tuples(st.sampled_from(["users", "groups", "assignments"]), st.integers(0, 3)), max_size=5),
    replays=st.integers(0, 2),
)
def test_folded_rounds_equal_the_truth(
    knobs: dict[str, Any],
    before: list[tuple[str, int, int, int]],
    bursts: list[list[tuple[str, int, int, int]]],
    seed: int,
    lags: list[tuple[str, int]],
    replays: int,
) -> None:
    sim = Simulation(SeedPlan(users=USERS, groups=GROUPS, seed=seed))
    sim.knobs.turn(knobs)
    for name, transactions in lags:
        sim.replica.set({"lag": {name: {"transactions": transactions}}})
    waiting: list[tuple[str, int, int, int]] = []

    def apply(step: tuple[str, int, int, int]) -> None:
        lsn, state = sim.directory.log.lsn, truth(sim, "User")
        try:
            transact(sim, [mutation(sim, step)])
        except RefusedError:
            assert (sim.directory.log.lsn, truth(sim, "User")) == (lsn, state)

    def between() -> None:
        """The tenant goes on changing while a round is paged."""
        if waiting:
            apply(waiting.pop())

    for step in before:
        apply(step)
    mirror = Mirror(sim, between, replays=replays)
    for burst in bursts:
        waiting.extend(burst)
        for kind, select in SELECTS.items():
            mirror.round(kind, select)
        between()
    while waiting:
        between()
    sim.replica.reset()
    for kind, select in SELECTS.items():
        mirror.round(kind, select)
    told = orjson.loads(truth(sim, "User"))
    expected = {
        user: set(found["roles"])
        for user, found in told["users"].items()
        if found["state"] == "live" and found["roles"]
    }
    assert mirror.effective() == expected
    living = {user.id: user.properties for user in sim.directory.user_order if user.state == "live"}
    assert {user for user, state in mirror.user_state.items() if state == "live"} == set(living)
    for user, properties in living.items():
        assert mirror.users[user]["jobTitle"] == properties["jobTitle"]
    assert told["directoryUsers"] == len(living)


@settings(max_examples=80, deadline=None)
@given(steps=st.lists(STEP, min_size=1, max_size=12), warm=st.lists(STEP, max_size=12))
def test_a_refused_transaction_leaves_no_trace(
    steps: list[tuple[str, int, int, int]], warm: list[tuple[str, int, int, int]]
) -> None:
    sim = Simulation(SeedPlan(users=USERS, groups=GROUPS, seed=3))
    for step in warm:
        try:
            transact(sim, [mutation(sim, step)])
        except RefusedError:
            continue

    def state() -> object:
        directory = sim.directory
        return (
            directory.log.lsn,
            [(user.id, user.state, user.properties, sorted(user.groups)) for user in directory.user_order],
            [
                (g.id, g.state, g.properties, dict(g.members), list(g.slots), list(g.slot_lsns))
                for g in directory.group_order
            ],
            sorted(directory.application.assignments),
            sorted(row.id for row in directory.application.roster.rows if row),
            dict(directory.by_name),
            set(directory.ever_deleted),
        )

    before = state()
    mutations = [mutation(sim, step) for step in steps]
    try:
        transact(sim, [*mutations, {"op": "nothing of the kind"}])
    except RefusedError:
        assert state() == before
    else:
        raise AssertionError("the last mutation is impossible")


def test_quiet_poll_does_not_look_at_the_users() -> None:
    """The cost of a quiet round must not grow with the tenant."""
    sim = Simulation(SeedPlan(users=50, groups=2, seed=1))
    mirror = Mirror(sim, lambda: None)
    mirror.round("users", "displayName")
    sim.directory.user_order = []
    sim.directory.users = {}
    mirror.round("users", "displayName")
    assert len(mirror.users) == 50
