"""Asking diff to try a failed user again at once."""

import json

from services.console import job_definitions
from services.console.job_definitions import Request
from services.console.store import QUERIES
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.runtime.transaction import Transaction


async def retry(tx: Transaction, request: Request, job_id: str, object_id: str, key: str) -> None:
    """Ask for a new attempt for one user; audit row and request are in this transaction. Raises ``JobNotFoundError``.

    The same idempotency key again asks for nothing new. Whoever has not failed by the time it arrives is left alone.
    """
    await job_definitions.load_job(tx.connection, job_id)
    operator = request.operator
    await tx.connection.execute(
        QUERIES.append_audit,
        tx.now,
        operator.name,
        operator.role,
        operator.token_id,
        "users.retry",
        job_id,
        json.dumps({"objectId": object_id}),
        request.reason,
    )
    tx.emit(
        OperatorRequest(
            job_id=job_id,
            object_type=ObjectType.USER,
            object_id=object_id,
            sequence=int(tx.now.timestamp() * 1_000_000),
            kind=RequestKind.RETRY,
            reason=request.reason,
            idempotency_key=key,
            requested_by=operator.name,
            at=tx.now,
        ),
        event_id=derived_id("request", job_id, RequestKind.RETRY, object_id, key),
    )
