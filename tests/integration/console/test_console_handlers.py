"""The read models: right when messages come twice, swapped, or again after a crash (I1, I4)."""

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import pytest

from services.console import prune, read
from shared.contracts.changes import LicenseDecision
from shared.contracts.failure_codes import Code
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, CyclePhase, LicenseState, Result
from shared.runtime.consume import PASSING_ERRORS
from shared.runtime.frame import Frame
from shared.runtime.transaction import Received
from tests.support.builders_console import (
    JOB,
    assignment,
    at,
    change,
    command,
    condition,
    cycle,
    deliver,
    license_fact,
    outcome,
    received,
)


def story(user: str, ticket: int) -> list[Received[Any]]:
    """Everything that is said about a user who is created, and one who fails at the end."""
    return [
        received(assignment(user), service="assignment-watcher"),
        received(change(user)),
        received(command(user, decision=LicenseDecision.RESERVED, ticket=ticket), service="license-allocator"),
        received(outcome(user), service="scim-writer"),
        received(license_fact(user, LicenseState.GRANTED, ticket=ticket), service="license-allocator"),
        received(change(user, 2)),
        received(outcome(user, 2, Result.FAILED, code=Code.CONFLICT), service="scim-writer"),
    ]


_STATE = {
    "person": "SELECT object_id, facets::text, status, code, user_principal_name, license_state, license_ticket FROM person ORDER BY 1",
    "timeline": "SELECT object_id, at, kind, service, facts::text FROM timeline JOIN person USING (person_no) ORDER BY 1, 2, 3, 5",
    "provisioning_log": "SELECT event_id, at, object_id, action, status, body::text FROM provisioning_log ORDER BY 1",
    "cycle": "SELECT * FROM cycle ORDER BY cycle_id",
    "condition": "SELECT * FROM condition ORDER BY condition",
}


async def state(frame: Frame) -> dict[str, list[tuple[Any, ...]]]:
    async with frame.connection() as connection:
        return {name: [tuple(row) for row in await connection.fetch(query)] for name, query in _STATE.items()}


async def erase(frame: Frame) -> None:
    async with frame.connection() as connection:
        await connection.execute(f"TRUNCATE inbox, {', '.join(_STATE)}")


async def deliver_one_by_one(frame: Frame, items: Sequence[Received[Any]]) -> None:
    for item in items:
        await deliver(frame, [item])


async def test_the_same_state_from_one_batch_from_many_from_repeats_and_from_any_order(frame: Frame) -> None:
    items = [item for number in range(4) for item in story(f"user-{number}", number + 1)]
    items += [
        received(cycle(CyclePhase.STARTED)),
        received(cycle(CyclePhase.COMPLETED, objects=4)),
        received(condition("credentials", ConditionState.RAISED, 1)),
        received(condition("credentials", ConditionState.CLEARED, 2)),
    ]
    await deliver(frame, items)
    expected = await state(frame)
    assert [row[2] for row in expected["person"]] == ["failed"] * 4
    for seed in range(3):
        await erase(frame)
        shuffled = [*items, *items]
        random.Random(seed).shuffle(shuffled)
        for start in range(0, len(shuffled), 9):
            await deliver(frame, shuffled[start : start + 9])
        assert await state(frame) == expected, f"seed {seed}"
    await erase(frame)
    await deliver_one_by_one(frame, items)
    assert await state(frame) == expected


async def test_a_crash_before_the_commit_leaves_nothing_and_the_batch_comes_again(frame: Frame) -> None:
    items = story("user-1", 1)
    empty = await state(frame)
    await deliver(frame, items, crash=True)
    assert await state(frame) == empty
    await deliver(frame, items)
    once = await state(frame)
    await deliver(frame, items)
    assert await state(frame) == once
    assert len(once["timeline"]) == len(items)


async def test_two_processes_that_note_the_same_new_people_lose_nothing(frame: Frame) -> None:
    items = [item for number in range(30) for item in story(f"user-{number}", number + 1)]
    halves = items[::2], items[1::2]

    async def until_taken(half: list[Received[Any]]) -> None:
        while True:  # as the frame does with what passes by itself
            try:
                await deliver(frame, half)
            except PASSING_ERRORS:
                continue
            return

    await asyncio.gather(*(until_taken(half) for half in halves))
    together = await state(frame)
    await erase(frame)
    await deliver(frame, items)
    assert await state(frame) == together


