"""The deletion guard on a real PostgreSQL: staged until the marks, counted once, held, approved, rejected, dropped; crashes and races."""

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest

from shared.contracts.assignments import CycleKind
from shared.contracts.changes import Change
from shared.contracts.control import RequestKind
from shared.contracts.job import DeletionThreshold
from shared.contracts.outcomes import Result
from shared.contracts.source import Guard, HoldFact, HoldReason, HoldState, guard_of
from shared.runtime.crashpoints import CRASH_POINTS
from tests.support.builders_diff import AT, assignment, marks, received
from tests.support.diff_frames import RELEASING, Diff, opened_diff, people

FEW = DeletionThreshold(count=2, percent=0)


@pytest.fixture
async def diff(database_url: str) -> AsyncIterator[Diff]:
    async with opened_diff(database_url, deletion_threshold=FEW) as opened:
        yield opened


async def hold_of(diff: Diff) -> HoldFact:
    return (await diff.said(HoldFact))[-1]


async def held(diff: Diff, count: int = 3) -> HoldFact:
    """Users who all left in one cycle, and the hold that they are in."""
    await diff.provision(people(count))
    await diff.leave(people(count))
    return await hold_of(diff)


async def test_removals_wait_for_the_marks_of_all_partitions_and_then_go_out(diff: Diff) -> None:
    await diff.provision(people(2))
    cycle = await diff.leave(people(2), close=False)
    closing = marks(cycle, number=2, kind=CycleKind.INCREMENTAL, started_at=AT)
    await diff.give(*closing[:-1])
    assert await diff.release() == 0
    assert await diff.disabled() == []
    await diff.give(closing[-1])
    assert await diff.release() == 2
    assert await diff.disabled() == people(2)
    assert await diff.said(HoldFact) == []


async def test_above_the_threshold_exactly_those_removals_are_held_and_named_while_others_go_on(diff: Diff) -> None:
    hold = await held(diff)
    assert (hold.guard, hold.state, hold.reason) == (Guard.DELETION, HoldState.HELD, HoldReason.DELETION_THRESHOLD)
    assert (list(hold.object_ids), hold.removals, hold.active) == (people(3), 3, 3)
    assert guard_of(hold.object_id) is Guard.DELETION
    await diff.give(assignment(object_id="new", cycle_id="cycle-9"), assignment(2, object_id="new", surname="Other"))
    assert [change.operation for change in await diff.changes("new")] == ["create", "create"]
    assert await diff.release() == 0
    assert await diff.disabled() == []


async def test_approved_removals_go_out_with_their_newest_state_and_only_once(diff: Diff) -> None:
    hold = await held(diff)
    await diff.give(assignment(3, object_id=people(3)[0], assigned=False, surname="Newest", cycle_id="cycle-3"))
    await diff.ask(RequestKind.APPROVE_HOLD, hold)
    assert await diff.release() == 3
    assert await diff.disabled() == people(3)
    said = await hold_of(diff)
    assert (said.state, said.decided_by, said.decision_reason) == (HoldState.APPROVED, "an operator", "looked at")
    await diff.ask(RequestKind.APPROVE_HOLD, hold, reason="again")
    await diff.ask(RequestKind.REJECT_HOLD, hold)
    assert await hold_of(diff) == said
    assert await diff.release() == 0


async def test_rejected_removals_stay_away_until_the_directory_says_something_new_or_they_are_approved_after_all(
    diff: Diff,
) -> None:
    hold = await held(diff, 4)
    await diff.ask(RequestKind.REJECT_HOLD, hold)
    assert (await hold_of(diff)).state is HoldState.REJECTED
    first, second, *rest = people(4)
    await diff.leave([first], sequence=3, surname="Other")
    assert await diff.release() == 0
    await diff.leave([second], sequence=3, accountEnabled=False)
    assert await diff.release() == 1
    assert await diff.disabled() == [second]
    await diff.ask(RequestKind.APPROVE_HOLD, hold)
    assert await diff.release() == 3
    assert await diff.disabled() == sorted([second, first, *rest])


async def test_a_removal_that_became_void_is_dropped_from_the_hold_and_an_empty_hold_with_it(diff: Diff) -> None:
    await held(diff)
    await diff.give(assignment(3, object_id=people(3)[0], cycle_id="cycle-3"))
    await diff.release()
    hold = await hold_of(diff)
    assert (hold.state, hold.removals, list(hold.object_ids)) == (HoldState.HELD, 2, people(3)[1:])
    await diff.give(*(assignment(3, object_id=name, cycle_id="cycle-4") for name in people(3)[1:]))
    await diff.release()
    hold = await hold_of(diff)
    assert (hold.state, hold.removals) == (HoldState.DROPPED, 0)
    assert await diff.disabled() == []
    assert [(await diff.row(name))["status"] for name in people(3)] == ["provisioned"] * 3


async def test_a_request_about_a_hold_of_the_source_guard_is_passed_over(diff: Diff) -> None:
    hold = await held(diff)
    before = await diff.said(HoldFact)
    await diff.ask(RequestKind.APPROVE_HOLD, hold.model_copy(update={"object_id": hold.object_id.partition(".")[2]}))
    assert await diff.said(HoldFact) == before


async def test_several_cycles_below_the_threshold_never_add_up(diff: Diff) -> None:
    await diff.provision(people(4))
    await diff.leave(people(2))
    await diff.leave(people(4)[2:])
    assert await diff.release() == 4
    assert await diff.said(HoldFact) == []


