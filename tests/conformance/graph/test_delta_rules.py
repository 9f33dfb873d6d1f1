"""The delta rules through the socket ("Use delta query to track changes", "user: delta", "group: delta")."""

from typing import Any

import pytest

from tests.conformance.graph.client import Graph

USERS = "/v1.0/users/delta?$select=displayName,jobTitle"
GROUPS = "/v1.0/groups/delta?$select=displayName,members"


def members(row: dict[str, Any]) -> dict[str, bool]:
    return {m["id"]: "@removed" not in m for m in row.get("members@delta", [])}


async def test_initial_round_gives_every_live_user_once_and_ends_in_a_delta_link(graph: Graph) -> None:
    seeded = await graph.seed(users=450, groups=0)
    pages = await graph.pages(USERS)
    assert [len(page.rows) for page in pages] == [200, 200, 50]
    assert [row["id"] for page in pages for row in page.rows] == seeded["users"]
    assert ["@odata.deltaLink" in page.body for page in pages] == [False, False, True]


async def test_quiet_round_is_empty_and_gives_a_new_delta_link(graph: Graph) -> None:
    await graph.seed(users=3, groups=1)
    for url in (USERS, GROUPS):
        _, link = await graph.round(url)
        answer = await graph.get(link)
        assert answer.rows == []
        assert answer.body["@odata.deltaLink"] != link


async def test_round_gives_the_net_state_of_what_changed(graph: Graph) -> None:
    user, other = (await graph.seed(users=2, groups=0))["users"]
    _, link = await graph.round(USERS)
    for title in ("One", "Two", "Three"):
        await graph.tx({"op": "updateUser", "userId": user, "properties": {"jobTitle": title}})
    rows, after = await graph.round(link)
    assert [(row["id"], row["jobTitle"]) for row in rows] == [(user, "Three")]
    assert other not in {row["id"] for row in rows}
    assert (await graph.round(after))[0] == []
    assert (await graph.round(link))[0] == rows, "the same link can be asked again"


async def test_change_made_while_a_round_is_paged_is_in_the_next_round(graph: Graph) -> None:
    users = (await graph.seed(users=3, groups=0))["users"]
    await graph.sim("POST", "knobs", {"pageSize": 1})
    first = await graph.get(USERS)
    await graph.tx({"op": "updateUser", "userId": users[0], "properties": {"jobTitle": "Late"}}, {"op": "createUser"})
    rows, link = await graph.round(first.body["@odata.nextLink"])
    assert [row["id"] for row in rows] == users[1:]
    rows, _ = await graph.round(link)
    assert {row["id"]: row["jobTitle"] for row in rows}[users[0]] == "Late"
    assert len(rows) == 2


async def test_unselected_property_does_not_surface_the_object(graph: Graph) -> None:
    (user,) = (await graph.seed(users=1, groups=0))["users"]
    _, link = await graph.round(USERS)
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"city": "Graz"}})
    assert (await graph.round(link))[0] == []
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"jobTitle": "Analyst in chief"}})
    assert len((await graph.round(link))[0]) == 1


