"""The loop beside the messages: removals that were let out are sent, holds and counts are kept true, restarts are carried out.

One process of the service does it at a time; each step is a transaction of its own, and what a crash undoes is done again.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from services.diff.health.judging import Judging
from services.diff.removals.releasing import Releasing
from services.diff.restarts.resetting import Resetting
from shared.runtime.crashpoints import crash_point
from shared.runtime.frame import Frame
from shared.runtime.leased_loop import leased
from shared.runtime.leases import Lease
from shared.runtime.service import Background
from shared.runtime.transaction import Transaction
from shared.runtime.wakeups import any_set

LEASE = "diff/keeping"
NAP_SECONDS = 1.0
REFRESH_SECONDS = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Keeping:
    """What the loop does; ``wake`` ends a nap early."""

    wake: asyncio.Event
    releasing: Releasing
    judging: Judging
    resetting: Resetting

    def background(self) -> Background:
        """Return the loop, which works while this process holds the lease."""
        return leased(LEASE, self._serve)

    async def _serve(self, frame: Frame, lease: Lease) -> None:
        refresh_at = 0.0
        while not frame.stopping.is_set():
            frame.health.beat(LEASE)
            lease.check()
            self.wake.clear()
            sent = await _within(frame, lease, self.releasing.release)
            await _within(frame, lease, self.judging.judge)
            reset = await _within(frame, lease, self.resetting.advance)
            if time.monotonic() >= refresh_at:
                await _within(frame, lease, self.releasing.refresh)
                refresh_at = time.monotonic() + REFRESH_SECONDS
            frame.health.arrived(LEASE)
            if not sent and not reset:
                await any_set(frame.stopping, self.wake, within=NAP_SECONDS)


async def _within(frame: Frame, lease: Lease, act: Callable[[Transaction], Awaitable[Any]]) -> Any:
    async with frame.transaction() as tx:
        await lease.fence(tx.connection)
        done = await act(tx)
        await tx.flush()
        if done:
            crash_point("diff.release.before_commit")
    return done
