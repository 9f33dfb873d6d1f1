"""Groups and their members on a real PostgreSQL: created, filled, renamed, left, deleted; twice, swapped, after a crash."""

import asyncio
import signal
import sys
from typing import Any

import pytest

from shared.contracts.assignments import CycleKind, CycleMark, DirectoryAssignment
from shared.contracts.changes import MOST_MEMBERS, Operation
from shared.contracts.control import ScheduleState
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.public import ProvisionedUser, ProvisioningEvent
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from tests.support.builders_diff import AT, JOB, assignment, job_record, received
from tests.support.builders_groups import GROUP, group_assignment, group_outcome, path
from tests.support.diff_target import HANDLERS, FakeTarget
from tests.support.frames import outbox


def member(sequence: int, user: str, *groups: str, nested: bool = False, **attributes: Any) -> DirectoryAssignment:
    """A user assigned by these groups, or by itself without any."""
    paths = tuple(path(group, nested=nested) for group in groups) or (path(None),)
    return assignment(sequence, object_id=user, **attributes).model_copy(update={"paths": paths})


def left(sequence: int, user: str) -> DirectoryAssignment:
    return assignment(sequence, object_id=user, assigned=False)


def mark(cycle_id: str = "cycle-1", partition: int = 0, partitions: int = 1) -> CycleMark:
    return CycleMark(
        job_id=JOB,
        object_type=ObjectType.CYCLE,
        object_id="~cycle",
        sequence=1,
        cycle_id=cycle_id,
        cycle_kind=CycleKind.INCREMENTAL,
        partition=partition,
        partitions=partitions,
        objects=1,
        started_at=AT,
        ended_at=AT,
    )


@pytest.fixture
def target(frame: Frame) -> FakeTarget:
    return FakeTarget(frame)


def accounts(*users: str) -> set[str]:
    return {f"account of {user}" for user in users}


async def rows(frame: Frame, table: str) -> list[Any]:
    async with frame.connection() as connection:
        return list(await connection.fetch(f"SELECT * FROM {table}"))


async def said(frame: Frame, kind: type[Message]) -> list[Any]:
    found = [row for row in await outbox(frame) if row["headers"]["ce_type"] == kind.type]
    return [kind.model_validate(row["payload"]) for row in found]


async def test_an_assigned_group_exists_with_exactly_its_direct_members(target: FakeTarget) -> None:
    await target.give(
        group_assignment(), member(1, "ada", GROUP), member(1, "ben"), member(1, "cas", GROUP, nested=True)
    )
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada")}
    assert set(target.users) == accounts("ada", "ben", "cas")


async def test_i7_a_second_pass_writes_nothing(target: FakeTarget) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    await target.settle()
    writes = len(target.writes)
    await target.give(group_assignment(2), member(2, "ada", GROUP))
    await target.settle()
    assert len(target.writes) == writes


async def test_members_before_their_group_and_the_group_before_its_members_end_alike(target: FakeTarget) -> None:
    await target.give(member(1, "ada", GROUP, "group-2"))
    await target.settle()
    assert target.membership() == {}
    await target.give(group_assignment(), group_assignment(object_id="group-2", name="Service"))
    await target.settle()
    await target.give(member(1, "ben", "group-2"))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada"), "Service": accounts("ada", "ben")}


async def test_somebody_provisioned_later_is_added_then(target: FakeTarget) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP), member(1, "ben", GROUP, userPrincipalName=None))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada")}
    await target.give(member(2, "ben", GROUP))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada", "ben")}


async def test_who_leaves_is_removed_and_who_returns_is_added_again(target: FakeTarget) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP), member(1, "ben", GROUP))
    await target.settle()
    await target.give(member(2, "ada"), left(2, "ben"), mark())
    await target.settle()
    assert target.membership() == {"Sales": set()}
    await target.give(member(3, "ada", GROUP), member(3, "ben", GROUP))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada", "ben")}


async def test_somebody_who_is_only_disabled_stays_a_member(target: FakeTarget) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    await target.settle()
    writes = len(target.writes)
    await target.give(member(2, "ada", GROUP, accountEnabled=False))
    await target.settle()
    assert [change.object_type for change in target.writes[writes:]] in ([], [ObjectType.USER])
    assert target.membership() == {"Sales": accounts("ada")}


async def test_a_rename_is_an_update_of_the_group_that_is_there(target: FakeTarget) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    await target.settle()
    await target.give(group_assignment(2, name="Sales EMEA"))
    await target.settle()
    assert target.membership() == {"Sales EMEA": accounts("ada")}
    assert [change.operation for change in target.writes if change.object_type is ObjectType.GROUP] == [
        Operation.CREATE,
        Operation.ADD_MEMBERS,
        Operation.UPDATE,
    ]


async def test_an_unassigned_group_is_deleted_when_its_cycle_is_complete_and_can_return(
    target: FakeTarget, frame: Frame
) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    await target.settle()
    await target.give(group_assignment(2, assigned=False), member(2, "ada"))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada")}, "nothing is removed before the removals are counted"
    await target.give(mark())
    async with frame.transaction() as tx:
        assert await HANDLERS.groups.release(tx, JOB, "cycle-1") == 1
    await target.settle()
    assert target.membership() == {}
    assert await rows(frame, "membership") == []
    await target.give(group_assignment(3), member(3, "ada", GROUP))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada")}


