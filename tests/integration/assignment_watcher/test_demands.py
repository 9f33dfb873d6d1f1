"""Users on demand against a simulated Microsoft Graph on a real PostgreSQL: read beside the cycles, never wrong about removals."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.assignment_watcher.demands import serving
from services.assignment_watcher.demands import store as demands
from services.assignment_watcher.demands.store import Demand
from services.assignment_watcher.demands.taking import DemandsTaken
from services.assignment_watcher.graph.retries import Patience
from services.assignment_watcher.reading.reader import Reader, Reading
from services.assignment_watcher.sources.opening import CLIENT_SECRET, JobSources
from shared.contracts.assignments import CycleKind, Lifecycle
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact, DemandResult
from shared.runtime.http import HttpClient
from shared.runtime.job_schemas import SchemaUnusableError
from shared.runtime.jobs import Job
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watched_job, a_watcher, agree, save
from tests.support.builders_diff import received
from tests.support.eventually import eventually

JOB = "job-1"


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=30, groups=3) as running:
        yield running


@pytest.fixture
async def watcher(database_url: str, tenant: Tenant) -> AsyncIterator[Watcher]:
    async with a_watcher(database_url, tenant) as opened:
        yield opened


async def ask(watcher: Watcher, user: str, key: str | None = None, job: str = JOB) -> OperatorRequest:
    """An operator's request arrives."""
    key = key or str(uuid4())
    request = OperatorRequest(
        job_id=job,
        object_type=ObjectType.USER,
        object_id=str(derived_id("demand", job, key)),
        sequence=1,
        kind=RequestKind.PROVISION_ON_DEMAND,
        idempotency_key=key,
        user=user,
        requested_by="an operator",
        at=datetime.now(UTC),
    )
    async with watcher.frame.transaction() as tx:
        await DemandsTaken(asyncio.Event())(tx, [received(request)])
    return request


async def claim(watcher: Watcher) -> list[Demand]:
    async with watcher.frame.transaction() as tx:
        return await demands.claim(tx.connection, tx.now, timedelta(seconds=30), 10)


async def provision(watcher: Watcher, user: str) -> DemandFact:
    """One user on demand, from the request to the commit."""
    request = await ask(watcher, user)
    [demand] = await claim(watcher)
    await serve(watcher, demand)
    [fact] = [fact for fact in await facts(watcher) if fact.request_id == request.idempotency_key]
    return fact


async def serve(watcher: Watcher, demand: Demand) -> str:
    [job] = [job for job in await watcher.frame.list_jobs() if job.job_id == demand.job_id]
    return await serving.serve(watcher.frame, watcher.sources.open(watcher.frame, job), job, demand)


@asynccontextmanager
async def serving_demands(watcher: Watcher) -> AsyncIterator[None]:
    """The loop of the service runs until the block ends."""
    own = JobSources(HttpClient("microsoft-graph", allow_insecure_loopback=True), Patience())
    task = asyncio.create_task(serving.Demands(lambda: own).run(watcher.frame))
    try:
        yield
    finally:
        watcher.frame.stopping.set()
        await asyncio.wait_for(task, 10)


def between_reads_and_commit(monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[None]]) -> None:
    """Let the next cycle wait for ``act`` when it has read everything and committed nothing."""
    read = Reader.read

    async def held(reader: Reader, now: datetime) -> Reading:
        reading = await read(reader, now)
        monkeypatch.setattr(Reader, "read", read)
        await act()
        return reading

    monkeypatch.setattr(Reader, "read", held)


async def facts(watcher: Watcher) -> list[DemandFact]:
    return (await watcher.said()).of(DemandFact)