async def test_marks_that_never_came_are_made_up_for_by_those_of_the_next_cycle(diff: Diff) -> None:
    await diff.provision(people(6))
    await diff.leave(people(3), close=False)
    await diff.leave(people(6)[3:5], close=False, sequence=2)
    await diff.close(await diff.leave(people(6)[5:], close=False))
    assert await diff.release() == 3
    assert await diff.disabled() == people(6)[3:]
    assert (await hold_of(diff)).removals == 3


async def test_without_a_next_cycle_the_removals_are_held_with_that_as_the_reason_and_judged_when_it_ends(
    diff: Diff,
) -> None:
    await diff.provision(people(2))
    cycle = await diff.leave(people(2), close=False)
    await diff.within(RELEASING.refresh)
    assert await diff.said(HoldFact) == []
    await diff.within(RELEASING.refresh, after=timedelta(minutes=16))
    hold = await hold_of(diff)
    assert (hold.state, hold.reason, hold.removals) == (HoldState.HELD, HoldReason.CYCLE_NOT_CLOSED, 2)
    await diff.close(cycle)
    assert (await hold_of(diff)).state is HoldState.APPROVED
    assert await diff.release() == 2


async def test_a_removal_that_joins_a_decided_cycle_late_is_not_forgotten(diff: Diff) -> None:
    await diff.provision(people(3))
    cycle = await diff.leave(people(2))
    assert await diff.release() == 2
    late = assignment(2, object_id=people(3)[2], assigned=False, cycle_id=cycle, cycle_kind=CycleKind.INCREMENTAL)
    await diff.give(late)
    assert await diff.release() == 1


async def test_marks_twice_and_swapped_decide_once(diff: Diff) -> None:
    await diff.provision(people(3))
    cycle = await diff.leave(people(3), close=False)
    closing = [received(mark) for mark in marks(cycle, number=2, kind=CycleKind.INCREMENTAL, started_at=AT)]
    again = [received(item.message, event="again") for item in reversed(closing)]
    await diff.handle([*closing[::-1], *again])
    assert len(await diff.said(HoldFact)) == 1


async def test_a_failed_removal_is_tried_again_without_being_counted_again(diff: Diff) -> None:
    await diff.provision(people(1))
    await diff.leave(people(1))
    await diff.release()
    await diff.answer(people(1)[0], Result.FAILED)
    row = await diff.row(people(1)[0])
    assert (row["status"], row["released"], row["next_attempt_at"] is None) == ("failed", True, False)


async def test_two_processes_that_note_the_marks_at_once_decide_once_and_count_everybody(diff: Diff) -> None:
    """Whoever notes the last mark sees what the others staged, because it waits for their commit."""
    names = people(6)
    await diff.provision(names)
    for round_ in range(4):
        cycle = diff.next_cycle()
        gone = {"assigned": False, "cycle_id": cycle, "cycle_kind": CycleKind.INCREMENTAL}
        closing = marks(cycle, number=diff.cycles, kind=CycleKind.INCREMENTAL, started_at=AT)
        # Each partition's batch stages one removal and closes the cycle on that partition.
        batches = [
            (assignment(2 + 2 * round_, object_id=name, **gone), mark)
            for name, mark in zip(names, closing, strict=True)
        ]
        await asyncio.gather(*(diff.give(*batch) for batch in batches))
        facts = [fact for fact in await diff.said(HoldFact) if fact.object_id.endswith(cycle)]
        assert [(fact.state, fact.removals) for fact in facts] == [(HoldState.HELD, len(names))]
        await diff.give(*(assignment(3 + 2 * round_, object_id=name, cycle_id="back") for name in names))
        await diff.release()


async def test_a_crash_between_staging_and_deciding_leaves_one_hold(diff: Diff, database_url: str) -> None:
    await diff.provision(people(3))
    leaving = """await diff.give(*(assignment(2, object_id=name, assigned=False, cycle_id="cycle-2",
        cycle_kind=CycleKind.INCREMENTAL) for name in people(3)))"""
    await crash(database_url, "consume.after_commit", leaving)
    await crash(database_url, "consume.before_commit", 'diff.cycles = 2; await diff.close("cycle-2")')
    assert await diff.said(HoldFact) == []
    diff.cycles = 2
    await diff.close("cycle-2")
    assert [fact.removals for fact in await diff.said(HoldFact)] == [3]


async def test_a_crash_while_removals_are_let_out_sends_each_once(diff: Diff, database_url: str) -> None:
    await diff.provision(people(2))
    await diff.leave(people(2))
    assert "diff.release.before_commit" in CRASH_POINTS
    loop = "await build(diff.frame.settings).background[1].run(diff.frame)"
    await crash(database_url, "diff.release.before_commit", loop)
    assert await diff.disabled() == []
    assert await diff.release() == 2
    assert await diff.disabled() == people(2)
    assert len({change.change_id for change in await diff.said(Change)}) == 4


async def crash(database_url: str, point: str, step: str) -> None:
    """Runs one step in a process of its own that is killed at a crash point."""
    program = f"""
import asyncio
from services.diff.app import build
from tests.integration.diff.test_diff_removals import *
from shared.runtime import crashpoints

async def main():
    async with opened_diff({database_url!r}, deletion_threshold=FEW) as diff:
        crashpoints.arm("{point}:1")
        {step}

asyncio.run(main())
"""
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", program, stderr=asyncio.subprocess.PIPE)
    _, errors = await process.communicate()
    assert process.returncode == -signal.SIGKILL, errors.decode()