async def test_members_surface_only_when_selected(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    group, user = seeded["groups"][0]["id"], (await graph.tx({"op": "createUser"}))["results"][0]["userId"]
    _, plain = await graph.round("/v1.0/groups/delta?$select=displayName")
    _, default = await graph.round("/v1.0/groups/delta")
    await graph.tx({"op": "addMember", "groupId": group, "userId": user})
    assert (await graph.round(plain))[0] == []
    assert members((await graph.round(default))[0][0]) == {user: True}


async def test_user_soft_delete_restore_and_hard_delete(graph: Graph) -> None:
    seeded = await graph.seed(users=1, groups=1)
    user, group = seeded["users"][0], seeded["groups"][0]["id"]
    _, users = await graph.round(USERS)
    _, groups = await graph.round(GROUPS)
    await graph.tx({"op": "softDeleteUser", "userId": user})
    rows, users = await graph.round(users)
    assert rows == [{"id": user, "@removed": {"reason": "changed"}}]
    rows, groups = await graph.round(groups)
    assert rows == [], "a soft delete leaves no link record in groups"
    await graph.tx({"op": "restoreUser", "userId": user})
    rows, users = await graph.round(users)
    assert rows[0]["id"] == user
    assert "@removed" not in rows[0]
    rows, groups = await graph.round(groups)
    assert rows == []
    await graph.tx({"op": "hardDeleteUser", "userId": user})
    assert (await graph.round(users))[0] == [{"id": user, "@removed": {"reason": "deleted"}}]
    assert [(row["id"], members(row)) for row in (await graph.round(groups))[0]] == [(group, {user: False})]


@pytest.mark.parametrize(
    ("when", "seen"), [("prompt", [True, False]), ("late", [False, True]), ("never", [False, False])]
)
async def test_links_of_a_hard_deleted_user_go_when_the_knob_says(graph: Graph, when: str, seen: list[bool]) -> None:
    user = (await graph.seed(users=1, groups=1))["users"][0]
    await graph.sim("POST", "knobs", {"hardDeletedMembers": when})
    _, link = await graph.round(GROUPS)
    found = []
    for mutation in ({"op": "hardDeleteUser", "userId": user}, {"op": "createUser"}):
        await graph.tx(mutation)
        rows, link = await graph.round(link)
        found.append(any(user in members(row) for row in rows))
    assert found == seen


async def test_link_records_are_net_of_the_window(graph: Graph) -> None:
    seeded = await graph.seed(users=0, groups=1)
    group = seeded["groups"][0]["id"]
    made = await graph.tx(*[{"op": "createUser"}] * 4)
    flapped, added, gone, back = (result["userId"] for result in made["results"])
    await graph.tx(*[{"op": "addMember", "groupId": group, "userId": user} for user in (gone, back)])
    _, link = await graph.round(GROUPS)
    for op, user in (
        *(("addMember", flapped), ("removeMember", flapped), ("addMember", added)),
        *(("removeMember", gone), ("removeMember", back), ("addMember", back)),
    ):
        await graph.tx({"op": op, "groupId": group, "userId": user})
    (row,), _ = await graph.round(link)
    assert members(row) == {added: True, gone: False, back: True}
    assert {m["@removed"]["reason"] for m in row["members@delta"] if "@removed" in m} == {"deleted"}
    await graph.sim("POST", "knobs", {"flappedLinks": "removed"})
    (row,), _ = await graph.round(link)
    assert members(row)[flapped] is False


async def test_membership_undone_after_the_round_began_is_undone_by_the_next_round(graph: Graph) -> None:
    """A link must not be told early and then forgotten, because it was added and removed inside the next window."""
    seeded = await graph.seed(users=0, groups=2)
    await graph.sim("POST", "knobs", {"pageSize": 1})
    second = seeded["groups"][1]["id"]
    user = (await graph.tx({"op": "createUser"}))["results"][0]["userId"]
    first = await graph.get(GROUPS)
    await graph.tx({"op": "addMember", "groupId": second, "userId": user})
    rows, link = await graph.round(first.body["@odata.nextLink"])
    told = any(user in members(row) for row in rows)
    await graph.tx({"op": "removeMember", "groupId": second, "userId": user})
    rows, _ = await graph.round(link)
    assert not told or any(members(row).get(user) is False for row in rows)


async def test_group_soft_delete_restore_and_permanent_delete(graph: Graph) -> None:
    group = (await graph.seed(users=5, groups=1))["groups"][0]["id"]
    _, link = await graph.round(GROUPS)
    await graph.tx({"op": "deleteGroup", "groupId": group})
    rows, link = await graph.round(link)
    assert rows == [{"id": group, "@removed": {"reason": "changed"}}]
    await graph.tx({"op": "restoreGroup", "groupId": group})
    rows, link = await graph.round(link)
    assert [row["id"] for row in rows] == [group]
    assert "@removed" not in rows[0]
    assert "members@delta" not in rows[0], "members are not sent again on restore"
    await graph.tx({"op": "deleteGroup", "groupId": group, "permanent": True})
    assert (await graph.round(link))[0] == [{"id": group, "@removed": {"reason": "deleted"}}]


@pytest.mark.parametrize("knob", ["before", "lost"])
async def test_membership_changes_of_a_group_deleted_in_the_same_window(graph: Graph, knob: str) -> None:
    """They come ahead of its `@removed` record, so that a restore (which sends no members) finds the edges right."""
    group = (await graph.seed(users=0, groups=1))["groups"][0]["id"]
    await graph.sim("POST", "knobs", {"softDeletedGroupLinks": knob, "memberSlice": 2})
    made = await graph.tx(*[{"op": "createUser"}] * 3)
    users = [result["userId"] for result in made["results"]]
    _, link = await graph.round(GROUPS)
    await graph.tx(*[{"op": "addMember", "groupId": group, "userId": user} for user in users])
    await graph.tx({"op": "deleteGroup", "groupId": group})
    for url in (link, GROUPS):
        rows, _ = await graph.round(url)
        if knob == "before":
            assert [list(members(row)) for row in rows] == [users[:2], users[2:], []]
        assert [row.get("@removed") for row in rows if "members@delta" not in row] == [{"reason": "changed"}] * (
            knob == "before" or url == link
        )


async def test_restore_sends_members_again_when_the_knob_says(graph: Graph) -> None:
    group = (await graph.seed(users=30, groups=1))["groups"][0]
    await graph.sim("POST", "knobs", {"restoreResendsMembers": True})
    _, link = await graph.round(GROUPS)
    await graph.tx({"op": "deleteGroup", "groupId": group["id"]})
    await graph.tx({"op": "restoreGroup", "groupId": group["id"]})
    rows, _ = await graph.round(link)
    assert len(members(rows[0])) == group["members"]


async def test_large_group_is_repeated_with_slices_of_its_members(graph: Graph) -> None:
    seeded = await graph.seed(users=1300, groups=1)
    expected = {u["id"] for u in (await graph.sim("GET", "users?limit=2000"))["users"] if u["groups"]}
    pages = await graph.pages(GROUPS)
    slices = [members(row) for page in pages for row in page.rows if row["id"] == seeded["groups"][0]["id"]]
    assert len(slices) == len(pages) == 3
    assert max(map(len, slices)) <= 500
    assert set().union(*slices) == expected
    assert sum(map(len, slices)) == len(expected)


async def test_large_groups_are_interleaved_with_others(graph: Graph) -> None:
    await graph.seed(users=60, groups=4)
    await graph.sim("POST", "knobs", {"memberSlice": 4, "pageMembers": 6})
    pages = await graph.pages(GROUPS)
    assert any(len({row["id"] for row in page.rows}) > 1 for page in pages)
    listed = {u["id"]: set(u["groups"]) for u in (await graph.sim("GET", "users"))["users"]}
    found: dict[str, set[str]] = {user: set() for user in listed}
    for row in (row for page in pages for row in page.rows):
        for member in members(row):
            if member in found:
                found[member].add(row["id"])
    assert found == listed


async def test_page_size_and_empty_pages_follow_the_knobs(graph: Graph) -> None:
    await graph.seed(users=5, groups=0)
    await graph.sim("POST", "knobs", {"pageSize": 2, "emptyPages": True})
    pages = await graph.pages(USERS)
    assert [len(page.rows) for page in pages] == [0, 2, 0, 2, 0, 1]


async def test_latest_is_empty_and_starts_from_now(graph: Graph) -> None:
    user = (await graph.seed(users=5, groups=0))["users"][0]
    rows, link = await graph.round(f"{USERS}&$deltatoken=latest")
    assert rows == []
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"displayName": "Zoë"}})
    assert [row["displayName"] for row in (await graph.round(link))[0]] == ["Zoë"]


