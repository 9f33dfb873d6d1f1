"""Restarts: what each action of the reference's table clears, that nothing asked for is missed, and the sweep after a full read."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from shared.contracts.assignments import CycleKind
from shared.contracts.changes import Operation
from shared.contracts.control import RequestKind, ResetScope
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, JobCondition, Result
from shared.contracts.restart import FORGETS, FULL, RESTART, Action, ask, parse_reset_scope
from shared.contracts.source import HoldFact, HoldState
from tests.support.builders_diff import assignment, job_record
from tests.support.diff_frames import Diff, opened_diff, people, request
from tests.support.diff_quarantine import of_writer, refused

FEW = DeletionThreshold(count=2, percent=0)
LINKED, FAILED, *LEAVING = people(5)


@pytest.fixture
async def diff(database_url: str) -> AsyncIterator[Diff]:
    async with opened_diff(database_url, deletion_threshold=FEW) as opened:
        yield opened


@dataclass
class Restarted:
    """A job whose restarts are asked for as console asks."""

    diff: Diff
    version: int = 1
    restarts: int = 0
    resets: dict[ResetScope, int] | None = None

    async def ask(self, scopes: frozenset[ResetScope]) -> None:
        self.version += 1
        self.restarts, self.resets = ask(self.restarts, self.resets or {}, scopes)
        record = job_record(version=self.version, restarts=self.restarts, resets=self.resets, deletion_threshold=FEW)
        await self.diff.define(record)


WATERMARK, ESCROWS, QUARANTINE, LINKS, HELD = "watermark", "escrows", "quarantine", "links", "held removals"

DELETION = "the job is deleted"

ROWS = [
    pytest.param(FORGETS[Action.START], {QUARANTINE}, id="Start (from paused)"),
    pytest.param(FORGETS[Action.PAUSE], set(), id="Pause / Stop / provisioning Off"),
    pytest.param(RESTART, {WATERMARK, ESCROWS, QUARANTINE}, id="Restart provisioning"),
    pytest.param(FULL, {WATERMARK, ESCROWS, QUARANTINE, LINKS}, id="resetScope Full"),
    pytest.param(frozenset({ResetScope.CONNECTOR_DATA_STORE}), {LINKS}, id="resetScope ConnectorDataStore"),
    pytest.param(frozenset({ResetScope.ESCROWS}), {ESCROWS}, id="resetScope Escrows"),
    pytest.param(frozenset({ResetScope.WATERMARK}), {WATERMARK}, id="resetScope Watermark"),
    pytest.param(frozenset({ResetScope.QUARANTINE_STATE}), {QUARANTINE}, id="resetScope QuarantineState"),
    pytest.param(frozenset({ResetScope.FORCE_DELETES}), {HELD}, id="resetScope ForceDeletes"),
    pytest.param(None, set(), id="resetScope None"),
    pytest.param(FORGETS[Action.SAVE_SCHEMA], {WATERMARK, ESCROWS}, id="Save attribute mapping or scoping filter"),
    pytest.param(FORGETS[Action.SYNC_ASSIGNED], {WATERMARK}, id="Change Sync All to Sync Assigned"),
    pytest.param(FORGETS[Action.CHANGE_CREDENTIALS], set(), id="Credential or notification change"),
    pytest.param(DELETION, set(), id="Delete job"),
]


@pytest.mark.parametrize(("scopes", "cleared"), ROWS)
async def test_a_restart_clears_exactly_what_its_row_says(
    diff: Diff, scopes: frozenset[ResetScope] | str | None, cleared: set[str]
) -> None:
    """``None`` is refused, so that nothing is asked for. Of a deleted job nothing is sent any more, whatever is known of it."""
    await diff.provision([LINKED, *LEAVING])
    await diff.give(assignment(object_id=FAILED, cycle_id="cycle-1"))
    await diff.answer(FAILED, Result.FAILED)
    await diff.leave(LEAVING)
    await diff.handle([of_writer(refused(1))])
    restarted = Restarted(diff)
    if scopes is None:
        with pytest.raises(ValueError, match="None forgets nothing"):
            parse_reset_scope("None")
    elif isinstance(scopes, str):
        await diff.define(job_record(version=2, deletion_threshold=FEW).model_copy(update={"deleted": True}))
    else:
        await restarted.ask(scopes)
    if scopes == FORGETS[Action.START]:
        await diff.give(request(RequestKind.START, ObjectType.JOB, "~job"))
    await diff.restart()
    await diff.release()
    condition = (await diff.said(JobCondition))[-1]
    found = {
        WATERMARK: restarted.restarts == 1,
        ESCROWS: (await diff.row(FAILED))["failing_since"] is None,
        QUARANTINE: condition.state is ConditionState.CLEARED,
        LINKS: not (await diff.row(LINKED))["linked"],
        HELD: await diff.disabled() == LEAVING,
    }
    assert {name for name, done in found.items() if done} == cleared


async def test_a_cleared_escrow_is_not_tried_again_until_something_changes(diff: Diff) -> None:
    await diff.give(assignment())
    [created] = await diff.changes("object-1")
    await diff.answer("object-1", Result.FAILED)
    await Restarted(diff).ask(frozenset({ResetScope.ESCROWS}))
    await diff.restart()
    row = await diff.row("object-1")
    assert (row["status"], row["next_attempt_at"], row["escrows"]) == ("failed", None, 0)
    await diff.give(assignment(2, surname="Other"))
    assert [change.attempt for change in await diff.changes("object-1")] == [created.attempt, 1]


async def test_a_broken_link_is_matched_anew_and_nobody_out_of_scope_is_touched(diff: Diff) -> None:
    await diff.provision(people(7))
    gone = people(7)[:2]
    await diff.leave(gone)
    await diff.release()
    for name in gone:
        await diff.answer(name)
    before = len(await diff.disabled())
    await Restarted(diff).ask(frozenset({ResetScope.CONNECTOR_DATA_STORE}))
    assert await diff.restart() > 2, "it goes through everybody in several steps"
    await diff.release()
    for name in people(7)[2:]:
        newest = (await diff.changes(name))[-1]
        assert (newest.operation, newest.target_id) == (Operation.CREATE, None)
        await diff.answer(name, Result.ADOPTED, target_id=f"account-of-{name}")
        assert (await diff.row(name))["status"] == "provisioned"
    assert len(await diff.disabled()) == before
    assert {(await diff.row(name))["status"] for name in gone} == {"skipped"}


async def test_what_was_asked_for_twice_is_done_once_and_again_only_when_asked_again(diff: Diff) -> None:
    restarted = Restarted(diff)
    await restarted.ask(frozenset({ResetScope.QUARANTINE_STATE}))
    await restarted.ask(frozenset({ResetScope.QUARANTINE_STATE}))
    assert await diff.restart() == 1
    assert await diff.restart() == 0
    await restarted.ask(frozenset({ResetScope.QUARANTINE_STATE}))
    assert await diff.restart() == 1


async def test_a_failed_user_whose_attempts_expired_can_be_tried_by_hand(diff: Diff) -> None:
    await diff.give(assignment())
    await diff.answer("object-1", Result.FAILED)
    async with diff.frame.connection() as connection:
        await connection.execute("UPDATE person SET next_attempt_at = NULL")
    await diff.give(request(RequestKind.RETRY, ObjectType.USER, "object-1"))
    row = await diff.row("object-1")
    assert row["next_attempt_at"] is not None
    assert row["escrows"] == 0


async def orphans(diff: Diff, count: int) -> None:
    """Accounts whose person left, and for which nobody is told so any more: their removal failed until it expired."""
    await diff.provision(people(count))
    cycle = await diff.leave(people(count)[:2])
    await diff.leave(people(count)[2:])
    await diff.release()
    assert cycle
    for name in people(count):
        await diff.answer(name, Result.FAILED)
    async with diff.frame.connection() as connection:
        await connection.execute("UPDATE person SET next_attempt_at = NULL, released = false")


async def test_orphans_are_swept_through_the_guard_after_the_next_full_read(diff: Diff) -> None:
    await orphans(diff, 4)
    first = diff.next_cycle()
    await diff.close(first, CycleKind.INITIAL)
    await diff.restart()
    await diff.release()
    hold = (await diff.said(HoldFact))[-1]
    assert (hold.state, list(hold.object_ids)) == (HoldState.HELD, people(4))
    before = len(await diff.disabled())
    await diff.ask(RequestKind.APPROVE_HOLD, hold)
    await diff.release()
    assert len(await diff.disabled()) == before + 4


async def test_the_first_full_read_of_a_job_sweeps_nothing(diff: Diff) -> None:
    await diff.give(assignment(cycle_id=diff.next_cycle()))
    await diff.close("cycle-1", CycleKind.INITIAL)
    assert await diff.restart() == 0
