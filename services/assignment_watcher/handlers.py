"""What the watcher does with messages: a job definition that arrived lets it look at its jobs at once. The frame stores it."""

import asyncio
from collections.abc import Callable, Sequence

from services.assignment_watcher import holds
from shared.contracts.control import JobRecord, OperatorRequest
from shared.runtime.transaction import Received, Transaction


class JobsChanged:
    """Sets ``wake`` for job definitions; it changes nothing, so a repeat is harmless."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake

    async def __call__(self, tx: Transaction, received: Sequence[Received[JobRecord]]) -> None:  # noqa: ARG002 - the shape of a handler
        """Wake the loop that follows the jobs."""
        self._wake.set()


class HoldsDecided:
    """Takes operators' decisions on held removals; ``look_again`` lets the next cycle of a job start at once."""

    def __init__(self, look_again: Callable[[str], None]) -> None:
        self._look_again = look_again

    async def __call__(self, tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> None:
        """Note the decisions; a repeat finds nothing left to decide."""
        for job_id in await holds.decide(tx, received):
            # Before the commit, so a cycle may start too early to see it; it is seen by the one after that at the latest.
            self._look_again(job_id)
