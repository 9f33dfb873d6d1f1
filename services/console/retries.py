"""Asking diff to try a failed user again at once."""

from services.console import audit, job_definitions
from services.console.audit import Request
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
    await audit.record(tx, request, "users.retry", job_id, {"objectId": object_id})
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