@pytest.mark.parametrize("function", ["delta", "delta()", "microsoft.graph.delta", "microsoft.graph.delta()"])
@pytest.mark.parametrize("option", ["$deltatoken", "$deltaToken", "%24deltatoken"])
async def test_every_spelling_is_taken(graph: Graph, function: str, option: str) -> None:
    await graph.seed(users=2, groups=0)
    rows, link = await graph.round(f"/v1.0/users/{function}?$select=id")
    assert len(rows) == 2
    assert (await graph.get(link.replace("$deltatoken", option))).rows == []


async def test_skip_token_in_either_spelling_and_unknown_parameters_are_kept(graph: Graph) -> None:
    await graph.seed(users=3, groups=0)
    await graph.sim("POST", "knobs", {"pageSize": 2})
    first = await graph.get("/v1.0/users/delta?$select=id&trace=a%20b")
    link = first.body["@odata.nextLink"]
    assert "trace=a" in link
    assert len((await graph.get(link.replace("$skiptoken", "$skipToken"))).rows) == 1


@pytest.mark.parametrize("option", ["$top=5", "$orderby=id", "$expand=members", "$search=x"])
async def test_unsupported_options_are_refused_or_ignored_by_knob(graph: Graph, option: str) -> None:
    await graph.seed(users=1, groups=0)
    answer = await graph.get(f"{USERS}&{option}")
    assert (answer.status, answer.code) == (400, "Request_UnsupportedQuery")
    await graph.sim("POST", "knobs", {"unsupportedDeltaOptions": "ignore"})
    assert (await graph.get(f"{USERS}&{option}")).status == 200


