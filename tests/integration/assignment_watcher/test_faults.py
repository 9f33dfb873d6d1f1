"""A source that misbehaves, a process that dies, a lease that is lost: nothing is removed, nothing is said twice."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from services.assignment_watcher import cycle
from services.assignment_watcher.sources.source import (
    SourceError,
    SourceMisconfiguredError,
    SourceRefusedError,
    SourceUnavailableError,
)
from shared.contracts.outcomes import ConditionState, CyclePhase
from shared.runtime import leases
from shared.runtime.errors import LeaseLostError
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watcher, agree, save
from tests.support.databases import fresh_database


class Crash(BaseException):
    """Stands for SIGKILL at a crash point."""


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=60, groups=4) as running:
        [group, *_] = await running.groups()
        await running.assign(group["id"], kind="Group")
        for user in (await running.users())[:5]:
            await running.assign(user)
        yield running


async def change_something(tenant: Tenant) -> None:
    users, [group, *_] = await tenant.users(), await tenant.groups()
    await tenant.tx(
        {"op": "unassign", "principalId": users[0]},
        {"op": "updateUser", "userId": users[1], "properties": {"city": "Oslo"}},
        {"op": "softDeleteUser", "userId": users[2]},
        {"op": "addMember", "groupId": group["id"], "userId": (await tenant.tx({"op": "createUser"}))[0]["userId"]},
    )


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "throttle", "retryAfter": "0"},
        {"kind": "throttle", "retryAfter": "0.05"},
        {"kind": "throttle", "retryAfter": "date", "seconds": 0},
        {"kind": "throttle"},
        {"kind": "status", "status": 503},
        {"kind": "status", "status": 500},
        {"kind": "html502"},
        {"kind": "reset"},
        {"kind": "truncate"},
        {"kind": "truncate", "whole": True},
        {"kind": "loop"},
    ],
    ids=lambda fault: " ".join(str(value) for value in fault.values()),
)
async def test_i7_a_request_that_fails_once_is_tried_again(
    watcher: Watcher, tenant: Tenant, fault: dict[str, Any]
) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"pageSize": 10, "memberSlice": 5})
    for path in ("appRoleAssignedTo", "groups/delta", "users/delta", "servicePrincipals/[^/]+$", "oauth2"):
        if fault["kind"] != "loop" or path.endswith("delta"):
            await tenant.fault(path, **fault)
    await watcher.cycle()
    await agree(watcher)
    await change_something(tenant)
    for path in ("appRoleAssignedTo", "groups/delta", "users/delta"):
        if fault["kind"] != "loop" or path.endswith("delta"):
            await tenant.fault(path, **fault)
    await watcher.cycle()
    await agree(watcher)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("servicePrincipals/[^/]+$", 404),
        ("servicePrincipals/[^/]+$", 403),
        ("appRoleAssignedTo", 500),
        ("appRoleAssignedTo", 404),
        ("groups/delta", 403),
        ("users/delta", 404),
    ],
)
async def test_a_failed_read_changes_nothing_and_is_said_once(
    watcher: Watcher, tenant: Tenant, path: str, status: int
) -> None:
    await watcher.cycle()
    before = await watcher.said()
    await change_something(tenant)
    fault = await tenant.fault(path, "status", status=status, times=None)
    error: type[SourceError] = SourceRefusedError if status == 403 else SourceUnavailableError
    if path.startswith("service") and status == 404:
        error = SourceMisconfiguredError
    for _ in range(2):
        with pytest.raises(error):
            await watcher.cycle()
    said = await watcher.said()
    assert len(said.assignments) == len(before.assignments)
    assert [fact.phase for fact in said.facts[2:]] == [CyclePhase.FAILED]
    [raised] = said.conditions
    assert raised.condition == error.condition
    assert raised.state is ConditionState.RAISED
    assert raised.failure is not None
    assert raised.failure.http_status == status
    await tenant.ask("DELETE", f"/_sim/faults/{fault}")
    await watcher.cycles(2)
    await agree(watcher)
    assert [condition.state for condition in (await watcher.said()).conditions] == [
        ConditionState.RAISED,
        ConditionState.CLEARED,
    ]


async def test_a_wrong_secret_is_a_condition_with_advice_and_without_the_secret(
    watcher: Watcher, tenant: Tenant
) -> None:
    await watcher.configure(secret="not-a-real-secret")
    with pytest.raises(SourceRefusedError):
        await watcher.cycle()
    said = await watcher.said()
    assert said.conditions[0].condition == "sourceCredentials"
    assert "AADSTS7000215" in said.conditions[0].failure.message
    assert all(b"not-a-real-secret" not in str(row).encode() for row in said.rows)
    assert [fact.phase for fact in said.facts] == [CyclePhase.STARTED, CyclePhase.FAILED]
    await watcher.configure()
    await watcher.cycle()
    await agree(watcher)
    sequences = [fact.sequence for fact in (await watcher.said()).facts]
    assert sequences == sorted(set(sequences))


async def test_a_missing_permission_is_found_before_anything_is_read(watcher: Watcher, tenant: Tenant) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"permissions": ["Application.Read.All", "GroupMember.Read.All"]})
    with pytest.raises(SourceRefusedError, match=r"User\.Read\.All"):
        await watcher.cycle()
    assert "users/delta" not in (await tenant.ask("GET", "/_sim/journal"))["requests"]


async def test_a_token_that_expired_is_renewed_once(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "access"})
    await change_something(tenant)
    await watcher.cycle()
    await agree(watcher)


async def test_i9_the_token_never_goes_to_another_host(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.cycle()
    before = await watcher.said()
    async with a_tenant() as foreign:
        await tenant.fault("users/delta", "foreignLink", origin=foreign.url)
        with pytest.raises(SourceUnavailableError, match="another host"):
            await watcher.cycle()
        assert (await foreign.ask("GET", "/_sim/journal"))["requests"] == {}
    assert len((await watcher.said()).assignments) == len(before.assignments)
    await watcher.cycle()
    await agree(watcher)


async def test_a_round_that_goes_in_circles_ends(watcher: Watcher, tenant: Tenant) -> None:
    await tenant.fault("users/delta", "loop", times=None)
    with pytest.raises(SourceUnavailableError, match="without end"):
        await watcher.cycle()
    await tenant.ask("DELETE", "/_sim/faults")
    await watcher.cycle()
    await agree(watcher)


@pytest.mark.parametrize("shape", ["410", "syncStateNotFound", "30days"])
async def test_a_dead_delta_token_is_followed_by_a_full_read_and_only_net_differences_are_said(
    watcher: Watcher, tenant: Tenant, shape: str
) -> None:
    small = (await tenant.tx({"op": "createGroup", "members": [(await tenant.users())[10]]}))[0]["groupId"]
    await tenant.assign(small, kind="Group")
    await watcher.cycle()
    count = len((await watcher.said()).assignments)
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta", "shape": shape})
    await watcher.cycle()
    assert len((await watcher.said()).assignments) == count
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta", "shape": shape})
    users, [group, *_] = await tenant.users(), await tenant.groups()
    members = set((await watcher.said()).latest()) - set(users[:5])
    leaver, deleted = sorted(members)[:2]
    said = (await watcher.said()).latest()
    managed = [user for user, message in said.items() if message.attributes.get("manager") == users[3]]
    await tenant.tx(
        {"op": "removeMember", "groupId": group["id"], "userId": leaver},
        {"op": "removeMember", "groupId": small, "userId": users[10]},
        {"op": "softDeleteUser", "userId": deleted},
        {"op": "hardDeleteUser", "userId": users[3]},
        {"op": "updateUser", "userId": users[4], "properties": {"city": "Oslo"}},
    )
    await watcher.cycles(3)
    await agree(watcher)
    # Of the one who is gone for good, the assignment ends first: that is seen sooner than two answers that do not know the user.
    # And whoever had that one as manager has none now.
    assert len((await watcher.said()).assignments) <= count + 7 + len(managed)


@pytest.mark.parametrize("shape", ["notFound", "expired"])
async def test_a_dead_page_token_restarts_the_round(watcher: Watcher, tenant: Tenant, shape: str) -> None:
    await tenant.ask("POST", "/_sim/knobs", {"pageSize": 10})
    code = {"notFound": "DirectoryPageTokenNotFoundException", "expired": "Directory_ExpiredPageToken"}[shape]
    await tenant.fault("users/delta", "status", status=400, code=code, nth=3)
    await watcher.cycle()
    await agree(watcher)
    requests = (await tenant.ask("GET", "/_sim/journal"))["requests"]["users/delta"]
    assert requests["status"]["400"] == 1
    assert requests["count"] == 6 + 1, "the last good link is asked for again"


async def test_a_user_whom_the_stream_does_not_give_is_asked_for(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.cycle()
    [created] = await tenant.tx({"op": "createUser"})
    await tenant.assign(created["userId"])
    await tenant.fault("users/delta", "dropPage")
    await watcher.cycle()
    assert created["userId"] not in (await watcher.said()).latest()
    await watcher.cycle()
    assert (await watcher.said()).latest()[created["userId"]].assigned
    await agree(watcher)


@pytest.mark.parametrize("point", ["watcher.before_commit", "watcher.after_commit"])
async def test_i8_a_crash_around_the_commit_gives_the_same_events(
    database_url: str, servers: Any, tenant: Tenant, point: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        fresh_database(servers.database_url) as other_url,
        a_watcher(database_url, tenant) as crashing,
        a_watcher(other_url, tenant) as steady,
    ):

        def crash(name: str) -> None:
            if name == point:
                raise Crash

        for step in range(2):
            if step:
                await change_something(tenant)
            monkeypatch.setattr(cycle, "crash_point", crash)
            with pytest.raises(Crash):
                await crashing.cycle()
            monkeypatch.undo()
            await crashing.cycle()
            await steady.cycle()
        await crashing.cycle()
        await steady.cycles(2)
        await agree(crashing)
        mine, theirs = await crashing.said(), await steady.said()
        assert sorted(mine.ids_of("assignment.v1")) == sorted(theirs.ids_of("assignment.v1"))
        if point == "watcher.before_commit":
            assert set(mine.ids_of("cycle-mark.v1")) == set(theirs.ids_of("cycle-mark.v1"))


async def test_i4_a_process_that_lost_its_lease_commits_nothing(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watcher.cycle()
    before = await watcher.said()
    await change_something(tenant)

    async def taken_over(self: leases.Lease, connection: Any) -> None:
        other = await asyncpg.connect(watcher.frame.settings.database_url.get_secret_value())
        await other.execute("UPDATE assignment_watcher.lease SET owner = 'another', epoch = epoch + 1")
        await other.close()
        await fence(self, connection)

    fence = leases.Lease.fence
    monkeypatch.setattr(leases.Lease, "fence", taken_over)
    with pytest.raises(LeaseLostError):
        await watcher.cycle()
    monkeypatch.undo()
    assert (await watcher.said()).ids == before.ids
    async with watcher.frame.connection() as connection:
        await connection.execute("UPDATE lease SET expires_at = '-infinity'")
    await watcher.cycle()
    await agree(watcher)


@pytest.mark.parametrize("read_something", [True, False])
async def test_i4_of_two_cycles_that_started_from_the_same_round_only_one_commits(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch, read_something: bool
) -> None:
    await watcher.cycles(2)
    read = cycle.Reader.read

    async def overtaken(self: cycle.Reader, now: Any) -> Any:
        if read_something:
            await change_something(tenant)
        reading = await read(self, now)
        if not read_something:
            await change_something(tenant)
        monkeypatch.setattr(cycle.Reader, "read", read)
        await watcher.cycle()
        return reading

    monkeypatch.setattr(cycle.Reader, "read", overtaken)
    with pytest.raises(LeaseLostError):
        await watcher.cycle()
    await watcher.cycle()
    await agree(watcher)


async def test_pages_that_vanish_from_the_staging_tables_are_not_taken_for_an_answer(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    await watcher.cycle()
    before = await watcher.said()
    await change_something(tenant)
    read = cycle.Reader.read

    async def emptied(self: cycle.Reader, now: Any) -> Any:
        reading = await read(self, now)
        async with watcher.frame.connection() as connection:
            await connection.execute("TRUNCATE staged_assignment")
        return reading

    monkeypatch.setattr(cycle.Reader, "read", emptied)
    with pytest.raises(LeaseLostError):
        await watcher.cycle()
    monkeypatch.undo()
    assert (await watcher.said()).ids == before.ids
    await watcher.cycle()
    await agree(watcher)


async def test_a_restart_is_an_initial_cycle_that_says_only_what_differs(watcher: Watcher, tenant: Tenant) -> None:
    await watcher.cycle()
    before = await watcher.said()
    watcher.record = watcher.record.model_copy(update={"restarts": 1, "sequence": watcher.record.sequence + 1})
    await save(watcher.frame, watcher.record)
    await watcher.cycle()
    said = await watcher.said()
    assert len(said.assignments) == len(before.assignments)
    assert said.facts[-1].cycle_kind == "initial"
    await agree(watcher)
