"""One cycle of one job: read everything aside, then apply, derive, say and remember in one transaction."""

import time
from datetime import UTC, datetime, timedelta
from typing import Final

import orjson
from prometheus_client import Counter, Histogram

from services.assignment_watcher import facts, store
from services.assignment_watcher.core import decide
from services.assignment_watcher.reading import Reader, Reading
from services.assignment_watcher.sources.source import Source, SourceError, Stream
from services.assignment_watcher.store import QUERIES, Watch
from shared.contracts.assignments import CycleKind
from shared.contracts.outcomes import ConditionState, CyclePhase
from shared.runtime.crashpoints import crash_point
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leases import Lease
from shared.runtime.transaction import Transaction

_SECONDS = Histogram(
    "seatkeeper_cycle_seconds",
    "Seconds of a cycle, from its first request to its commit.",
    ["kind", "result"],
    buckets=(0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300, 1800),
)
_EMITTED = Counter("seatkeeper_objects_emitted_total", "Objects whose new state was said.")

REPORT_EVERY: Final = timedelta(minutes=1)
"""How often a cycle without changes, or one that fails as before, is reported."""


class Cycle:
    """One cycle of ``job``, from what was committed before it to its own commit."""

    def __init__(self, frame: Frame, job: Job, source: Source, lease: Lease, *, chunk: int) -> None:
        self._frame = frame
        self._job = job
        self._source = source
        self._lease = lease
        self._chunk = chunk

    async def run(self) -> CycleKind:
        """Run the cycle and return its kind.

        Raises ``SourceError`` when the source could not be read (nothing has changed then, but the failure was reported) and
        ``LeaseLostError`` when another process took over (nothing has changed then).
        """
        began = time.monotonic()
        now = datetime.now(UTC)
        async with self._frame.connection() as connection:
            watch = await store.load(connection, self._job.job_id, self._source, self._job.restarts)
        kind = CycleKind.INCREMENTAL if watch.initial_completed else CycleKind.INITIAL
        said = facts.CycleMessages(self._job.job_id, watch.round, kind, watch.initial_started_at or now)
        result = "failed"
        try:
            if kind is CycleKind.INITIAL:
                await self._announce(watch, said)
            reading = await Reader(self._frame, self._source, watch, self._lease).read(now)
            emitted = await self._commit(watch, reading, said, now)
            result = "changed" if emitted else "unchanged"
        except SourceError as error:
            await report_failure(self._frame, watch, said, self._lease, error)
            raise
        finally:
            _SECONDS.labels(kind, result).observe(time.monotonic() - began)
        return kind

    async def _announce(self, watch: Watch, said: facts.CycleMessages) -> None:
        async with self._frame.transaction() as tx:
            await store.lock(tx.connection, watch)
            await tx.connection.execute(QUERIES.start_initial, watch.job_id, watch.round, said.started_at)
            said.fact(tx, CyclePhase.STARTED)
            await tx.flush()
            await self._lease.fence(tx.connection)

    async def _commit(self, watch: Watch, reading: Reading, said: facts.CycleMessages, now: datetime) -> int:
        self._lease.check()
        async with self._frame.transaction() as tx:
            await store.lock(tx.connection, watch)
            emitted = await self._transact(tx, watch, reading, said, now)
            await tx.flush()
            # Last, so that renewing the lease does not have to wait for a long transaction.
            await self._lease.fence(tx.connection)
            crash_point("watcher.before_commit")
        crash_point("watcher.after_commit")
        _EMITTED.inc(emitted)
        return emitted

    async def _transact(
        self, tx: Transaction, watch: Watch, reading: Reading, said: facts.CycleMessages, now: datetime
    ) -> int:
        confirmed_before = now - self._job.definition.settings.removal_confirmation
        suspicion_due = watch.oldest_suspicion is not None and watch.oldest_suspicion <= confirmed_before
        roles_changed = watch.initial_completed and reading.roles != watch.roles
        emitted, thawed = 0, False
        if reading.listed or reading.staging.rows or suspicion_due or roles_changed:
            thawed = await store.apply(
                tx.connection,
                reading.staging,
                listed=reading.listed,
                now=now,
                confirmed_before=confirmed_before,
                roles_changed=roles_changed,
            )
            emitted = await self._say_touched(tx, watch.job_id, reading, said, now)
            await reading.staging.discard(tx.connection, *tuple(reading.staging.rows))
        reported = self._report(tx, watch, said, emitted)
        sequence = _clear_condition(tx, watch)
        await tx.connection.execute(
            QUERIES.commit_watch,
            watch.job_id,
            watch.round,
            orjson.dumps([role.model_dump() for role in reading.roles]).decode(),
            None if thawed else reading.digest,
            reading.links[Stream.GROUPS],
            reading.links[Stream.USERS],
            now,
            reported,
            sequence,
        )
        return emitted

    async def _say_touched(
        self, tx: Transaction, job_id: str, reading: Reading, said: facts.CycleMessages, now: datetime
    ) -> int:
        roles = {role.id: role for role in reading.roles}
        attributes = self._job.template.source_attributes
        emitted = 0
        async for users in store.touched_users(tx.connection, job_id, self._chunk):
            decisions = [(user, decide(user, last, roles=roles, attributes=attributes)) for user, last in users]
            news = [(user.object_id, decision) for user, decision in decisions if decision.state]
            for object_id, decision in news:
                if decision.state:
                    said.assignment(tx, object_id, decision.version, decision.state)
            if news:
                await store.save_emitted(tx.connection, job_id, news)
                await tx.flush()
            if unknown := [user.object_id for user, decision in decisions if decision.unknown]:
                await tx.connection.execute(QUERIES.doubt_users, job_id, unknown, now)
            emitted += len(news)
        return emitted

    def _report(self, tx: Transaction, watch: Watch, said: facts.CycleMessages, emitted: int) -> datetime | None:
        """Emit marks and facts; return when this was, or nothing for a cycle that nobody needs to hear of."""
        if said.kind is CycleKind.INITIAL or emitted:
            said.marks(tx, emitted)
            if said.kind is CycleKind.INCREMENTAL:
                said.fact(tx, CyclePhase.STARTED)
        elif watch.reported_at is not None and tx.now - watch.reported_at < REPORT_EVERY:
            return None
        said.fact(tx, CyclePhase.COMPLETED, objects=emitted)
        return tx.now


