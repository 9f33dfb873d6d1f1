"""Users on demand against a simulated Microsoft Graph on a real PostgreSQL: each is read, and told what was found."""

from uuid import uuid4

import pytest

from services.assignment_watcher.demands import serving
from services.assignment_watcher.sources.opening import CLIENT_SECRET
from shared.contracts.assignments import Lifecycle
from shared.contracts.changes import REDACTED
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandResult
from shared.contracts.templates import TEMPLATES
from shared.runtime.job_schemas import SchemaUnusableError
from shared.runtime.jobs import Job
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watched_job, agree, save
from tests.support.eventually import eventually
from tests.support.watcher_demands import JOB, ask, facts, provision, serving_demands


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


async def test_i9_what_a_mapping_redacts_is_not_shown_as_imported(watcher: Watcher, tenant: Tenant) -> None:
    user = (await tenant.users())[0]
    await watcher.cycle()
    document = TEMPLATES["linkedin-sales-navigator"].schema.document()
    for mapping in document["synchronizationRules"][0]["objectMappings"]:
        for row in mapping["attributeMappings"]:
            if row["targetAttributeName"] == "title":
                row["source"] = {"expression": "Redact([jobTitle])", "type": "Function"}
    record = a_watched_job(watcher.frame, tenant, version=2)
    await save(watcher.frame, record.model_copy(update={"synchronization_schema": document, "schema_version": 1}))
    unassigned = await provision(watcher, user)
    await tenant.assign(user)
    imported = await provision(watcher, user)
    for fact in (unassigned, imported):
        attributes = fact.steps[0].details["attributes"]
        assert (attributes["jobTitle"], attributes["mail"]) == (REDACTED, (await tenant.properties(user))["mail"])


async def a_member_that_no_cycle_has_seen(watcher: Watcher, tenant: Tenant) -> tuple[str, str]:
    """Somebody becomes a member of an assigned group after a cycle: the ids of both, the group first."""
    users, [group, *_] = await tenant.users(), await tenant.groups()
    await tenant.assign(group["id"], kind="Group")
    await watcher.cycle()
    said = (await watcher.said()).latest()
    outsider = next(user for user in users if user not in said)
    await tenant.tx({"op": "addMember", "groupId": group["id"], "userId": outsider})
    return group["id"], outsider


async def test_a_member_of_an_assigned_group_is_found_by_its_direct_membership(
    watcher: Watcher, tenant: Tenant
) -> None:
    group_id, outsider = await a_member_that_no_cycle_has_seen(watcher, tenant)
    fact = await provision(watcher, outsider)
    assert fact.result is None
    assert [path.group_id for path in (await watcher.said()).latest()[outsider].paths] == [group_id]
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
    group_id, outsider = await a_member_that_no_cycle_has_seen(watcher, tenant)
    await tenant.ask("POST", "/_sim/replica", {"lag": {"groups": {"frozen": True}}})
    await tenant.tx({"op": "removeMember", "groupId": group_id, "userId": outsider})
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
