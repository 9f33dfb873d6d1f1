"""Users on demand beside the cycles of their job: nothing is lost, nothing is said twice, nothing stays that no cycle would take back."""

import asyncio
from dataclasses import replace

import pytest

from services.assignment_watcher.demands import serving
from shared.contracts.assignments import CycleKind, Lifecycle
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_watched_job, agree, save
from tests.support.watcher_demands import (
    ask,
    between_reads_and_commit,
    claim,
    facts,
    provision,
    serve,
)


async def test_a_definition_that_changes_while_the_user_is_read_is_read_by_and_no_cycle_begins_anew(
    watcher: Watcher, tenant: Tenant
) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user)
    await watcher.cycle()
    request = await ask(watcher, user)
    [demand] = await claim(watcher)
    [before] = await watcher.frame.list_jobs()
    source = watcher.sources.open(watcher.frame, before)
    # One more restart: a full read that must not be asked for again by whoever knows of the older definition only.
    watcher.record = a_watched_job(watcher.frame, tenant, version=2).model_copy(update={"restarts": 1})
    await save(watcher.frame, watcher.record)
    await watcher.cycles(2)
    assert await serving.serve(watcher.frame, source, before, demand) == "put_back"
    assert await facts(watcher) == []
    [demand] = await claim(watcher)
    assert (demand.request_id, demand.tries) == (request.idempotency_key, 1)
    assert await serve(watcher, demand) == "said"
    assert await watcher.cycle() is CycleKind.INCREMENTAL
    await agree(watcher)


async def test_a_user_is_provisioned_on_demand_before_the_first_cycle(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user)
    assert (await provision(watcher, user)).result is None
    assert await watcher.cycle() is CycleKind.INITIAL
    await agree(watcher)


async def test_a_request_that_comes_twice_or_is_served_twice_is_said_once(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user)
    await watcher.cycle()
    await ask(watcher, user, "key-1")
    await ask(watcher, user, "key-1")
    [demand] = await claim(watcher)
    assert await claim(watcher) == []
    first, second = await asyncio.gather(serve(watcher, demand), serve(watcher, replace(demand, tries=2)))
    assert {first, second} == {"said", "repeated"}
    assert len(await facts(watcher)) == 1


async def test_beside_a_cycle_that_was_read_before_nothing_is_lost(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = await tenant.users()
    await tenant.assign(users[0])
    await watcher.cycle()

    async def meanwhile() -> None:
        await tenant.assign(users[1])
        assert (await provision(watcher, users[1])).result is None

    between_reads_and_commit(monkeypatch, meanwhile)
    await watcher.cycle()
    assert (await watcher.said()).latest()[users[1]].assigned
    await watcher.cycles(3)
    await agree(watcher)
    assert [record.sequence for record in (await watcher.said()).assignments if record.object_id == users[1]] == [1]


async def test_an_assignment_that_ends_before_any_cycle_saw_it_is_taken_back(watcher: Watcher, tenant: Tenant) -> None:
    stays, goes = (await tenant.users())[:2]
    await tenant.assign(stays)
    await watcher.cycle()
    await tenant.assign(goes)
    await provision(watcher, goes)
    await tenant.tx({"op": "unassign", "principalId": goes})
    await watcher.cycles(3)
    await agree(watcher)


async def test_an_assignment_that_comes_and_goes_between_the_reads_and_the_commit_of_a_cycle_is_taken_back(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    stays, goes = (await tenant.users())[:2]
    await tenant.assign(stays)
    await watcher.cycle()

    async def meanwhile() -> None:
        await tenant.assign(goes)
        await provision(watcher, goes)
        await tenant.tx({"op": "unassign", "principalId": goes})

    between_reads_and_commit(monkeypatch, meanwhile)
    await watcher.cycle()
    assert (await watcher.said()).latest()[goes].assigned
    await watcher.cycles(3)
    await agree(watcher)


async def test_an_assignment_that_ended_while_its_user_was_deleted_is_taken_back_after_the_restore(
    watcher: Watcher, tenant: Tenant
) -> None:
    stays, goes = (await tenant.users())[:2]
    await tenant.assign(stays)
    await tenant.assign(goes)
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": goes})
    await watcher.cycles(2)
    await tenant.tx({"op": "unassign", "principalId": goes}, {"op": "restoreUser", "userId": goes})
    await provision(watcher, goes)
    assert (await watcher.said()).latest()[goes].lifecycle is Lifecycle.LIVE
    await watcher.cycles(3)
    await agree(watcher)