async def test_filter_takes_up_to_50_ids_and_lives_in_the_token(graph: Graph) -> None:
    users = (await graph.seed(users=60, groups=0))["users"]

    def asked(ids: list[str]) -> str:
        return f"{USERS}&$filter=" + " or ".join(f"id eq '{user}'" for user in ids)

    rows, link = await graph.round(asked(users[:50]))
    assert {row["id"] for row in rows} == set(users[:50])
    for user in (users[0], users[59]):
        await graph.tx({"op": "updateUser", "userId": user, "properties": {"jobTitle": "New"}})
    assert [row["id"] for row in (await graph.round(link))[0]] == [users[0]]
    assert (await graph.get(asked(users[:51]))).status == 400
    assert (await graph.get(f"{USERS}&$filter=displayName eq 'x'")).code == "Request_UnsupportedQuery"


async def test_return_minimal_gives_changed_properties_with_null_explicit(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    _, link = await graph.round(USERS)
    await graph.tx({"op": "updateUser", "userId": user, "properties": {"jobTitle": None}})
    answer = await graph.get(link, Prefer="return=minimal")
    assert answer.rows == [{"id": user, "jobTitle": None}]
    assert answer.headers["Preference-Applied"] == "return=minimal"
    full = (await graph.get(link)).rows
    assert full[0]["jobTitle"] is None
    assert full[0]["displayName"]


async def test_property_that_was_never_set_is_omitted_by_delta_and_null_in_a_plain_read(graph: Graph) -> None:
    user = (await graph.seed(users=1, groups=0))["users"][0]
    rows, _ = await graph.round("/v1.0/users/delta?$select=displayName,mobilePhone")
    assert set(rows[0]) == {"id", "displayName"}
    assert (await graph.get(f"/v1.0/users/{user}?$select=mobilePhone")).body["mobilePhone"] is None


async def test_forged_token_and_token_of_another_stream_are_bad_requests(graph: Graph) -> None:
    _, link = await graph.round(USERS)
    forged = link[:-6] + ("aaaaaa" if link[-6:] != "aaaaaa" else "bbbbbb")
    for url in (
        forged,
        link.replace("/users/", "/groups/"),
        link.replace("$deltatoken", "$skiptoken"),
        f"{USERS}&$deltatoken=x",
    ):
        answer = await graph.get(url)
        assert (answer.status, answer.code) == (400, "Request_BadRequest"), url


@pytest.mark.parametrize(
    ("shape", "status", "code"),
    [
        ("410", 410, "resyncRequired"),
        ("syncStateNotFound", 400, "syncStateNotFound"),
        ("30days", 400, "Request_UnsupportedQuery"),
    ],
)
async def test_expired_delta_token_has_the_shape_asked_for(graph: Graph, shape: str, status: int, code: str) -> None:
    _, link = await graph.round(USERS)
    await graph.sim("POST", "tokens/expire", {"kind": "delta", "shape": shape})
    answer = await graph.get(link)
    assert (answer.status, answer.code) == (status, code)
    assert ("Location" in answer.headers) is (shape == "410")
    if shape == "410":
        assert answer.headers["Location"].endswith("/v1.0/users/delta?$deltatoken=")
        assert (await graph.get(answer.headers["Location"])).status == 200
    if shape == "30days":
        assert answer.body["error"]["message"] == "DeltaLink older than 30 days is not supported."
    _, fresh = await graph.round(USERS)
    assert (await graph.get(fresh)).status == 200


async def test_token_dies_of_age_and_of_a_new_seed(graph: Graph) -> None:
    _, link = await graph.round(USERS)
    await graph.sim("POST", "clock/advance", {"seconds": 8 * 86_400})
    await graph.authenticate()
    assert (await graph.get(link)).status == 410
    _, link = await graph.round(USERS)
    await graph.seed(users=1, groups=0)
    assert (await graph.get(link)).status == 410
    assert (await graph.get("/v1.0/groups/delta")).status == 200


@pytest.mark.parametrize(
    ("shape", "code"),
    [("notFound", "DirectoryPageTokenNotFoundException"), ("expired", "Directory_ExpiredPageToken")],
)
async def test_page_tokens_can_die_without_the_delta_link(graph: Graph, shape: str, code: str) -> None:
    await graph.seed(users=3, groups=0)
    await graph.sim("POST", "knobs", {"pageSize": 2})
    _, delta = await graph.round(USERS)
    page = (await graph.get(USERS)).body["@odata.nextLink"]
    await graph.sim("POST", "tokens/expire", {"kind": "page", "shape": shape})
    assert (await graph.get(page)).code == code
    assert (await graph.get(delta)).status == 200
