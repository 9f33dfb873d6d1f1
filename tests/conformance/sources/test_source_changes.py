"""Rounds of changes: what changed since the link, all of it, as often as one asks."""

import orjson
import pytest

from services.assignment_watcher.sources.source import Source, Stream
from tests.conformance.sources.world import ATTRIBUTES, World, fold, people, round_of

MANY = 2_100


@pytest.mark.parametrize("stream", list(Stream))
async def test_nothing_shows_when_nothing_changed(world: World, source: Source, stream: Stream) -> None:
    await world.come(*people(5))
    _, link = await round_of(source, stream)
    for _ in range(3):
        pages, link = await round_of(source, stream, link)
        assert [page.records for page in pages if page.records] == []


async def test_a_link_means_the_same_to_another_process(world: World, source: Source) -> None:
    first, *_ = everybody = people(5)
    await world.come(*everybody)
    pages, link = await round_of(source, Stream.USERS)
    stored = orjson.loads(orjson.dumps(link))
    other = world.source()
    quiet, _ = await round_of(other, Stream.USERS, stored)
    assert sum(page.records for page in quiet) == 0
    await world.change(first, jobTitle="Head")
    state = fold(fold({}, pages), (await round_of(world.source(), Stream.USERS, stored))[0])
    assert state[first.id]["jobTitle"] == "Head"


async def test_what_changed_shows_in_the_next_round_and_not_again(world: World, source: Source) -> None:
    first, second, *_ = everybody = people(5)
    await world.come(*everybody)
    pages, link = await round_of(source, Stream.USERS)
    state = fold({}, pages)
    assert "department" not in state[first.id]
    await world.change(first, department="North")
    await world.change(second, accountEnabled=False)
    pages, link = await round_of(source, Stream.USERS, link)
    state = fold(state, pages)
    assert state[first.id]["department"] == "North"
    assert state[second.id]["accountEnabled"] is False
    pages, link = await round_of(source, Stream.USERS, link)
    assert sum(page.records for page in pages) == 0
    await world.change(first, department=None)
    pages, link = await round_of(source, Stream.USERS, link)
    assert "department" not in fold(state, pages)[first.id], "what was cleared is said to be null"


async def test_who_comes_shows_in_the_next_round(world: World, source: Source) -> None:
    first, second = people(2)
    await world.come(first)
    pages, link = await round_of(source, Stream.USERS)
    await world.come(second)
    state = fold(fold({}, pages), (await round_of(source, Stream.USERS, link))[0])
    assert state.keys() == {first.id, second.id}


async def test_a_round_may_be_repeated(world: World, source: Source) -> None:
    first, *_ = everybody = people(5)
    await world.come(*everybody)
    full, link = await round_of(source, Stream.USERS)
    await world.change(first, jobTitle="Head")
    once, _ = await round_of(source, Stream.USERS, link)
    again, last = await round_of(source, Stream.USERS, link)
    state = fold(fold({}, full), once)
    assert fold(fold({}, full), again) == state
    assert fold(state, again) == state, "a record that comes twice says nothing new"
    assert sum(page.records for page in (await round_of(source, Stream.USERS, last))[0]) == 0


async def test_a_full_read_goes_on_where_another_process_stopped(world: World, source: Source) -> None:
    everybody = people(MANY)
    await world.come(*everybody)
    read = []
    async for page in source.read_changes(Stream.USERS, None):
        read.append(page)
        if sum(each.records for each in read) >= MANY // 2:
            break
    following = read[-1].following
    assert following is not None
    rest, link = await round_of(world.source(), Stream.USERS, page=following)
    assert sum(page.records for page in rest) < MANY
    state = fold({}, [*read, *rest])
    assert state.keys() == {person.id for person in everybody}
    quiet, _ = await round_of(source, Stream.USERS, link)
    assert sum(page.records for page in quiet) == 0


async def test_full_reads_of_an_unchanged_directory_agree(world: World, source: Source) -> None:
    await world.come(*people(7))
    one = fold({}, (await round_of(source, Stream.USERS))[0])
    assert fold({}, (await round_of(world.source(), Stream.USERS))[0]) == one


async def test_the_manager_is_given_by_changes_by_full_reads_and_by_id(world: World) -> None:
    first, second, third, *_ = everybody = people(4)
    await world.come(*everybody)
    source = world.source((*ATTRIBUTES, "manager"))
    pages, link = await round_of(source, Stream.USERS)
    state = fold({}, pages)
    for manager in (second.id, third.id, None):
        await world.change(first, manager=manager)
        pages, link = await round_of(source, Stream.USERS, link)
        state = fold(state, pages)
        assert state[first.id].get("manager") == manager
        whole = fold({}, (await round_of(source, Stream.USERS))[0])
        assert whole[first.id].get("manager") == manager
        found = await source.find_users([first.id, second.id])
        assert [each.record and each.record["manager"] for each in found] == [manager, None]
    assert source.query(Stream.USERS) != world.source().query(Stream.USERS)


async def test_who_does_not_ask_for_managers_is_not_told(world: World, source: Source) -> None:
    first, second = people(2)
    await world.come(first, second)
    pages, link = await round_of(source, Stream.USERS)
    await world.change(first, manager=second.id)
    state = fold(fold({}, pages), (await round_of(source, Stream.USERS, link))[0])
    assert "manager" not in state[first.id]