async def test_a_group_that_is_gone_at_the_target_is_made_anew_with_its_members(target: FakeTarget) -> None:
    await target.give(group_assignment(), *(member(1, user, GROUP) for user in ("ada", "ben")))
    await target.settle()
    target.groups.clear()
    target.members.clear()
    await target.give(member(1, "cas", GROUP))
    await target.settle()
    await target.tick(100)
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada", "ben", "cas")}


async def test_one_refused_member_holds_up_nobody_and_is_tried_again_later(target: FakeTarget, frame: Frame) -> None:
    target.refused = accounts("ben")
    await target.give(group_assignment(), *(member(1, user, GROUP) for user in ("ada", "ben", "cas")))
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada", "cas")}
    [group] = await rows(frame, "group_object")
    assert group["status"] == "provisioned"
    target.refused = set()
    await target.tick(100)
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada", "ben", "cas")}


async def test_a_large_group_is_filled_by_bounded_changes_and_one_more_costs_one(target: FakeTarget) -> None:
    users = [f"user-{number:04}" for number in range(2 * MOST_MEMBERS + 50)]
    await target.give(group_assignment(), *(member(1, user, GROUP) for user in users))
    await target.settle()
    assert target.membership() == {"Sales": accounts(*users)}
    sizes = [len(change.members) for change in target.writes if change.operation is Operation.ADD_MEMBERS]
    assert sizes == [MOST_MEMBERS, MOST_MEMBERS, 50]
    before = len(target.writes)
    await target.give(member(1, "one-more", GROUP))
    await target.settle()
    assert [change.operation for change in target.writes[before:]] == [Operation.CREATE, Operation.ADD_MEMBERS]
    assert [change.members for change in target.writes[before:]][1] == ("account of one-more",)


async def test_a_message_that_comes_twice_or_late_changes_nothing(target: FakeTarget, frame: Frame) -> None:
    await target.give(group_assignment(2), group_assignment(1, name="Old"))
    [creation] = await target.new_changes()
    done = group_outcome(creation, target_id="group 1")
    await target.give(done, done)
    before = await outbox(frame)
    await target.give(done, group_outcome(creation, Result.RETRY_LATER))
    assert await outbox(frame) == before
    assert creation.resource["displayName"] == "Sales"


async def test_the_link_of_a_group_and_of_its_member_may_come_in_any_order(target: FakeTarget) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    by_type = {change.object_type: change for change in await target.new_changes()}
    told: dict[ObjectType, ProvisioningOutcome] = {kind: target.carry_out(change) for kind, change in by_type.items()}
    await target.give(told[ObjectType.GROUP])
    await target.tick(5)
    await target.give(told[ObjectType.USER])
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada")}


async def test_two_groups_of_one_name_never_share_one_at_the_target(target: FakeTarget, frame: Frame) -> None:
    await target.give(group_assignment(), group_assignment(object_id="twin"))
    await target.settle()
    states = {row["object_id"]: (row["status"], row["reason_code"]) for row in await rows(frame, "group_object")}
    assert states == {GROUP: ("provisioned", None), "twin": ("failed", "DuplicateSourceEntries")}
    await target.give(group_assignment(2, object_id="twin", name="Twin"))
    await target.settle()
    assert set(target.membership()) == {"Sales", "Twin"}


async def test_public_topics_tell_of_groups_without_a_gap_and_never_as_users(target: FakeTarget, frame: Frame) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    await target.settle()
    events = [event for event in await said(frame, ProvisioningEvent) if event.object_type is ObjectType.GROUP]
    assert [event.sequence for event in events] == list(range(1, len(events) + 1))
    assert events[-1].attributes == ("members",)
    assert {user.object_id for user in await said(frame, ProvisionedUser)} == {"ada"}


async def test_a_paused_job_plans_no_attempts_of_its_groups(target: FakeTarget, frame: Frame) -> None:

    await target.give(group_assignment())
    [creation] = await target.new_changes()
    await target.give(group_outcome(creation, Result.FAILED))
    async with frame.transaction() as tx:
        await store_jobs(tx, [received(job_record(version=2, schedule=ScheduleState.PAUSED))])
    await target.tick(100_000)
    assert await target.new_changes() == []


@pytest.mark.parametrize("point", ["consume.before_commit", "consume.after_commit"])
async def test_a_crash_between_the_steps_is_made_good_by_the_repeat(
    target: FakeTarget, frame: Frame, database_url: str, point: str
) -> None:
    await target.give(group_assignment(), member(1, "ada", GROUP))
    told = [target.carry_out(change) for change in await target.new_changes()]
    bodies = [(item.body().decode(), type(item).__name__) for item in told]
    await crash(database_url, point, bodies)
    await target.give(*told)
    await target.settle()
    assert target.membership() == {"Sales": accounts("ada")}
    generations = [change.generation for change in target.writes if change.object_type is ObjectType.GROUP]
    assert generations == list(range(1, len(generations) + 1))


async def crash(database_url: str, point: str, bodies: list[tuple[str, str]]) -> None:
    """Gives outcomes in a process of its own that is killed at a crash point."""
    program = f"""
import asyncio
from services.diff.settings import DiffSettings
from shared.contracts.outcomes import ProvisioningOutcome
from shared.runtime import crashpoints
from tests.support.diff_target import HANDLERS, FakeTarget
from tests.support.frames import opened_frame, settings_for

async def main():
    async with opened_frame("diff", settings_for({database_url!r}, kind=DiffSettings)) as frame:
        crashpoints.arm("{point}:1")
        await FakeTarget(frame).give(*(ProvisioningOutcome.model_validate_json(body) for body, _ in {bodies!r}))

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
