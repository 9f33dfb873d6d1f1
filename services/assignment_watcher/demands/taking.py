"""Operators' requests for users on demand come in: kept until they are read, which takes a moment only."""

import asyncio
from collections.abc import Sequence

from services.assignment_watcher.demands.store import QUERIES
from shared.contracts.control import OperatorRequest, RequestKind
from shared.runtime.transaction import Received, Transaction


class DemandsTaken:
    """Keeps requests; ``wake`` lets the loop look at once. A repeat finds its request kept, or done."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake

    async def __call__(self, tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> None:
        """Keep the requests for users on demand; all others are for others."""
        for item in received:
            request = item.message
            if request.kind is not RequestKind.PROVISION_ON_DEMAND:
                continue
            name, envelope = request.user or request.object_id, item.envelope
            ids = (request.job_id, request.idempotency_key, name, envelope.correlation_id, envelope.traceparent)
            await tx.connection.execute(QUERIES.take, *ids, tx.now)
            self._wake.set()
