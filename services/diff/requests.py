"""What operators asked of diff: decisions on holds of the deletion guard, starts (which end a quarantine), retries, previews."""

import asyncio
from collections.abc import Sequence
from typing import Final

from services.diff.health.judging import Judging
from services.diff.previews.making import Previews
from services.diff.removals import cycles
from services.diff.removals.handlers import decide
from services.diff.removals.judging import CycleState, decided
from services.diff.restarts.resetting import retry_user
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.message import ObjectType
from shared.contracts.source import DELETION_HOLD, Guard, guard_of
from shared.runtime.log import logger
from shared.runtime.transaction import Received, Transaction

_log = logger(__name__)

_WANTED: Final = {RequestKind.APPROVE_HOLD: CycleState.APPROVED, RequestKind.REJECT_HOLD: CycleState.REJECTED}


class Requests:
    """Takes requests; ``wake`` lets removals that were approved go out at once. Requests to other services are passed over."""

    def __init__(self, wake: asyncio.Event, judging: Judging, previews: Previews) -> None:
        self._wake = wake
        self._judging = judging
        self._previews = previews

    async def __call__(self, tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> None:
        """Carry the requests out; a repeat finds nothing left to do."""
        for item in received:
            request = item.message
            if request.kind in _WANTED:
                await self._decide(tx, request)
            elif request.kind is RequestKind.START:
                await self._judging.lift(tx, request.job_id)
            elif request.kind is RequestKind.RETRY and request.object_type is ObjectType.USER:
                found = await retry_user(tx.connection, request.job_id, request.object_id, tx.now)
                _log.info("retry asked for", action="retry", job_id=request.job_id, failed=found)
            elif request.kind is RequestKind.PREVIEW:
                await self._previews.ask(tx, item)

    async def _decide(self, tx: Transaction, request: OperatorRequest) -> None:
        hold_id = request.hold_id or request.object_id
        if guard_of(hold_id) is not Guard.DELETION:
            return
        wanted = _WANTED[request.kind]
        cycle = await cycles.lock_cycle(tx.connection, request.job_id, hold_id.removeprefix(DELETION_HOLD))
        if cycle is None or not decided(cycle.state, wanted):
            _log.info("hold not decided", action="hold", job_id=request.job_id, reason="it is not waiting for this")
            return
        await decide(tx, cycle, wanted, by=request.requested_by, why=request.reason)
        self._wake.set()
