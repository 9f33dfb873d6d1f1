"""The control plane: seeding, transactions, truth, journal, and the program around it."""

import asyncio
import json
import signal
import sys
import time
from typing import Any

import aiohttp
import pytest

from tests.conformance.graph.client import Graph


async def test_same_seed_gives_the_same_tenant_and_another_another(graph: Graph) -> None:
    first = await graph.seed(users=50, groups=3, seed=7)
    people = await graph.sim("GET", "users?limit=50")
    config = graph.config
    assert await graph.seed(users=50, groups=3, seed=7) == first
    assert (await graph.sim("GET", "users?limit=50"), graph.config) == (people, config)
    assert (await graph.seed(users=50, groups=3, seed=8))["users"] != first["users"]
    assert graph.config["servicePrincipalId"] != config["servicePrincipalId"]


async def test_seeded_tenant_is_shaped_as_promised(graph: Graph) -> None:
    seeded = await graph.seed(users=2000, groups=10)
    users = (await graph.sim("GET", "users?limit=5000"))["users"]
    count = [sum(len(user["groups"]) == n for user in users) for n in range(3)]
    assert count[1] > 1500
    assert count[0] > 50
    assert count[2] > 100
    assert sum(group["members"] for group in seeded["groups"]) == count[1] + 2 * count[2]
    assert seeded["groups"][0]["nested"] == [seeded["groups"][-1]["id"]]
    names = {user["properties"]["userPrincipalName"] for user in users}
    assert len(names) == 2000
    assert all(name.isascii() and name.endswith("@contoso.example") for name in names)
    assert any(not user["properties"]["displayName"].isascii() for user in users)
    assert (await graph.get(graph.assigned_to)).rows == []


async def test_transaction_is_one_lsn_and_answers_with_the_ids_it_made(graph: Graph) -> None:
    before = (await graph.sim("GET", "truth"))["lsn"]
    own = "0a0a0a0a-0000-4000-8000-00000000000A"
    done = await graph.tx(
        {
            "op": "createUser",
            "userId": own,
            "properties": {"displayName": "Åsa", "userPrincipalName": "asa@contoso.example"},
        },
        {"op": "createGroup", "displayName": "Ledger", "members": [own]},
        {
            "op": "assign",
            "principalType": "User",
            "principalId": own,
            "role": "User",
            "createdDateTime": "2026-01-02T03:04:05.6Z",
        },
    )
    assert done["lsn"] == before + 1
    assert abs(done["at"] - time.time()) < 5
    assert done["results"][0] == {"userId": own.lower(), "userPrincipalName": "asa@contoso.example"}
    assert done["results"][2]["createdDateTime"] == "2026-01-02T03:04:05.6000000Z"
    assert set(done["results"][1]) == {"groupId"}


GOOD = {"op": "createUser", "userId": "0a0a0a0a-0000-4000-8000-00000000000b"}
NOBODY = "0b0b0b0b-0000-4000-8000-00000000000b"


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        ({"op": "promote"}, "mutations[1].op"),
        ({"op": "softDeleteUser"}, "mutations[1].userId"),
        ({"op": "softDeleteUser", "userId": "x"}, "mutations[1].userId"),
        ({"op": "softDeleteUser", "userId": NOBODY}, "mutations[1].userId"),
        ({"op": "restoreUser", "userId": GOOD["userId"]}, "mutations[1].userId"),
        (
            {"op": "updateUser", "userId": GOOD["userId"], "properties": {"jobTitel": "x"}},
            "mutations[1].properties.jobTitel",
        ),
        (
            {"op": "updateUser", "userId": GOOD["userId"], "properties": {"accountEnabled": 1}},
            "mutations[1].properties.accountEnabled",
        ),
        ({"op": "createUser", "stray": 1}, "mutations[1].stray"),
        ({"op": "createUser", "userId": GOOD["userId"]}, "mutations[1].userId"),
        ({"op": "createGroup", "members": [NOBODY]}, "mutations[1].members[0]"),
        (
            {"op": "assign", "principalType": "Robot", "principalId": GOOD["userId"], "role": "User"},
            "mutations[1].principalType",
        ),
        ({"op": "assign", "principalType": "User", "principalId": NOBODY, "role": "User"}, "mutations[1].principalId"),
        (
            {"op": "assign", "principalType": "User", "principalId": GOOD["userId"], "role": "Owner"},
            "mutations[1].role",
        ),
        ({"op": "unassign", "principalType": "User", "principalId": GOOD["userId"]}, "mutations[1].principalId"),
        (3, "mutations[1]"),
    ],
)
async def test_bad_mutation_is_named_and_nothing_of_the_transaction_happens(graph: Graph, bad: Any, field: str) -> None:
    before = await graph.sim("GET", "truth")
    answer = await graph.call("POST", "/_sim/tx", json={"mutations": [GOOD, bad]})
    assert (answer.status, answer.body["error"]["field"]) == (400, field)
    assert await graph.sim("GET", "truth") == before
    assert (await graph.get(f"/v1.0/users/{GOOD['userId']}")).status == 404
    assert (await graph.get("/v1.0/users/delta")).rows == []


