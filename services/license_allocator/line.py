"""The loop that moves long waiting lines on, a bounded number of users in each transaction, and measures the pools."""

from prometheus_client import Gauge

from services.license_allocator import store
from services.license_allocator.handlers import Handlers
from services.license_allocator.pool import Pool
from shared.runtime.frame import Frame

_CAPACITY = Gauge("seatkeeper_license_capacity", "Licenses of a pool.", ["job"])
_IN_USE = Gauge("seatkeeper_license_in_use", "Licenses reserved or granted.", ["job"])
_WAITING = Gauge("seatkeeper_license_waiting", "Users in the waiting line.", ["job"])
_OVERCOMMITTED = Gauge("seatkeeper_license_overcommitted", "Licenses in use above a lowered capacity.", ["job"])

LOOP = "waiting-line"


class Line:
    """A capacity raised by thousands lets out thousands: the handler lets out the first of them, this loop the others."""

    def __init__(self, handlers: Handlers, *, every_seconds: float) -> None:
        self._handlers = handlers
        self._every_seconds = every_seconds

    async def run(self, frame: Frame) -> None:
        """Run until the service stops."""
        while not await frame.pause(self._every_seconds):
            frame.health.beat(LOOP)
            while await self.move_once(frame) and not frame.stopping.is_set():
                frame.health.beat(LOOP)
        frame.health.finished(LOOP)

    async def move_once(self, frame: Frame) -> bool:
        """Measure every pool and let out one bounded group of users; return whether there was anybody to let out."""
        async with frame.connection() as connection:
            pools = await store.list_pools(connection)
        for pool in pools:
            _measure(pool)
        movable = [pool.job_id for pool in pools if pool.may_leave_line]
        if movable:
            async with frame.transaction() as tx:
                await self._handlers.move_lines(tx, movable)
        return bool(movable)


def _measure(pool: Pool) -> None:
    _CAPACITY.labels(pool.job_id).set(pool.capacity)
    _IN_USE.labels(pool.job_id).set(pool.in_use)
    _WAITING.labels(pool.job_id).set(pool.waiting)
    _OVERCOMMITTED.labels(pool.job_id).set(max(0, pool.in_use - pool.capacity))
