"""One cycle of one job: read everything aside, then apply, derive, say and remember in one transaction."""

import time
from datetime import datetime

from prometheus_client import Counter, Histogram

from services.assignment_watcher import facts, store
from services.assignment_watcher.committing import Committing
from services.assignment_watcher.failing import report_failure
from services.assignment_watcher.mirror.staging import Staging
from services.assignment_watcher.policy import Policy
from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.reading.context import Context
from services.assignment_watcher.reading.following import Limits
from services.assignment_watcher.reading.reader import Reader, Reading
from services.assignment_watcher.sources.source import Source, SourceError, Stream
from services.assignment_watcher.state import measure_ages, progress_of, say_state
from services.assignment_watcher.store import Watch
from services.assignment_watcher.streams import stream_of
from shared.contracts.assignments import CycleKind
from shared.contracts.outcomes import CyclePhase
from shared.runtime.crashpoints import crash_point
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leases import Lease

_SECONDS = Histogram(
    "seatkeeper_cycle_seconds",
    "Seconds of a cycle, from its first request to its commit.",
    ["kind", "result"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800),
)
_EMITTED = Counter("seatkeeper_objects_emitted_total", "Objects whose new state was said.")


class Cycle:
    """One cycle of ``job``, from what was committed before it to its own commit."""

    def __init__(self, frame: Frame, job: Job, source: Source, lease: Lease, policy: Policy | None = None) -> None:
        self._frame = frame
        self._job = job
        self._source = source
        self._lease = lease
        self._policy = policy or Policy()
        self._expected: int | None = None
        self.unfinished = False
        """Whether the next cycle has to follow at once."""

    async def run(self) -> CycleKind:
        """Run the cycle and return its kind.

        Raises ``SourceError`` when the source could not be read (nothing has changed then, but the failure was reported) and
        ``LeaseLostError`` when another process took over (nothing has changed then).
        """
        began, now = time.monotonic(), self._policy.clock()
        async with self._frame.connection() as connection:
            watch = await store.load(connection, self._job.job_id, self._source, self._job.restarts)
        measure_ages(watch.job_id, watch.streams.values(), now)
        kind = CycleKind.INCREMENTAL if watch.initial_completed else CycleKind.INITIAL
        began_at = watch.initial_started_at or now
        said = facts.CycleMessages(
            self._job.job_id, watch.round, kind, began_at, schema_version=self._job.schema_version
        )
        result = "failed"
        try:
            if kind is CycleKind.INITIAL:
                await self._announce(watch, said)
            reading = await self._reader(watch, kind).read(now)
            emitted = await self._commit(watch, reading, said, now)
            result = "changed" if emitted else "unchanged"
        except SourceError as error:
            await self._report(watch, said, error)
            raise
        finally:
            _SECONDS.labels(kind, result).observe(time.monotonic() - began)
        return kind

    def _reader(self, watch: Watch, kind: CycleKind) -> Reader:
        limits = Limits(
            slice_seconds=None if kind is CycleKind.INITIAL else self._policy.slice_seconds,
            damper=self._policy.damper,
        )
        alive = {row.shadow.attempt for row in watch.streams.values() if row.shadow}
        context = Context(
            frame=self._frame,
            source=self._source,
            watch=watch,
            lease=self._lease,
            staging=Staging(job_id=watch.job_id, alive=alive),
        )
        settings = self._job.definition.settings
        return Reader(context, settings, limits, on_progress=lambda: self._say_progress(watch))

    async def _announce(self, watch: Watch, said: facts.CycleMessages) -> None:
        self._expected = await self._source.count_users()
        async with self._frame.transaction() as tx:
            await store.lock(tx.connection, watch)
            await tx.connection.execute(QUERIES.start_initial, watch.job_id, watch.round, said.started_at)
            said.fact(tx, CyclePhase.STARTED)
            await tx.flush()
            await self._lease.fence(tx.connection)

    async def _say_progress(self, watch: Watch) -> None:
        """Say how far a full read is, so that an operator sees people read and not silence."""
        async with self._frame.transaction() as tx:
            rows = [
                stream_of(watch.job_id, row) for row in await tx.connection.fetch(QUERIES.load_streams, watch.job_id)
            ]
            users = next((row for row in rows if row.stream is Stream.USERS), None)
            started = users.shadow.started_at if users and users.shadow else None
            progress = (
                None if watch.initial_completed else progress_of(users, started, self._policy.clock(), self._expected)
            )
            await say_state(tx, watch, self._source, self._source.traffic, progress=progress)
            await tx.flush()
            await self._lease.fence(tx.connection)

    async def _commit(self, watch: Watch, reading: Reading, said: facts.CycleMessages, now: datetime) -> int:
        self._lease.check()
        async with self._frame.transaction() as tx:
            await store.lock(tx.connection, watch)
            committing = Committing(self._job, self._source, self._policy, watch, reading)
            emitted = await committing.transact(tx, said, now)
            await tx.flush()
            # Last, so that renewing the lease does not have to wait for a long transaction.
            await self._lease.fence(tx.connection)
            crash_point("watcher.before_commit")
        crash_point("watcher.after_commit")
        self.unfinished = reading.unfinished or committing.leaving
        _EMITTED.inc(emitted)
        return emitted

    async def _report(self, watch: Watch, said: facts.CycleMessages, error: SourceError) -> None:
        async with self._frame.transaction() as tx:
            await store.lock(tx.connection, watch)
            await report_failure(tx, watch, said, error, self._source)
            await tx.flush()
            await self._lease.fence(tx.connection)
