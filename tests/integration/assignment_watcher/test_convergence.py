"""I7: after any history of changes, what was said, folded from empty, is the simulator's truth."""

import random
from typing import Any

import pytest

from tests.support.builders_assignment_watcher import Tenant, a_tenant, a_watcher


class History:
    """Changes the tenant at random, but only as the tenant allows."""

    def __init__(self, tenant: Tenant, users: list[str], groups: list[str], seed: int) -> None:
        self._tenant = tenant
        self._users = users
        self._groups = groups
        self._random = random.Random(seed)

    async def step(self) -> None:
        for _ in range(self._random.randint(1, 6)):
            mutation = self._mutation()
            async with self._tenant.session.post(
                f"{self._tenant.url}/_sim/tx", json={"mutations": [mutation]}
            ) as response:
                body = await response.json()
            if response.status == 200 and mutation["op"] == "createUser":
                self._users.append(body["results"][0]["userId"])

    def _mutation(self) -> dict[str, Any]:
        user, group = self._random.choice(self._users), self._random.choice(self._groups)
        role = self._random.choice(["User", "Default Access"])
        principal, kind = self._random.choice([(user, "User"), (group, "Group")])
        return self._random.choice(
            [
                {"op": "assign", "principalType": kind, "principalId": principal, "role": role},
                {"op": "assign", "principalType": kind, "principalId": principal, "role": role},
                {"op": "unassign", "principalId": principal},
                {"op": "addMember", "groupId": group, "userId": user},
                {"op": "removeMember", "groupId": group, "userId": user},
                {
                    "op": "updateUser",
                    "userId": user,
                    "properties": {"city": self._random.choice(["Oslo", "Bergen", None])},
                },
                {"op": "updateUser", "userId": user, "properties": {"accountEnabled": self._random.random() < 0.5}},
                {"op": "softDeleteUser", "userId": user},
                {"op": "restoreUser", "userId": user},
                {"op": "hardDeleteUser", "userId": user} if self._random.random() < 0.3 else {"op": "createUser"},
                {"op": "deleteGroup", "groupId": group},
                {"op": "restoreGroup", "groupId": group},
            ]
        )


@pytest.mark.parametrize(
    "knobs",
    [
        {},
        {"pageSize": 3, "memberSlice": 2, "pageMembers": 4, "emptyPages": True},
        {"hardDeletedMembers": "never", "flappedLinks": "removed", "restoreResendsMembers": True},
        {"hardDeletedMembers": "late", "hideSoftDeletedAssignments": False},
    ],
    ids=["default", "small pages", "hostile links", "late links"],
)
@pytest.mark.parametrize("seed", [1, 2])
async def test_i7_any_history_converges(database_url: str, knobs: dict[str, Any], seed: int) -> None:
    async with a_tenant(users=12, groups=3, seed=seed) as tenant, a_watcher(database_url, tenant) as watcher:
        await tenant.ask("POST", "/_sim/knobs", knobs)
        groups = [group["id"] for group in await tenant.groups()]
        history = History(tenant, await tenant.users(), groups, seed)
        for number in range(25):
            await history.step()
            if number % 8 == 7:
                await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta"})
            await watcher.cycle()
        said = await watcher.cycles(4)
        assert said.effective() == await tenant.effective()
        truth = (await tenant.ask("GET", "/_sim/truth"))["users"]
        for user_id, message in said.latest().items():
            if truth.get(user_id, {}).get("state") == "live":
                properties = {k: v for k, v in truth[user_id]["properties"].items() if v is not None}
                mapped = {k: properties[k] for k in ("city", "accountEnabled", "mail") if k in properties}
                assert mapped.items() <= message.attributes.items()
        settled = (await watcher.cycles(2)).ids
        assert settled == said.ids, "a cycle without changes says nothing"
