"""What license-allocator does with each message type: load, decide, save."""

from collections.abc import Collection, Sequence

from services.license_allocator import core, store
from services.license_allocator.ledger import Ledger
from shared.contracts.changes import Change, Operation
from shared.contracts.control import JobRecord
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.transaction import Received, Transaction

_SAYS_NOTHING = frozenset({Result.SKIPPED, Result.WITHDRAWN, Result.SUPERSEDED, Result.RETRY_LATER, Result.STOP})
"""Results that leave every license as it is: they are not worth a lock."""


class Handlers:
    """The handlers; each serves a batch in the transaction it is given, under the lock of the pools concerned."""

    def __init__(self, *, most_from_line: int) -> None:
        self._most_from_line = most_from_line

    async def on_changes(self, tx: Transaction, received: Sequence[Received[Change]]) -> None:
        """Let changes out as commands, or let their users wait."""
        causes = {(item.message.job_id, item.message.object_id, item.message.generation): item for item in received}
        ledger = await Ledger.open(tx, {(item.message.job_id, item.message.object_id) for item in received})
        for change in core.arrival_order(item.message for item in received):
            key = (change.job_id, change.object_id)
            decision = core.decide_change(ledger.pools[change.job_id], ledger.entries.get(key), change)
            ledger.take(key, decision, causes[*key, change.generation].envelope)
        await ledger.close(self._most_from_line)

    async def on_outcomes(self, tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        """Grant, keep or free the licenses of the users whose commands came to an end."""
        ended = [
            item
            for item in received
            if item.message.result not in _SAYS_NOTHING and item.message.operation is not Operation.COMPARE
        ]
        if not ended:
            return
        ledger = await Ledger.open(tx, {(item.message.job_id, item.message.object_id) for item in ended})
        for item in ended:
            key = (item.message.job_id, item.message.object_id)
            decision = core.decide_outcome(ledger.pools[key[0]], ledger.entries.get(key), item.message)
            ledger.take(key, decision, item.envelope)
        await ledger.close(self._most_from_line)

    async def on_jobs(self, tx: Transaction, received: Sequence[Received[JobRecord]]) -> None:
        """Create or resize pools as the job definitions say; a raised capacity goes to the head of the line at once."""
        await store.define_pools(tx.connection, [item.message for item in received])
        await self.move_lines(tx, {item.message.job_id for item in received})

    async def move_lines(self, tx: Transaction, job_ids: Collection[str]) -> None:
        """Let out the heads of these lines, as far as licenses are free; users keep their order whoever calls this."""
        ledger = Ledger(tx, await store.lock_pools(tx.connection, job_ids), {})
        await ledger.close(self._most_from_line)
