"""Removals that are held: too many, or caused by an empty listing; released by an operator's approval, dropped when all is well again."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest

from services.assignment_watcher import holds
from services.assignment_watcher.sources.source import RoleUnknownError
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.message import ObjectType
from shared.contracts.source import DELETION_HOLD, HoldReason, HoldState
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watcher
from tests.support.messages import received

SEATS = 12


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=30, groups=2) as running:
        for user in (await running.users())[:SEATS]:
            await running.assign(user)
        yield running


@pytest.fixture
async def watcher(database_url: str, tenant: Tenant) -> AsyncIterator[Watcher]:
    async with a_watcher(database_url, tenant) as opened:
        opened.policy = {"guard_count": 3, "guard_percent": 10}
        await opened.cycle()
        yield opened


async def unassign(tenant: Tenant, count: int, after: int = 0) -> list[str]:
    users = (await tenant.users())[after : after + count]
    await tenant.tx(*({"op": "unassign", "principalId": user} for user in users))
    return users


async def decide(watcher: Watcher, kind: RequestKind, hold_id: str) -> set[str]:
    request = OperatorRequest(
        job_id="job-1",
        object_type=ObjectType.HOLD,
        object_id=hold_id,
        sequence=1,
        kind=kind,
        reason="looked at it",
        idempotency_key=str(uuid4()),
        hold_id=hold_id,
        requested_by="operator",
        at=watcher.now,
    )
    async with watcher.frame.transaction() as tx:
        jobs = await holds.decide(tx, [received(request)])
        await tx.flush()
    return jobs


async def test_up_to_the_limit_removals_go_out(watcher: Watcher, tenant: Tenant) -> None:
    await unassign(tenant, 3)
    await watcher.cycles(2)
    said = await watcher.said()
    assert len(said.effective()) == SEATS - 3
    assert said.holds == []


async def test_more_than_the_limit_are_held_and_everything_else_goes_on(watcher: Watcher, tenant: Tenant) -> None:
    gone = await unassign(tenant, 4)
    joiner = (await tenant.users())[20]
    await tenant.assign(joiner)
    await watcher.cycles(2)
    said = await watcher.said()
    assert set(gone) <= said.effective().keys()
    assert joiner in said.effective()
    [held] = said.holds
    assert (held.state, held.reason, held.removals, held.active) == (HoldState.HELD, HoldReason.TOO_MANY, 4, SEATS + 1)
    assert said.state.held_removals == 4
    [more] = (await tenant.users())[10:11]
    await tenant.tx({"op": "unassign", "principalId": more})
    await watcher.cycles(3)
    said = await watcher.said()
    assert more not in said.effective(), "a removal of a later cycle is counted by itself"
    assert set(gone) <= said.effective().keys()


async def test_an_approval_releases_what_is_held_once(watcher: Watcher, tenant: Tenant) -> None:
    gone = await unassign(tenant, 5)
    await watcher.cycles(2)
    [held] = (await watcher.said()).holds
    assert await decide(watcher, RequestKind.APPROVE_HOLD, held.object_id) == {"job-1"}
    assert await decide(watcher, RequestKind.APPROVE_HOLD, held.object_id) == set(), "a repeat decides nothing"
    await watcher.cycle()
    said = await watcher.said()
    assert said.effective() == await tenant.effective()
    assert not set(gone) & said.effective().keys()
    assert [fact.state for fact in said.holds] == [HoldState.HELD, HoldState.APPROVED]
    assert [fact.sequence for fact in said.holds] == [1, 2]
    assert said.holds[-1].decided_by == "operator"
    again = await unassign(tenant, 4, after=5)
    await watcher.cycles(2)
    assert set(again) <= (await watcher.said()).effective().keys(), "one approval is for one hold"


async def test_a_decision_on_a_hold_of_the_deletion_guard_is_passed_over(watcher: Watcher, tenant: Tenant) -> None:
    await unassign(tenant, 5)
    await watcher.cycles(2)
    [held] = (await watcher.said()).holds
    other = f"{DELETION_HOLD}{held.object_id}"
    async with watcher.frame.connection() as connection:
        # Even if one of ours were called like that.
        await connection.execute("UPDATE hold SET hold_id = $1", other)
        await connection.execute("UPDATE held SET hold_id = $1", other)
    assert await decide(watcher, RequestKind.APPROVE_HOLD, other) == set()
    assert [fact.state for fact in (await watcher.said()).holds] == [HoldState.HELD]


async def test_a_rejected_hold_stays_and_can_still_be_approved(watcher: Watcher, tenant: Tenant) -> None:
    await unassign(tenant, 5)
    await watcher.cycles(2)
    [held] = (await watcher.said()).holds
    await decide(watcher, RequestKind.REJECT_HOLD, held.object_id)
    await watcher.cycles(2)
    assert len((await watcher.said()).effective()) == SEATS
    await decide(watcher, RequestKind.APPROVE_HOLD, held.object_id)
    await watcher.cycle()
    assert len((await watcher.said()).effective()) == SEATS - 5


async def test_what_turns_out_well_again_drops_the_hold(watcher: Watcher, tenant: Tenant) -> None:
    gone = await unassign(tenant, 5)
    await watcher.cycles(2)
    await tenant.assign(gone[0])
    await watcher.cycle()
    said = await watcher.said()
    assert [(fact.state, fact.removals) for fact in said.holds] == [(HoldState.HELD, 5), (HoldState.HELD, 4)]
    for user in gone[1:]:
        await tenant.assign(user)
    await watcher.cycle()
    said = await watcher.said()
    assert said.holds[-1].state is HoldState.DROPPED
    assert all(message.assigned for message in said.assignments), "nobody ever heard of a removal"
    assert said.state.held_removals == 0


async def test_an_empty_listing_that_is_true_is_held_even_for_one(database_url: str) -> None:
    async with a_tenant(users=5) as tenant, a_watcher(database_url, tenant) as watcher:
        user, *_ = await tenant.users()
        await tenant.assign(user)
        await watcher.cycle()
        await tenant.tx({"op": "unassign", "principalId": user})
        await watcher.cycles(3)
        said = await watcher.said()
        assert user in said.effective()
        [held] = said.holds
        assert (held.reason, held.removals) == (HoldReason.EMPTY_LISTING, 1)
        await decide(watcher, RequestKind.APPROVE_HOLD, held.object_id)
        await watcher.cycle()
        assert (await watcher.said()).effective() == {}


async def test_members_of_a_deleted_group_are_held_when_they_are_many(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    [made] = await tenant.tx({"op": "createGroup", "members": users[15:25]})
    await tenant.assign(made["groupId"], kind="Group")
    await watcher.cycle()
    await tenant.tx({"op": "deleteGroup", "groupId": made["groupId"]})
    await watcher.cycles(2)
    assert len((await watcher.said()).effective()) == SEATS + 10
    await tenant.tx({"op": "restoreGroup", "groupId": made["groupId"]})
    await watcher.cycles(2)
    said = await watcher.said()
    assert said.holds[-1].state is HoldState.DROPPED
    assert said.effective() == await tenant.effective()


async def test_a_required_role_that_vanishes_stops_everything_with_its_name(watcher: Watcher, tenant: Tenant) -> None:
    before = (await watcher.said()).ids_of("assignment.v1")
    roles: list[dict[str, Any]] = [{"value": "Reader", "displayName": "Reader"}]
    await watcher.configure(requiredRoles=["Writer"])
    await tenant.assign((await tenant.users())[20])
    with pytest.raises(RoleUnknownError, match=r"no role Writer; it declares User"):
        await watcher.cycle()
    said = await watcher.said()
    assert said.ids_of("assignment.v1") == before
    assert said.conditions[-1].condition == "sourceRole"
    assert said.conditions[-1].failure is not None
    assert "requiredRoles" in said.conditions[-1].failure.advice
    await tenant.tx({"op": "updateServicePrincipal", "properties": {"appRoles": [*roles, {"value": "Writer"}]}})
    await watcher.cycle()
    assert (await watcher.said()).conditions[-1].state == "cleared"


async def test_a_removal_that_only_a_full_read_shows_is_held_however_few_they_are(
    watcher: Watcher, tenant: Tenant
) -> None:
    await unassign(tenant, 3)
    group = (await tenant.groups())[0]["id"]
    await tenant.assign(group, kind="Group")
    await watcher.cycles(3)
    before = (await watcher.said()).effective()
    await tenant.fault("groups/delta", "lostChange", count=1)
    await tenant.tx({"op": "updateGroup", "groupId": group, "properties": {"securityEnabled": False}})
    await watcher.cycle()
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta", "shape": "410"})
    await watcher.cycles(3)
    said = await watcher.said()
    assert said.effective() == before
    assert [(held.reason, held.state) for held in said.holds] == [(HoldReason.RESYNC, HoldState.HELD)]