async def test_truth_counts_direct_members_of_live_groups_and_the_role_asked_for(graph: Graph) -> None:
    await graph.seed(users=0, groups=0)
    made = await graph.tx(*[{"op": "createUser"}] * 4, {"op": "createGroup"}, {"op": "createGroup"})
    direct, grouped, nested, default = (result["userId"] for result in made["results"][:4])
    outer, inner = (result["groupId"] for result in made["results"][4:])
    await graph.tx(
        {"op": "addMember", "groupId": outer, "userId": grouped},
        {"op": "addMember", "groupId": outer, "userId": inner},
        {"op": "addMember", "groupId": inner, "userId": nested},
        {"op": "assign", "principalType": "User", "principalId": default, "role": "Default Access"},
        {"op": "assign", "principalType": "User", "principalId": direct, "role": "User"},
        {"op": "assign", "principalType": "User", "principalId": grouped, "role": "User"},
        {
            "op": "assign",
            "principalType": "Group",
            "principalId": outer,
            "role": "User",
            "createdDateTime": "2020-01-01T00:00:00Z",
        },
    )
    users = (await graph.sim("GET", "truth?role=User"))["users"]
    assert {user: found["assigned"] for user, found in users.items()} == {direct: True, grouped: True, default: False}
    assert users[grouped]["assignedAt"] == "2020-01-01T00:00:00.0000000Z"
    assert users[default]["roles"] == ["Default Access"]
    await graph.tx({"op": "deleteGroup", "groupId": outer}, {"op": "softDeleteUser", "userId": direct})
    users = (await graph.sim("GET", "truth"))["users"]
    assert users[direct] | {"properties": None} == {
        "assigned": False,
        "roles": ["User"],
        "assignedAt": users[direct]["assignedAt"],
        "state": "soft",
        "properties": None,
    }
    assert users[grouped]["assignedAt"] > "2020-01-01T00:00:00.0000000Z"
    assert (await graph.sim("GET", "truth"))["directoryUsers"] == 3


async def test_journal_counts_by_class_and_status_and_can_be_emptied(graph: Graph) -> None:
    await graph.get("/v1.0/users/delta()")
    await graph.get("/v1.0/users/nobody")
    await graph.get(graph.assigned_to)
    journal = await graph.sim("GET", "journal")
    assert journal["requests"] == {
        "appRoleAssignedTo": {"count": 1, "status": {"200": 1}},
        "user": {"count": 1, "status": {"404": 1}},
        "users/delta": {"count": 1, "status": {"200": 1}},
    }
    assert journal["cpuSeconds"] > 0
    await graph.sim("DELETE", "journal")
    assert (await graph.sim("GET", "journal"))["requests"] == {}


@pytest.mark.parametrize("asked", [{"retryAfter": "30"}, {"retryAfter": "date", "seconds": 30}])
async def test_journal_counts_requests_that_came_although_they_were_told_to_wait(graph: Graph, asked: Any) -> None:
    await graph.fault("users", "throttle", **asked)
    for status in (429, 200, 200):
        assert (await graph.get("/v1.0/users?$top=5")).status == status
    journal = await graph.sim("GET", "journal?entries=true")
    assert journal["duringRetryAfter"] == 2
    assert [(entry["class"], entry["status"], entry["units"]) for entry in journal["entries"]] == [
        ("users", 429, 1),
        ("users", 200, 1),
        ("users", 200, 1),
    ]
    await graph.sim("DELETE", "journal")
    assert (await graph.sim("GET", "journal"))["duringRetryAfter"] == 0


async def test_bad_knob_seed_and_expiry_are_refused_by_name(graph: Graph) -> None:
    for path, body, field in (
        *(
            ("knobs", {"pageSize": 0}, "pageSize"),
            ("knobs", {"listPaging": "x"}, "listPaging"),
            ("knobs", {"x": 1}, "x"),
        ),
        *(
            ("seed", {"users": -1}, "users"),
            ("tokens/expire", {"kind": "x"}, "kind"),
            ("tx", {"mutation": []}, "mutation"),
        ),
        ("clock/advance", {"seconds": -1}, "seconds"),
    ):
        answer = await graph.call("POST", f"/_sim/{path}", json=body)
        assert (answer.status, answer.body["error"]["field"]) == (400, field)
    assert (await graph.call("POST", "/_sim/tx", data=b"{")).status == 400


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_program_prints_one_line_serves_and_stops_at_a_signal(number: signal.Signals) -> None:
    command = [sys.executable, "-m", "simulators.graph", "--users", "3", "--groups", "1", "--seed", "4"]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        assert process.stdout is not None
        line = json.loads(await asyncio.wait_for(process.stdout.readline(), 20))
        assert set(line) == {"name", "url"}
        assert line["name"] == "graph"
        async with aiohttp.ClientSession() as http:
            client = Graph(line["url"], http)
            assert (await client.sim("GET", "users"))["total"] == 3
            process.send_signal(number)
            out, err = await asyncio.wait_for(process.communicate(), 5)
        assert (process.returncode, out, err) == (0, b"", b"")
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
