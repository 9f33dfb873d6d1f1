"""Held removals: made by the guard, decided by an operator, dropped when the directory turns out well again."""

from collections.abc import Sequence
from typing import Any

from services.assignment_watcher.guard import Verdict
from services.assignment_watcher.queries import QUERIES
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.source import Guard, HoldFact, HoldReason, HoldState, guard_of
from shared.runtime.log import logger
from shared.runtime.transaction import Received, Transaction

_log = logger(__name__)


async def hold(tx: Transaction, job_id: str, number: int, verdict: Verdict, *, removals: int, active: int) -> None:
    """Hold the removals that the transaction has noted, as the hold of cycle ``number``, and say so."""
    hold_id = str(derived_id("hold", job_id, number))
    await tx.connection.execute(
        QUERIES.add_hold, job_id, hold_id, verdict.reason, verdict.detail, active, removals, tx.now
    )
    await tx.connection.execute(QUERIES.hold_removals, job_id, hold_id)
    row = {
        "hold_id": hold_id,
        "reason": verdict.reason,
        "detail": verdict.detail,
        "active": active,
        "held_at": tx.now,
        "sequence": 1,
    }
    _say(tx, job_id, row, HoldState.HELD, removals)
    _log.warning(
        "removals held", action="hold", job_id=job_id, hold_id=hold_id, reason=verdict.reason, removals=removals
    )


async def update(tx: Transaction, job_id: str) -> None:
    """After a cycle: say how many are left in each hold. An approved one is over, an empty one was dropped by the directory."""
    for row in await tx.connection.fetch(QUERIES.open_holds, job_id):
        remaining, state = row["remaining"], HoldState(row["state"])
        if remaining and remaining == row["removals"]:
            continue
        if not remaining and state is not HoldState.APPROVED:
            state = HoldState.DROPPED
        await tx.connection.execute(QUERIES.update_hold, job_id, row["hold_id"], _kept(state, remaining), remaining)
        if state is not HoldState.APPROVED:
            _say(tx, job_id, dict(row) | {"sequence": row["sequence"] + 1}, state, remaining)


def _kept(state: HoldState, remaining: int) -> str:
    return "done" if state is HoldState.APPROVED and not remaining else state


async def decide(tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> set[str]:
    """Take operators' decisions on holds; return the jobs that have something to do now. A repeat finds nothing left to decide."""
    wanted = {RequestKind.APPROVE_HOLD: HoldState.APPROVED, RequestKind.REJECT_HOLD: HoldState.REJECTED}
    jobs = set()
    for item in received:
        request = item.message
        state = wanted.get(request.kind)
        hold_id = request.hold_id or request.object_id
        if state is None or guard_of(hold_id) is not Guard.SOURCE:
            continue
        row = await tx.connection.fetchrow(QUERIES.lock_hold, request.job_id, hold_id)
        if row is None or row["state"] not in _DECIDABLE[state]:
            _log.info("hold not decided", action="hold", job_id=request.job_id, reason="it is not waiting for this")
            continue
        await tx.connection.execute(
            QUERIES.decide_hold, request.job_id, row["hold_id"], state, request.requested_by, request.reason
        )
        changed = dict(row) | {
            "sequence": row["sequence"] + 1,
            "decided_by": request.requested_by,
            "decision_reason": request.reason,
        }
        _say(tx, request.job_id, changed, state, row["removals"])
        jobs.add(request.job_id)
    return jobs


_DECIDABLE = {HoldState.APPROVED: {"held", "rejected"}, HoldState.REJECTED: {"held"}}


def _say(tx: Transaction, job_id: str, row: dict[str, Any], state: HoldState, removals: int) -> None:
    fact = HoldFact(
        job_id=job_id,
        object_type=ObjectType.HOLD,
        object_id=row["hold_id"],
        sequence=row["sequence"],
        state=state,
        reason=HoldReason(row["reason"]),
        removals=removals,
        active=row["active"],
        detail=row["detail"],
        decided_by=row.get("decided_by"),
        decision_reason=row.get("decision_reason"),
        held_at=row["held_at"],
        at=tx.now,
    )
    tx.emit(fact, event_id=derived_id("hold-fact", job_id, row["hold_id"], row["sequence"]))
