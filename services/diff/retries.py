"""The retry timer: one process of the service tries again what is due, lets members of groups go out, and resolves references."""

from datetime import UTC, datetime
from functools import partial

from services.diff import store
from services.diff.groups import store as groups
from services.diff.handlers import Handlers
from shared.runtime.crashpoints import crash_point
from shared.runtime.frame import Frame
from shared.runtime.leased_loop import leased
from shared.runtime.leases import Lease
from shared.runtime.service import Background
from shared.runtime.transaction import Transaction

LEASE = "diff/retries"
LONGEST_NAP_SECONDS = 1.0
SHORTEST_NAP_SECONDS = 0.05


def retry_timer(handlers: Handlers) -> Background:
    """Return the loop that serves due attempts while this process holds the lease."""

    return leased(LEASE, partial(_serve, handlers))


async def _serve(handlers: Handlers, frame: Frame, lease: Lease) -> None:
    while not frame.stopping.is_set():
        frame.health.beat(LEASE)
        lease.check()
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            served = await handlers.retries(tx) + await handlers.groups.work(tx) + await handlers.resolve(tx)
            due = None if served else await _next_due(tx)
            await tx.flush()
            crash_point("diff.retry.before_commit")
        frame.health.arrived(LEASE)
        if not served:
            await frame.pause(_nap(due))


async def _next_due(tx: Transaction) -> datetime | None:
    found = await store.next_due(tx.connection), await groups.next_due(tx.connection)
    return min((at for at in found if at is not None), default=None)


def _nap(due: datetime | None) -> float:
    """Return the seconds until the next attempt is due, within bounds: another process may plan one meanwhile."""
    if due is None:
        return LONGEST_NAP_SECONDS
    return min(max((due - datetime.now(UTC)).total_seconds(), SHORTEST_NAP_SECONDS), LONGEST_NAP_SECONDS)
