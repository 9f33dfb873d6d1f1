"""What the deletion guard does with marks of cycles and with what operators asked for."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from services.diff.removals import cycles
from services.diff.removals.cycles import Cycle
from services.diff.removals.judging import CycleState, decided
from shared.contracts.assignments import CycleMark
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.source import DELETION_HOLD, Guard, guard_of
from shared.runtime.log import logger
from shared.runtime.transaction import Received, Transaction

_log = logger(__name__)

_WANTED: Final = {RequestKind.APPROVE_HOLD: CycleState.APPROVED, RequestKind.REJECT_HOLD: CycleState.REJECTED}


class Marks:
    """Closes cycles; sets ``wake`` when removals are let out, so that this process, if it is the one that sends them, does it at once."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake

    async def __call__(self, tx: Transaction, received: Sequence[Received[CycleMark]]) -> None:
        """Note the marks, and decide about the removals of every cycle that is complete by them."""
        jobs = await tx.jobs({item.message.job_id for item in received})
        for mark in cycles.in_locking_order(received):
            job = jobs[mark.job_id]
            if job.deleted or not await cycles.note_mark(tx.connection, mark):
                continue
            if await cycles.decide_cycles(tx, mark, job.definition.settings.deletion_threshold):
                self._wake.set()


class Decisions:
    """Takes operators' decisions on holds of this guard; those of the source guard are passed over."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake

    async def __call__(self, tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> None:
        """Note the decisions; a repeat finds nothing left to decide."""
        for item in received:
            request = item.message
            hold_id = request.hold_id or request.object_id
            wanted = _WANTED.get(request.kind)
            if wanted is None or guard_of(hold_id) is not Guard.DELETION:
                continue
            cycle = await cycles.lock_cycle(tx.connection, request.job_id, hold_id.removeprefix(DELETION_HOLD))
            if cycle is None or not decided(cycle.state, wanted):
                _log.info("hold not decided", action="hold", job_id=request.job_id, reason="it is not waiting for this")
                continue
            await decide(tx, cycle, wanted, by=request.requested_by, why=request.reason)
            self._wake.set()


async def decide(tx: Transaction, cycle: Cycle, wanted: CycleState, *, by: str | None, why: str) -> None:
    """Make ``wanted`` of a hold whose row is locked, and say so; the removals of an approved one go out with what is wanted by then."""
    removals = await cycles.count_staged(tx.connection, cycle)
    approved = wanted is CycleState.APPROVED
    await cycles.say_hold(
        tx, replace(cycle, state=wanted, draining=approved, removals=removals, decided_by=by, decision_reason=why)
    )
