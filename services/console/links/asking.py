"""Showing links, and asking diff to delete, repair or compare them: diff alone decides what becomes of a link."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from services.console import audit, job_definitions
from services.console.audit import Request
from services.console.job_definitions import KeyReusedError
from services.console.links.store import QUERIES
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import JOB_OBJECT, derived_id
from shared.contracts.message import ObjectType
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import Connection
from shared.runtime.transaction import Transaction

_ACTIONS: Final = {
    RequestKind.DELETE_LINK: "objectConnections.delete",
    RequestKind.REPAIR_LINK: "objectConnections.repair",
    RequestKind.COMPARE_LINKS: "objectConnections.compare",
    RequestKind.PROVISION_ON_DEMAND: "jobs.provisionOnDemand",
}


class LinkNotFoundError(Exception):
    """The job knows no such link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What an operator wants; ``object_id`` is the user, or none for a whole job. The same idempotency key again asks for nothing new."""

    job_id: str
    kind: RequestKind
    idempotency_key: str
    object_id: str | None = None
    target_id: str | None = None
    user: str | None = None


async def list_links(
    connection: Connection,
    job_id: str,
    *,
    after: str = "",
    source_id: str | None = None,
    target_id: str | None = None,
    differing: bool = False,
    gone: bool = False,
    limit: int = 100,
) -> tuple[list[dict[str, Any]], str | None]:
    """Return links by object id, and the object id to go on after when there are more. ``differing``: only those that are not the same.

    ``gone``: also what is left of links that were deleted, which have no account.
    """
    rows = await connection.fetch(QUERIES.list_links, job_id, after, source_id, target_id, differing, limit + 1, gone)
    more = rows[limit - 1]["object_id"] if len(rows) > limit else None
    return [_shown(row) for row in rows[:limit]], more


async def find_link(connection: Connection, job_id: str, name: str, *, gone: bool = False) -> dict[str, Any]:
    """Return one link by the object id of the user, else by the id of the account; raises ``LinkNotFoundError``.

    ``gone``: a link that was deleted is found, too, by the object id.
    """
    found, _ = await list_links(connection, job_id, source_id=name, gone=gone, limit=1)
    if not found:
        found, _ = await list_links(connection, job_id, target_id=name, limit=1)
    if not found:
        raise LinkNotFoundError
    return found[0]


async def asked_for(connection: Connection, job_id: str, idempotency_key: str | None) -> str | None:
    """Return the object id that a request with this key was for, or nothing when there is none."""
    if idempotency_key is None:
        return None
    known = await connection.fetchrow(QUERIES.find_request, job_id, idempotency_key)
    return known["object_id"] if known is not None and known["object_id"] != JOB_OBJECT else None


async def count_findings(connection: Connection, job_id: str) -> dict[str, int]:
    """Return how many links the last comparison found the same, different or gone."""
    rows = await connection.fetch(QUERIES.count_findings, job_id)
    return dict.fromkeys(("same", "differs", "gone"), 0) | {row["finding"]: row["number"] for row in rows}


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    asked = None
    if row["kind"] is not None and (row["confirmed_at"] is None or row["asked_at"] > row["confirmed_at"]):
        asked = {"kind": row["kind"], "by": row["requested_by"], "reason": row["reason"], "at": row["asked_at"]}
    return {
        "objectId": row["object_id"],
        "sourceAnchor": row["object_id"],
        "targetAnchor": row["target_id"],
        "objectTypeName": "User",
        "displayName": row["display_name"],
        "status": row["status"],
        "confirmedAt": row["confirmed_at"],
        "comparedAt": row["compared_at"],
        "comparison": row["finding"],
        "differences": row["differs"],
        "requested": asked,
    }


async def ask(tx: Transaction, request: Request, wish: Wish) -> bool:
    """Send an operator's request with its audit row; return whether it is a new one.

    Raises ``JobNotFoundError``, ``KeyReusedError``.
    """
    await job_definitions.load_job(tx.connection, wish.job_id)
    object_id = wish.object_id or JOB_OBJECT
    known = await tx.connection.fetchrow(QUERIES.find_request, wish.job_id, wish.idempotency_key)
    if known is not None:
        said = (wish.kind, object_id, wish.target_id, request.reason)
        if (known["kind"], known["object_id"], known["target_id"], known["reason"]) != said:
            raise KeyReusedError
        return False
    columns = (wish.job_id, wish.idempotency_key, wish.kind, object_id, wish.target_id, request.reason)
    position = await tx.connection.fetchval(QUERIES.insert_request, *columns, request.operator.name, tx.now)
    if position is None:  # the key was used in this very moment
        raise KeyReusedError
    operator = request.operator
    details = {"objectId": wish.object_id, "targetAnchor": wish.target_id}
    await audit.record(
        tx,
        request,
        _ACTIONS[wish.kind],
        wish.job_id,
        {name: value for name, value in details.items() if value is not None},
    )
    tx.emit(
        OperatorRequest(
            job_id=wish.job_id,
            object_type=ObjectType.USER if wish.object_id else ObjectType.JOB,
            object_id=object_id,
            sequence=position,
            kind=wish.kind,
            reason=request.reason,
            idempotency_key=wish.idempotency_key,
            target_id=wish.target_id,
            user=wish.user,
            requested_by=operator.name,
            at=tx.now,
        ),
        event_id=request_id(wish),
    )
    crash_point("console.before_commit")
    return True


def request_id(wish: Wish) -> UUID:
    """Return the event id of a request, which is the correlation id of everything that follows from it."""
    return derived_id("request", wish.job_id, wish.kind, wish.idempotency_key)
