"""Full reads and reads by id: complete, in pages, in one case of letters, and the same for the same directory."""

import pytest

from services.assignment_watcher.sources.source import Member, Source, Stream
from shared.contracts.assignments import Lifecycle
from tests.conformance.sources.world import (
    ROLE,
    World,
    collect,
    fold,
    listed,
    listing_digest,
    people,
    roles_of,
    round_of,
)

MANY = 2_100
"""More than two pages of any listing."""
NOBODY = "0b0b0b0b-0000-4000-8000-00000000000b"


async def test_a_full_read_is_complete_and_comes_in_pages(world: World, source: Source) -> None:
    everybody = people(MANY)
    await world.come(*everybody)
    pages = [page async for page in source.read_assignments()]
    assert len(pages) > 2
    assert max(map(len, pages)) <= 999
    rows = [row for page in pages for row in page]
    assert sorted(row.principal_id for row in rows) == sorted(person.id for person in everybody)
    assert len({row.assignment_id for row in rows}) == MANY
    changes, _ = await round_of(source, Stream.USERS)
    assert len([page for page in changes if page.records]) > 2
    users = fold({}, changes)
    assert users.keys() == {person.id for person in everybody}
    assert all(users[person.id]["jobTitle"] == person.title for person in everybody)
    assert all(users[person.id]["userPrincipalName"] == person.name for person in everybody)
    assert all(users[person.id]["accountEnabled"] is True for person in everybody)


async def test_every_assignment_has_a_role_that_is_declared(world: World, source: Source) -> None:
    await world.come(*people(3))
    roles = {role.id: role.value for role in await roles_of(source)}
    assert {roles[row.role_id] for row in await listed(source)} == {ROLE}


async def test_a_group_that_is_not_there_has_no_pages(world: World, source: Source) -> None:
    await world.come(*people(1))
    assert await collect(source.read_members(NOBODY)) == []
    assert await collect(source.read_members(NOBODY, in_background=True)) == []


async def test_nobody_belongs_to_a_group_that_is_not_there(world: World, source: Source) -> None:
    everybody = people(3)
    await world.come(*everybody)
    absent = [Member(person.id, nested=False) for person in everybody]
    assert await source.find_members(NOBODY, absent, through=[]) == frozenset()
    assert await source.find_members(NOBODY, absent, through=[NOBODY]) == frozenset()


async def test_the_number_of_users_is_right_or_not_given(world: World, source: Source) -> None:
    await world.come(*people(3))
    assert await source.count_users() in {3, None}


async def test_ids_are_in_lower_case_whatever_the_directory_writes(world: World, source: Source) -> None:
    [person, *_] = everybody = people(3)
    await world.come(*everybody)
    before = await listing_digest(source)
    ids = {person.id for person in everybody}
    await world.shout()
    assert {row.principal_id for row in await listed(source)} == ids
    assert await listing_digest(source) == before
    [found] = await source.find_users([person.id.upper()])
    assert (found.object_id, found.lifecycle) == (person.id, Lifecycle.LIVE)
    assert fold({}, (await round_of(source, Stream.USERS))[0]).keys() == ids


async def test_equal_content_has_an_equal_digest_and_other_content_another(world: World, source: Source) -> None:
    [first, *_] = everybody = people(5)
    await world.come(*everybody)
    before = await listing_digest(source)
    assert await listing_digest(world.source()) == before
    await world.change(first, jobTitle="Head")
    assert await listing_digest(source) == before, "a property is no assignment"
    await world.go(first)
    assert await listing_digest(source) != before


async def test_assignments_are_found_by_id_while_they_exist(world: World, source: Source) -> None:
    stays, goes = people(2)
    await world.come(stays, goes)
    by_user = {row.principal_id: row.assignment_id for row in await listed(source)}
    assert await source.find_assignments([by_user[stays.id], by_user[goes.id]]) == set(by_user.values())
    await world.go(goes)
    assert await source.find_assignments([by_user[stays.id], by_user[goes.id]]) == {by_user[stays.id]}
    assert await source.find_assignments([by_user[goes.id]]) == frozenset()
    assert await source.find_assignments([]) == frozenset()


@pytest.mark.parametrize("in_background", [False, True])
async def test_users_are_found_by_id_and_nobody_is_invented(world: World, source: Source, in_background: bool) -> None:
    stays, goes = people(2)
    await world.come(stays, goes)
    await world.go(goes)
    found = await source.find_users([goes.id, stays.id, NOBODY], in_background=in_background)
    by_id = {each.object_id: each for each in found}
    assert len(found) == len(by_id) == 3
    assert by_id[stays.id].lifecycle is Lifecycle.LIVE
    record = by_id[stays.id].record
    assert record is not None
    assert (record["id"], record["userPrincipalName"]) == (stays.id, stays.name)
    assert record["jobTitle"] == stays.title
    for gone in (goes.id, NOBODY):
        assert (by_id[gone].lifecycle, by_id[gone].record) == (Lifecycle.UNKNOWN, None)
    assert list(await source.find_users([])) == []


async def test_groups_that_are_not_there_are_unknown(world: World, source: Source) -> None:
    await world.come(*people(1))
    found = await source.find_groups([NOBODY.upper()])
    assert [(each.object_id, each.lifecycle) for each in found] == [(NOBODY, Lifecycle.UNKNOWN)]


async def test_nothing_is_read_before_it_is_asked_for(world: World, source: Source) -> None:
    await world.come(*people(3))
    source.traffic.take()
    source.read_assignments()
    source.read_changes(Stream.USERS, None)
    assert not source.traffic.by_kind
    await listed(source)
    assert source.traffic.take().by_kind.total() > 0
    assert not source.traffic.by_kind


async def test_whoever_leaves_in_the_middle_leaves_nothing_open(world: World, source: Source) -> None:
    await world.come(*people(MANY))
    async for _ in source.read_assignments():
        break
    async for _ in source.read_changes(Stream.USERS, None):
        break
    assert len(await listed(source)) == MANY


async def test_identity_and_query_tell_what_is_read_and_nothing_else(world: World) -> None:
    one, other = world.source(), world.source()
    assert one.identity == other.identity
    assert one.kind == other.kind
    await world.come(*people(2))
    await listed(one)
    assert one.identity == other.identity
    assert world.elsewhere().identity != one.identity
    for stream in Stream:
        assert one.query(stream) == other.query(stream)
    assert one.query(Stream.USERS) != one.query(Stream.GROUPS)
    more = world.source(("department", "jobTitle", "city"))
    assert more.identity == one.identity
    assert more.query(Stream.USERS) != one.query(Stream.USERS), "other columns need a new full read"
    assert world.source(("jobTitle", "department")).query(Stream.USERS) == one.query(Stream.USERS)
