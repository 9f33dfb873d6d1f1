"""The manager of a user, as the directory object id: read by its changes and by id, said only when the job reads it."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import orjson
import pytest

from services.assignment_watcher.mirror.staging import QUERIES as MIRROR
from shared.contracts.message import ObjectType
from shared.runtime.jobs import Job
from tests.support.builders_assignment_watcher import Tenant, Watcher, a_tenant, a_watcher

USUAL = Job.source_attributes


def with_manager(job: Job, object_type: ObjectType) -> tuple[str, ...]:
    usual = without_manager(job, object_type)
    return (*usual, "manager") if object_type is ObjectType.USER else usual


def without_manager(job: Job, object_type: ObjectType) -> tuple[str, ...]:
    return tuple(name for name in USUAL(job, object_type) if name != "manager")


@pytest.fixture
async def tenant() -> AsyncIterator[Tenant]:
    async with a_tenant(users=30) as running:
        yield running


@pytest.fixture
async def watcher(database_url: str, tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Watcher]:
    monkeypatch.setattr(Job, "source_attributes", with_manager)
    async with a_watcher(database_url, tenant) as opened:
        for user in (await tenant.users())[:20]:
            await tenant.assign(user)
        await opened.cycle()
        yield opened


async def managers_said(watcher: Watcher, user: str) -> list[str | None]:
    return [
        message.attributes.get("manager") for message in (await watcher.said()).assignments if message.object_id == user
    ]


async def as_in_truth(watcher: Watcher, tenant: Tenant) -> None:
    for user, message in (await watcher.said()).latest().items():
        assert message.attributes.get("manager") == (await tenant.properties(user)).get("manager")


async def manage(tenant: Tenant, user: str, manager: str | None) -> None:
    await tenant.tx({"op": "setManager", "userId": user} | ({"managerId": manager} if manager else {}))


async def test_the_initial_cycle_says_who_has_which_manager(watcher: Watcher, tenant: Tenant) -> None:
    known = {message.attributes.get("manager") for message in (await watcher.said()).latest().values()}
    assert None in known
    assert len(known) > 1
    await as_in_truth(watcher, tenant)


@pytest.mark.parametrize("upper", [False, True], ids=["as they are", "ids in upper case"])
async def test_a_manager_that_comes_changes_and_goes_is_said_each_time(
    watcher: Watcher, tenant: Tenant, upper: bool
) -> None:
    await tenant.knobs(upperCaseIds=upper)
    user, first, second = (await tenant.users())[:3]
    assert await managers_said(watcher, user) == [None]
    for manager in (first, second, None):
        await manage(tenant, user, manager)
        await watcher.cycle()
    assert await managers_said(watcher, user) == [None, first, second, None]
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"city": "Oslo"}})
    await watcher.cycle()
    assert (await managers_said(watcher, user))[-1] is None


async def test_a_change_of_something_else_keeps_the_manager(watcher: Watcher, tenant: Tenant) -> None:
    user, manager = (await tenant.users())[:2]
    await manage(tenant, user, manager)
    await watcher.cycle()
    await tenant.tx({"op": "updateUser", "userId": user, "properties": {"city": "Oslo"}})
    await watcher.cycle()
    assert (await managers_said(watcher, user))[1:] == [manager, manager]


async def test_a_manager_that_is_deleted_for_good_is_nobodys_manager(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    await manage(tenant, users[0], users[25])
    await watcher.cycle()
    await tenant.tx({"op": "hardDeleteUser", "userId": users[25]})
    await watcher.cycle()
    assert (await managers_said(watcher, users[0]))[-1] is None
    await as_in_truth(watcher, tenant)


async def test_a_full_read_ends_the_manager_that_went_meanwhile(watcher: Watcher, tenant: Tenant) -> None:
    users = await tenant.users()
    await manage(tenant, users[0], users[2])
    await watcher.cycle()
    await manage(tenant, users[0], None)
    await tenant.ask("POST", "/_sim/tokens/expire", {"kind": "delta"})
    await watcher.cycle()
    assert await managers_said(watcher, users[0]) == [None, users[2], None]
    await as_in_truth(watcher, tenant)


async def test_a_user_that_is_read_by_id_comes_with_its_manager(watcher: Watcher, tenant: Tenant) -> None:
    manager = (await tenant.users())[0]
    await tenant.ask("POST", "/_sim/replica", {"lag": {"users": {"frozen": True}}})
    [made] = await tenant.tx({"op": "createUser"})
    await manage(tenant, made["userId"], manager)
    await tenant.assign(made["userId"])
    await watcher.cycle()
    await tenant.ask("DELETE", "/_sim/replica")
    await tenant.fault("/users/delta", "lostChange", count=5, times=None)
    await watcher.cycles(3)
    assert set(await managers_said(watcher, made["userId"])) == {manager}
    journal = await tenant.ask("GET", "/_sim/journal")
    assert journal["requests"]["user"]["count"] > 0


async def test_a_mapping_without_manager_neither_reads_nor_says_it(
    watcher: Watcher, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Job, "source_attributes", without_manager)
    watcher.sources_opened_anew()
    said = await watcher.cycles(3)
    assert not any("manager" in message.attributes for message in said.latest().values())
    assert all(message.assigned for message in said.assignments)
    count = len(said.assignments)
    user, manager = (await tenant.users())[:2]
    await manage(tenant, user, manager)
    await watcher.cycle()
    assert len((await watcher.said()).assignments) == count


A, B, GONE = {"id": "A"}, {"id": "b"}, {"@removed": {"reason": "deleted"}}


@pytest.mark.parametrize(
    ("known", "rounds", "manager"),
    [
        (None, [[A]], "a"),
        ("a", [[B]], "b"),
        ("a", [[B, A | GONE]], "b"),
        ("a", [[A | GONE, B]], "b"),
        ("a", [[A | GONE]], None),
        ("a", [[]], "a"),
        ("b", [[A | GONE]], "b"),
        ("a", [[B], [A | GONE]], "b"),
        ("a", [[A | GONE], [B]], "b"),
        (None, [[A], [A | GONE]], None),
        (None, [[A | GONE], [A]], "a"),
    ],
    ids=[
        "first",
        "another",
        "another and the old one gone",
        "the old one gone and another",
        "gone",
        "nothing said",
        "one that it does not have is gone",
        "another, then the old one late",
        "gone, then another",
        "came and went",
        "went and came",
    ],
)
async def test_records_of_one_round_are_folded_in_their_order(
    watcher: Watcher, known: str | None, rounds: list[list[dict[str, Any]]], manager: str | None
) -> None:
    said = [orjson.dumps(one).decode() for one in rounds]
    async with watcher.frame.connection() as connection:
        kept = await connection.fetchval(
            """
            SELECT brought_up(jsonb_build_object('manager', $1::text), merged(manager_of(one::jsonb) ORDER BY n), false)::text
            FROM unnest($2::text[]) WITH ORDINALITY AS said (one, n)
            """,
            known,
            said,
        )
    assert orjson.loads(kept) == {"manager": manager}


@pytest.mark.parametrize("known", [True, False], ids=["of a user who is known", "of a new user"])
async def test_a_manager_that_came_and_went_in_one_round_is_nobodys(watcher: Watcher, known: bool) -> None:
    user = str(uuid4())
    async with watcher.frame.transaction() as tx:
        await tx.connection.execute(MIRROR.create_touched)
        for changes in ([[]], [[A], [A | GONE]]) if known else ([[A], [A | GONE]],):
            attempt = uuid4()
            body = orjson.dumps({"value": [{"id": user, "manager@delta": one} for one in changes]}).decode()
            await tx.connection.execute(MIRROR.stage_users, "job-1", attempt, body)
            await tx.connection.fetch(MIRROR.apply_users, "job-1", attempt, False, watcher.now, [])
        kept = await tx.connection.fetchval("SELECT attributes::text FROM mirror_user WHERE user_id = $1", user)
    assert orjson.loads(kept) == {"id": user, "manager": None}
