"""The source of a job: how far it was read, and removals that are held until an operator approves or rejects them."""

from datetime import datetime
from typing import Any, Final
from uuid import uuid4

from fastapi import APIRouter, Request, Response

from services.console import audit, holds, job_definitions, read
from services.console.api import shapes
from services.console.api.access import frame_of
from services.console.api.bodies import (
    Cursor,
    HoldId,
    IdempotencyKey,
    JobId,
    Limit,
    Reason,
    Why,
    decode_cursor,
    encode_cursor,
)
from services.console.api.jobs import AnOperator, Viewer
from services.console.api.problems import FieldError, Json, invalid
from services.console.holds import Decision, Position, Wish
from services.console.tokens import Operator

router = APIRouter(prefix="/jobs/{job}", tags=["source"])


NO_SUCH_JOB: Final[dict[int | str, dict[str, Any]]] = {404: shapes.PROBLEMS[404]}


@router.get("/source", response_model=shapes.Source, responses=NO_SUCH_JOB)
async def get_source(request: Request, job: JobId, _: Viewer) -> Response:
    """Return how far the source was read: streams with the ages of their links, progress of the initial cycle, what does not count."""
    async with frame_of(request).connection() as connection:
        stored = await job_definitions.load_job(connection, job)
        return Json(await read.source(connection, stored))


@router.get("/holds", response_model=shapes.Holds, responses=NO_SUCH_JOB)
async def list_holds(request: Request, job: JobId, _: Viewer, limit: Limit = 100, cursor: Cursor = None) -> Response:
    """Return held removals, those that wait for an operator first, and then the newest."""
    after = _position(cursor)
    async with frame_of(request).connection() as connection:
        await job_definitions.load_job(connection, job)
        value, more = await holds.list_holds(connection, job, after=after, limit=limit)
    return Json({"value": value, "nextCursor": encode_cursor(_text(more))})


@router.post("/holds/{hold}/approve", status_code=202, response_model=shapes.Hold, responses=shapes.PROBLEMS)
async def approve_hold(
    request: Request,
    job: JobId,
    hold: HoldId,
    operator: AnOperator,
    *,
    why: Why | None = None,
    key: IdempotencyKey = None,
    reason: Reason = "",
) -> Response:
    """Let held removals out, once: their guard does it within seconds while the job runs. A reason is required, in the body or in
    ``X-Seatkeeper-Reason``. The same Idempotency-Key again asks for nothing new.
    """
    wish = Wish(job_id=job, hold_id=hold, decision=Decision.APPROVE, idempotency_key=key or str(uuid4()))
    return Json(await ask(request, operator, wish, why.reason if why else reason), status_code=202)


@router.post("/holds/{hold}/reject", status_code=202, response_model=shapes.Hold, responses=shapes.PROBLEMS)
async def reject_hold(
    request: Request,
    job: JobId,
    hold: HoldId,
    operator: AnOperator,
    *,
    why: Why | None = None,
    key: IdempotencyKey = None,
    reason: Reason = "",
) -> Response:
    """Throw held removals away: nobody in the hold is removed. The same Idempotency-Key again asks for nothing new."""
    wish = Wish(job_id=job, hold_id=hold, decision=Decision.REJECT, idempotency_key=key or str(uuid4()))
    return Json(await ask(request, operator, wish, why.reason if why else reason), status_code=202)


async def ask(request: Request, operator: Operator, wish: Wish, reason: str) -> dict[str, Any]:
    """Ask the guard for what the operator wants, and return the hold as it is shown; raises ``ProblemError`` without a needed reason."""
    reason = reason.strip()
    if wish.decision is Decision.APPROVE and not reason:
        raise invalid([FieldError(field="reason", message="is required: say why these people may be removed")])
    async with frame_of(request).transaction() as tx:
        return await holds.decide(tx, audit.Request(operator=operator, reason=reason), wish)


def _text(position: Position | None) -> str | None:
    return None if position is None else f"{position[0]:d} {position[1].isoformat()} {position[2]}"


def _position(cursor: str | None) -> Position | None:
    text = decode_cursor(cursor)
    if not text:
        return None
    held, _, rest = text.partition(" ")
    at, _, hold_id = rest.partition(" ")
    try:
        since = datetime.fromisoformat(at)
        if held not in ("0", "1") or since.tzinfo is None or not hold_id:
            raise ValueError
    except ValueError:
        message = "is not a cursor of an earlier answer; leave it out to begin anew"
        raise invalid([FieldError(field="cursor", message=message)]) from None
    return held == "1", since, hold_id