async def test_a_batch_is_a_constant_number_of_statements(frame: Frame) -> None:
    async def statements(users: int) -> int:
        items = [item for number in range(users) for item in story(f"{users}-{number}", number + 1)]
        seen: list[str] = []
        async with frame.connection() as connection:
            connection.add_query_logger(lambda record: seen.append(record.query))
        await deliver(frame, items)
        async with frame.connection() as connection:
            connection._con._query_loggers.clear()  # the pool lends one connection here, first in, first out
        return len(seen)

    await statements(1)  # the driver asks for the types that it does not know yet
    few = await statements(2)
    assert few > 0
    assert await statements(50) == few


async def test_names_with_characters_that_the_database_cannot_hold_are_noted(frame: Frame) -> None:
    odd = {"userPrincipalName": "a\x00b@example.com", "displayName": "\x00"}
    await deliver(frame, [received(assignment("u", attributes=odd)), received(outcome("u", reason="a\x00b"))])
    async with frame.connection() as connection:
        shown = await read.user(connection, JOB, "ab@example.com")
    assert shown is not None
    assert shown["status"] == "provisioned"


async def test_cycles_count_what_they_found_and_a_late_start_does_not_reopen_them(frame: Frame) -> None:
    await deliver(frame, [received(assignment(f"u-{n}")) for n in range(3)])
    await deliver(frame, [received(cycle(CyclePhase.COMPLETED, objects=3))])
    await deliver(frame, [received(cycle(CyclePhase.STARTED))])
    ((phase, seen, objects, ended),) = [(row[3], row[5], row[4], row[7]) for row in (await state(frame))["cycle"]]
    assert (phase, seen, objects, ended) == ("completed", 3, 3, at(60))


async def test_a_condition_that_was_cleared_is_not_raised_again_by_what_comes_late(frame: Frame) -> None:
    await deliver(frame, [received(condition("credentials", ConditionState.CLEARED, 2))])
    await deliver(frame, [received(condition("credentials", ConditionState.RAISED, 1))])
    ((_, _, _, sequence, now, *_),) = (await state(frame))["condition"]
    assert (sequence, now) == (2, "cleared")


async def test_retention_forgets_what_is_old_and_the_people_of_deleted_jobs(frame: Frame) -> None:
    await deliver(frame, story("user-1", 1))  # long before today
    await deliver(frame, [received(cycle(CyclePhase.COMPLETED))])
    async with frame.connection() as connection:
        await connection.execute(
            "INSERT INTO job_definition (job_id, version, definition, schedule, request_sha256, deleted, created_at, changed_at)"
            " VALUES ($1, 1, '{}', 'Disabled', '', false, now(), now())",
            JOB,
        )
    await prune.prune(frame)
    kept = await state(frame)
    assert (len(kept["person"]), kept["timeline"], kept["provisioning_log"], kept["cycle"]) == (1, [], [], [])
    async with frame.connection() as connection:
        await connection.execute("UPDATE job_definition SET deleted = true")
    await prune.prune(frame)
    assert (await state(frame))["person"] == []


LEFT_BEHIND = {
    "link": "INSERT INTO link (job_id, object_id, generation) VALUES ($1, 'user-1', 1)",
    "operator_request": (
        "INSERT INTO operator_request (job_id, idempotency_key, kind, object_id, reason, requested_by, at)"
        " VALUES ($1, 'key-1', 'deleteLink', 'user-1', '', 'an operator', now())"
    ),
    "demand": (
        "INSERT INTO demand (job_id, request_id, correlation_id, user_name, requested_by, at)"
        " VALUES ($1, 'key-1', 'flow-1', 'user-1', 'an operator', now())"
    ),
}


@pytest.mark.parametrize("table", LEFT_BEHIND)
async def test_a_crash_while_a_deleted_job_is_forgotten_leaves_nothing_for_good(frame: Frame, table: str) -> None:
    async with frame.connection() as connection:
        await connection.execute(
            "INSERT INTO job_definition (job_id, version, definition, schedule, request_sha256, deleted, created_at, changed_at)"
            " VALUES ($1, 1, '{}', 'Disabled', '', true, now(), now())",
            JOB,
        )
        await connection.execute(LEFT_BEHIND[table], JOB)
    await prune.prune(frame)
    async with frame.connection() as connection:
        assert await connection.fetch(f"SELECT 1 FROM {table} WHERE job_id = $1", JOB) == []


async def test_a_group_is_counted_with_its_cycle_and_is_nobody(frame: Frame) -> None:
    group = assignment("g-1").model_copy(update={"object_type": ObjectType.GROUP})
    await deliver(frame, [received(group), received(assignment("u-1"))])
    known = await state(frame)
    assert [row[0] for row in known["person"]] == ["u-1"]
    assert {row[0] for row in known["timeline"]} == {"u-1"}
    assert [row[5] for row in known["cycle"]] == [2]