def _clear_condition(tx: Transaction, watch: Watch) -> int:
    if watch.condition is None:
        return watch.condition_sequence
    sequence = watch.condition_sequence + 1
    facts.condition(tx, watch.job_id, watch.condition, sequence=sequence, state=ConditionState.CLEARED)
    return sequence


async def report_failure(
    frame: Frame, watch: Watch, said: facts.CycleMessages, lease: Lease, error: SourceError
) -> None:
    """Say that a cycle failed, and raise its condition; said once, and then at most once a minute while it goes on."""
    async with frame.transaction() as tx:
        await store.lock(tx.connection, watch)
        sequence, news = watch.condition_sequence, watch.condition != error.condition
        if news:
            sequence = _clear_condition(tx, watch) + 1
            facts.condition(
                tx,
                watch.job_id,
                error.condition,
                sequence=sequence,
                state=ConditionState.RAISED,
                failure=error.failure,
            )
        reported = None
        recent = watch.reported_at is not None and tx.now - watch.reported_at < REPORT_EVERY
        if news or said.kind is CycleKind.INITIAL or not recent:
            said.fact(tx, CyclePhase.FAILED, failure=error.failure)
            reported = tx.now
        await tx.connection.execute(QUERIES.fail_watch, watch.job_id, watch.round, reported, error.condition, sequence)
        await tx.flush()
        await lease.fence(tx.connection)