async def test_a_user_who_was_just_assigned_is_said_before_any_cycle_saw_it(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await watcher.cycle()
    await tenant.assign(user)
    fact = await provision(watcher, user)
    assert fact.result is None
    assert fact.steps[0].details["attributes"]["mail"] == (await tenant.properties(user))["mail"]
    said = await watcher.said()
    record = said.latest()[user]
    assert (record.assigned, record.request_id, record.sequence) == (True, fact.request_id, 1)
    assert fact.object_id == user
    await watcher.cycles(3)
    await agree(watcher)
    assert (await watcher.said()).latest()[user].sequence == 1, "the cycle finds nothing new"


async def test_a_member_of_an_assigned_group_is_found_by_its_direct_membership(
    watcher: Watcher, tenant: Tenant
) -> None:
    users, [group, *_] = await tenant.users(), await tenant.groups()
    await tenant.assign(group["id"], kind="Group")
    await watcher.cycle()
    said = (await watcher.said()).latest()
    outsider = next(user for user in users if user not in said)
    await tenant.tx({"op": "addMember", "groupId": group["id"], "userId": outsider})
    fact = await provision(watcher, outsider)
    assert fact.result is None
    assert [path.group_id for path in (await watcher.said()).latest()[outsider].paths] == [group["id"]]
    await watcher.cycles(2)
    await agree(watcher)


async def test_an_unchanged_user_is_said_again_under_the_next_version_and_in_the_flow_of_the_request(
    watcher: Watcher, tenant: Tenant
) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user)
    await watcher.cycle()
    fact = await provision(watcher, user)
    said = await watcher.said()
    assert [record.sequence for record in said.assignments if record.object_id == user] == [1, 2]
    [row] = [
        row for row in said.rows if row["payload"].get("requestId") == fact.request_id and "paths" in row["payload"]
    ]
    correlation = row["headers"]["correlation_id"]
    assert correlation != row["headers"]["ce_id"]
    assert row["payload"]["cycleId"] == str(derived_id("on-demand", JOB, fact.request_id))
    await agree(watcher)


async def test_a_membership_that_an_old_replica_still_shows_is_taken_back(watcher: Watcher, tenant: Tenant) -> None:
    users, [group, *_] = await tenant.users(), await tenant.groups()
    await tenant.assign(group["id"], kind="Group")
    await watcher.cycle()
    said = (await watcher.said()).latest()
    outsider = next(user for user in users if user not in said)
    await tenant.tx({"op": "addMember", "groupId": group["id"], "userId": outsider})
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {"frozen": True}}})
    await tenant.tx({"op": "removeMember", "groupId": group["id"], "userId": outsider})
    await provision(watcher, outsider)
    assert (await watcher.said()).latest()[outsider].assigned
    await tenant.ask("DELETE", "/_sim/replica")
    await watcher.cycles(4)
    await agree(watcher)


@pytest.mark.parametrize("named", ["userPrincipalName", "mail"])
async def test_a_user_is_found_by_name(watcher: Watcher, tenant: Tenant, named: str) -> None:
    user = (await tenant.users())[3]
    await tenant.assign(user)
    await watcher.cycle()
    fact = await provision(watcher, (await tenant.properties(user))[named].upper())
    assert fact.object_id == user


async def test_i1_one_reading_removes_nobody_who_lost_the_assignment(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user)
    await watcher.cycle()
    await tenant.tx({"op": "unassign", "principalId": user})
    await provision(watcher, user)
    assert (await watcher.said()).latest()[user].assigned, "only the cycles' proofs end an assignment"


