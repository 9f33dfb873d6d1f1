"""checkMemberGroups of users and groups: transitive, through live groups only, at most twenty groups in one question."""

import pytest

from tests.conformance.graph.client import Graph

NOBODY = "00000000-0000-4000-8000-000000000001"


async def check(graph: Graph, what: str, *groups: str) -> list[str]:
    answer = await graph.send("POST", f"/v1.0/{what}/checkMemberGroups", {"groupIds": list(groups)})
    assert answer.status == 200
    found: list[str] = answer.body["value"]
    return found


async def test_memberships_are_transitive_and_end_at_deleted_groups(graph: Graph) -> None:
    user, other = (await graph.seed(users=2, groups=0))["users"]
    made = await graph.tx(*[{"op": "createGroup", "members": held} for held in ([], [], [user])])
    outer, inner, innermost = every = [result["groupId"] for result in made["results"]]
    await graph.tx(
        {"op": "addMember", "groupId": outer, "userId": inner},
        {"op": "addMember", "groupId": inner, "userId": innermost},
        {"op": "addMember", "groupId": innermost, "userId": outer},
    )
    assert await check(graph, f"users/{user}", *every, NOBODY) == every
    assert await check(graph, f"users/{other}", *every) == []
    assert await check(graph, f"groups/{innermost}", *every) == every, "nesting may go in a circle"
    await graph.tx({"op": "deleteGroup", "groupId": inner})
    assert await check(graph, f"users/{user}", *every) == [innermost]
    assert await check(graph, f"groups/{outer}", *every) == [innermost]


@pytest.mark.parametrize("what", ["users", "groups"])
async def test_who_is_not_there_and_too_many_groups_are_refused(graph: Graph, what: str) -> None:
    found = await graph.seed(users=1, groups=1)
    one = found["users"][0] if what == "users" else found["groups"][0]["id"]
    url = f"/v1.0/{what}/{{}}/checkMemberGroups"
    assert (await graph.send("POST", url.format(NOBODY), {"groupIds": [NOBODY]})).status == 404
    assert (await graph.send("POST", url.format(one), {"groupIds": [NOBODY] * 21})).status == 400
    assert (await graph.send("POST", url.format(one), {"groupIds": "all"})).status == 400
    assert (await graph.send("POST", url.format(one), {"groupIds": [NOBODY] * 20})).status == 200
