"""One user asked for by name: an optional capability, which both kinds of sources have and keep in the same way."""

from services.assignment_watcher.sources.point_reads import PointReads
from services.assignment_watcher.sources.source import Source
from shared.contracts.assignments import Lifecycle
from tests.conformance.sources.world import World, listed, people


async def asked(source: Source, name: str) -> str | None:
    assert isinstance(source, PointReads)
    found = await source.find_user(name)
    return found.object_id if found else None


async def test_a_user_is_found_by_id_name_and_mail_in_whatever_case(world: World, source: Source) -> None:
    everybody = people(4)
    await world.come(*everybody)
    person = everybody[2]
    await world.change(person, mail="O'Hara.Other@contoso.example")
    for name in (person.id, person.id.upper(), person.name, person.name.upper(), "o'hara.other@contoso.example"):
        assert await asked(source, name) == person.id, name


async def test_nobody_is_found_by_a_name_that_nobody_has(world: World, source: Source) -> None:
    await world.come(*people(2))
    for name in ("nobody@contoso.example", "0b0b0b0b-0000-4000-8000-00000000000b", "x", "%", "a/b?c#d"):
        assert await asked(source, name) is None, name


async def test_a_mail_address_that_two_users_have_names_nobody(world: World, source: Source) -> None:
    first, second = everybody = people(2)
    await world.come(*everybody)
    for person in everybody:
        await world.change(person, mail="shared@contoso.example")
    assert await asked(source, "shared@contoso.example") is None
    assert await asked(source, first.name) == first.id
    assert await asked(source, second.id) == second.id


async def test_a_found_user_is_the_one_of_a_full_read_with_its_assignments(world: World, source: Source) -> None:
    everybody = people(3)
    await world.come(*everybody)
    person = everybody[1]
    assert isinstance(source, PointReads)
    found = await source.find_user(person.name)
    assert found is not None
    [same] = await source.find_users([person.id])
    assert (found.lifecycle, found.record) == (Lifecycle.LIVE, same.record)
    ways = await source.read_ways(found, [])
    assert list(ways.assignments) == [row for row in await listed(source) if row.principal_id == person.id]
    assert list(ways.groups) == []
