"""Approving and rejecting held removals: the request goes to the guard that holds them, which alone decides what becomes of the hold."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

from services.console import audit, job_definitions
from services.console.audit import Request
from services.console.job_definitions import KeyReusedError
from services.console.source_view import is_pending, show_hold
from services.console.store import QUERIES
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.source import HoldFact, HoldState
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import Connection
from shared.runtime.transaction import Transaction

Position = tuple[bool, datetime, str]
"""Where a list of holds goes on: open, held at, hold id of the last one shown."""


class Decision(StrEnum):
    """What an operator can make of held removals."""

    APPROVE = "approve"
    REJECT = "reject"


_KIND: Final = {Decision.APPROVE: RequestKind.APPROVE_HOLD, Decision.REJECT: RequestKind.REJECT_HOLD}
_ASKED: Final = {Decision.APPROVE: "approval", Decision.REJECT: "rejection"}


class HoldNotFoundError(Exception):
    """The job has no such hold."""


class NotHeldError(Exception):
    """The hold cannot be decided; the message says in one or two sentences why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator wants of one hold; the same idempotency key again asks for nothing new."""

    job_id: str
    hold_id: str
    decision: Decision
    idempotency_key: str


def refusal(fact: HoldFact, pending: Mapping[str, Any] | None, decision: Decision) -> str | None:
    """Return why a hold cannot be decided so, or nothing when it can. ``pending`` is the newest request, if any.

    The same decision again goes out again: should the first have got lost, a person can repeat it. Removals that were rejected stay away
    until the directory says otherwise, or until they are approved after all.
    """
    by = f" by {fact.decided_by}" if fact.decided_by else ""
    when = f"{fact.at:%Y-%m-%d %H:%M:%S} UTC"
    if fact.state is HoldState.APPROVED:
        return f"It was approved{by} at {when}: its removals are let out."
    if fact.state is HoldState.REJECTED and decision is Decision.REJECT:
        return f"It was rejected{by} at {when}: nobody in it is removed."
    if fact.state is HoldState.DROPPED:
        return f"It was dropped at {when}: the directory turned out well again, and nobody is left in it."
    if pending is not None and pending["decision"] != decision and is_pending(fact, pending["decision"]):
        asked = _ASKED[Decision(pending["decision"])]
        return (
            f"The {asked} was asked for by {pending['requested_by']} already; "
            "it is carried out within seconds while the job runs."
        )
    return None


async def decide(tx: Transaction, request: Request, wish: Wish) -> dict[str, Any]:
    """Ask the guard to let held removals out, or to throw them away; returns the hold as it is shown.

    Audit row and request are in this transaction. Raises ``JobNotFoundError``, ``HoldNotFoundError``, ``NotHeldError``, ``KeyReusedError``.
    """
    await job_definitions.load_job(tx.connection, wish.job_id)
    row = await tx.connection.fetchrow(QUERIES.lock_hold, wish.job_id, wish.hold_id)
    if row is None:
        raise HoldNotFoundError
    fact = HoldFact.model_validate_json(row["fact"])
    newest = await tx.connection.fetchrow(QUERIES.load_newest_hold_request, wish.job_id, wish.hold_id)
    known = await tx.connection.fetchrow(QUERIES.find_hold_request, wish.job_id, wish.idempotency_key)
    if known is not None:
        _same(known, request, wish)
        return show_hold(fact, newest)
    if reason := refusal(fact, newest, wish.decision):
        raise NotHeldError(reason)
    position = newest["position"] + 1 if newest else 1
    columns = (wish.job_id, wish.idempotency_key, wish.hold_id, position, wish.decision, request.reason)
    made = await tx.connection.fetchval(QUERIES.insert_hold_request, *columns, request.operator.name, tx.now)
    if made is None:  # the key was used for another hold of the job in this very moment
        raise KeyReusedError
    await _tell(tx, request, wish, position)
    crash_point("console.before_commit")
    return show_hold(fact, await tx.connection.fetchrow(QUERIES.load_newest_hold_request, wish.job_id, wish.hold_id))


def _same(known: Mapping[str, Any], request: Request, wish: Wish) -> None:
    if (known["hold_id"], known["decision"], known["reason"]) != (wish.hold_id, wish.decision, request.reason):
        raise KeyReusedError


async def _tell(tx: Transaction, request: Request, wish: Wish, position: int) -> None:
    operator = request.operator
    await audit.record(tx, request, f"holds.{wish.decision}", wish.job_id, {"holdId": wish.hold_id})
    tx.emit(
        OperatorRequest(
            job_id=wish.job_id,
            object_type=ObjectType.HOLD,
            object_id=wish.hold_id,
            sequence=position,
            kind=_KIND[wish.decision],
            reason=request.reason,
            idempotency_key=wish.idempotency_key,
            hold_id=wish.hold_id,
            requested_by=operator.name,
            at=tx.now,
        ),
        event_id=derived_id("request", wish.job_id, _KIND[wish.decision], wish.hold_id, wish.idempotency_key),
    )


async def list_holds(
    connection: Connection, job_id: str, *, after: Position | None, limit: int
) -> tuple[list[dict[str, Any]], Position | None]:
    """Return the holds of a job, the open ones first and then the newest, and where to go on when there are more."""
    rows = await connection.fetch(QUERIES.list_holds, job_id, *(after or (None, None, None)), limit + 1)
    facts = [HoldFact.model_validate_json(row["fact"]) for row in rows[:limit]]
    shown = [show_hold(fact, row) for fact, row in zip(facts, rows, strict=False)]
    if len(rows) <= limit:
        return shown, None
    last = facts[-1]
    return shown, (last.state is HoldState.HELD, last.held_at, last.object_id)


async def open_holds(connection: Connection, job_id: str) -> list[dict[str, Any]]:
    """Return the holds of a job that wait for an operator, the newest first."""
    rows = await connection.fetch(QUERIES.list_open_holds, job_id)
    return [show_hold(HoldFact.model_validate_json(row["fact"]), None) for row in rows]
