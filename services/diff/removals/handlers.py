"""What the deletion guard does with marks of cycles, and with a decision on a hold."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from services.diff.removals import cycles
from services.diff.removals.cycles import Cycle
from services.diff.removals.judging import CycleState
from shared.contracts.assignments import CycleKind, CycleMark
from shared.runtime.database import Connection
from shared.runtime.transaction import Received, Transaction

InitialComplete = Callable[[Connection, CycleMark], Awaitable[None]]
"""What else is to be done when an initial cycle of a job is complete."""


class Marks:
    """Closes cycles; sets ``wake`` when removals are let out, so that this process, if it is the one that sends them, does it at once."""

    def __init__(self, wake: asyncio.Event, initial_complete: InitialComplete) -> None:
        self._wake = wake
        self._initial_complete = initial_complete

    async def __call__(self, tx: Transaction, received: Sequence[Received[CycleMark]]) -> None:
        """Note the marks, and decide about the removals of every cycle that is complete by them."""
        jobs = await tx.jobs({item.message.job_id for item in received})
        for mark in cycles.in_locking_order(received):
            job = jobs[mark.job_id]
            if job.deleted or not await cycles.note_mark(tx.connection, mark):
                continue
            ended = await cycles.decide_cycles(tx, mark, job.definition.settings.deletion_threshold)
            if ended.now and mark.cycle_kind is CycleKind.INITIAL:
                await self._initial_complete(tx.connection, mark)
            if ended.goes:
                self._wake.set()


async def decide(tx: Transaction, cycle: Cycle, wanted: CycleState, *, by: str | None, why: str) -> None:
    """Make ``wanted`` of a hold whose row is locked, and say so; the removals of an approved one go out with what is wanted by then."""
    removals = await cycles.count_staged(tx.connection, cycle)
    approved = wanted is CycleState.APPROVED
    await cycles.say_hold(
        tx, replace(cycle, state=wanted, draining=approved, removals=removals, decided_by=by, decision_reason=why)
    )
