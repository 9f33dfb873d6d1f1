"""What the watcher does with messages: a job definition that arrived lets it look at its jobs at once. The frame stores it."""

import asyncio
from collections.abc import Sequence

from shared.contracts.control import JobRecord
from shared.runtime.transaction import Received, Transaction


class JobsChanged:
    """Sets ``wake`` for job definitions; it changes nothing, so a repeat is harmless."""

    def __init__(self, wake: asyncio.Event) -> None:
        self._wake = wake

    async def __call__(self, tx: Transaction, received: Sequence[Received[JobRecord]]) -> None:  # noqa: ARG002 - the shape of a handler
        """Wake the loop that follows the jobs."""
        self._wake.set()