async def test_i1_one_reading_removes_nobody_who_was_deleted(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await tenant.assign(user)
    await watcher.cycle()
    await tenant.tx({"op": "softDeleteUser", "userId": user})
    fact = await provision(watcher, user)
    assert fact.result is DemandResult.SKIPPED
    assert (await watcher.said()).latest()[user].lifecycle is Lifecycle.LIVE
    await watcher.cycles(2)
    assert (await watcher.said()).latest()[user].lifecycle is Lifecycle.SOFT_DELETED


async def test_somebody_without_an_assignment_is_explained_and_not_said(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[5]
    await watcher.cycle()
    fact = await provision(watcher, user)
    assert (fact.result, fact.steps[-1].details["conditions"]) == (
        DemandResult.SKIPPED,
        {"Assigned to the application": False},
    )
    assert (await watcher.said()).assignments == []


@pytest.mark.parametrize("most", [1, 2], ids=["not all", "all"])
async def test_whoever_is_in_no_group_is_told_when_not_every_assigned_group_was_asked_about(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr(serving, "MOST_GROUPS", most)
    for group in (await tenant.groups())[:2]:
        await tenant.assign(group["id"], kind="Group")
    await watcher.cycle()
    said = (await watcher.said()).latest()
    fact = await provision(watcher, next(user for user in await tenant.users() if user not in said))
    assert fact.result is DemandResult.SKIPPED
    assert ("Only 1 of the assigned groups were asked about" in (fact.reason or "")) is (most == 1)


async def test_nobody_of_that_name_is_a_failure(watcher: Watcher) -> None:
    fact = await provision(watcher, "nobody@nowhere.example")
    assert (fact.result, fact.steps[0].name) == (DemandResult.FAILURE, "EntryImport")


async def test_a_source_that_refuses_fails_the_connection_step(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.cycle()
    await tenant.knobs(consentRevoked=True)
    fact = await provision(watcher, (await tenant.users())[0])
    assert (fact.result, fact.steps[0].name) == (DemandResult.FAILURE, "TestConnection")
    assert fact.failure is not None


async def test_a_required_role_that_is_unknown_is_said_with_those_that_are_declared(
    watcher: Watcher, tenant: Tenant
) -> None:
    await watcher.cycle()
    await watcher.configure(requiredRoles=["Writer"])
    fact = await provision(watcher, (await tenant.users())[0])
    assert fact.result is DemandResult.FAILURE
    assert "no role Writer; it declares User" in (fact.reason or "")


async def test_a_schema_that_cannot_be_used_ends_the_request_with_what_to_do(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unusable(job: Job, _: ObjectType) -> tuple[str, ...]:
        raise SchemaUnusableError(job.job_id, "the schema needs a newer service")

    monkeypatch.setattr(Job, "source_attributes", unusable)
    await ask(watcher, (await tenant.users())[0])

    async def answered() -> bool:
        return bool(await facts(watcher))

    async with serving_demands(watcher):
        await eventually(answered, within=10)
    [fact] = await facts(watcher)
    assert fact.result is DemandResult.FAILURE
    assert "seatkeeper schema restore" in (fact.reason or "")


async def test_a_source_that_does_not_answer_in_time_fails_the_connection_step(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watcher.cycle()
    monkeypatch.setattr(serving, "READ_SECONDS", 0.2)
    await tenant.knobs(latencyMs=30_000)
    fact = await provision(watcher, "somebody@nowhere.example")
    assert (fact.result, fact.steps[0].name) == (DemandResult.FAILURE, "TestConnection")
    assert "within 0.2 seconds" in (fact.reason or "")


async def test_a_source_that_does_not_answer_holds_up_nobody_of_another_job(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "LAST_SECONDS", 0.01)
    async with a_tenant(users=3) as other:
        record = a_watched_job(watcher.frame, other)
        secret = watcher.frame.secrets.encrypt(other.config["clientSecret"], job_id="job-2", field=CLIENT_SECRET)
        await save(watcher.frame, record.model_copy(update={"job_id": "job-2", "secrets": {CLIENT_SECRET: secret}}))
        await tenant.knobs(latencyMs=600_000)
        for _ in range(20):
            await ask(watcher, "somebody@nowhere.example")
        request = await ask(watcher, "nobody@nowhere.example", job="job-2")

        async def answered() -> bool:
            return [fact.request_id for fact in await facts(watcher)] == [request.idempotency_key]

        async with serving_demands(watcher):
            await eventually(answered, within=10)


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


async def test_a_member_of_a_member_is_not_taken_for_a_direct_member(watcher: Watcher, tenant: Tenant) -> None:
    users, parent, child = (await tenant.users())[-2:], str(uuid4()), str(uuid4())
    await tenant.tx(
        {"op": "createGroup", "groupId": child, "displayName": "Child", "members": users},
        {"op": "createGroup", "groupId": parent, "displayName": "Parent", "members": []},
        {"op": "addMember", "groupId": parent, "userId": child},
    )
    await tenant.assign(parent, kind="Group")
    await watcher.cycle()
    fact = await provision(watcher, users[0])
    assert fact.result is DemandResult.SKIPPED
    assert users[0] not in (await watcher.said()).latest()
    await watcher.cycles(2)
    await agree(watcher)
