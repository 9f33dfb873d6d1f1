"""The commit of one cycle: the mirror, what is said of it, the links and the watch, in one transaction."""

from datetime import datetime

import orjson

from services.assignment_watcher import core, facts
from services.assignment_watcher.failing import REPORT_EVERY, clear_condition
from services.assignment_watcher.mirror.applying import Applied, Applying
from services.assignment_watcher.mirror.staging import QUERIES as MIRROR
from services.assignment_watcher.policy import Policy
from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.reading.reader import Reading
from services.assignment_watcher.reading.rechecks import REREAD_EVERY, begin_reread, settle
from services.assignment_watcher.saying import Guarding, Saying
from services.assignment_watcher.sources.source import Source
from services.assignment_watcher.state import say_state
from services.assignment_watcher.store import Watch
from shared.contracts.assignments import CycleKind
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import CyclePhase
from shared.runtime.errors import LeaseLostError
from shared.runtime.jobs import Job
from shared.runtime.transaction import Transaction


class Committing:
    """Commits what one cycle of ``job`` read, starting from ``watch``."""

    def __init__(self, job: Job, source: Source, policy: Policy, watch: Watch, reading: Reading) -> None:
        self._job = job
        self._source = source
        self._policy = policy
        self._watch = watch
        self._reading = reading
        self._attributes = {one: tuple(job.source_attributes(one)) for one in (ObjectType.USER, ObjectType.GROUP)}
        self.leaving = False
        """Whether the next cycle has to follow at once, because somebody waits for its listing to be said to have left."""

    async def transact(self, tx: Transaction, said: facts.CycleMessages, now: datetime) -> int:
        """Do everything inside ``tx`` and return how many users and groups were said."""
        watch, news, connection = self._watch, self._reading.news, tx.connection
        everybody = watch.initial_completed and (
            self._reading.roles != watch.roles
            or news.nested != watch.nested_groups
            or self._attributes != {name: tuple(each) for name, each in watch.said_attributes.items()}
        )
        await connection.execute(MIRROR.create_touched)
        await connection.execute(QUERIES.touch_approved, watch.job_id)
        if news.listing is not None:
            await connection.execute(MIRROR.touch_leaving, watch.job_id)
        approved = await connection.fetchval(QUERIES.anybody_touched)
        emitted, held, applied = 0, False, Applied()
        await settle(connection, watch.job_id, news.rechecked, now, now + news.confirmation)
        if news.anything or everybody or approved:
            applied = await Applying(connection, watch, news).apply(everybody=everybody)
            saying = self._saying(tx, said)
            emitted = await saying.say(self._guarding())
            held = saying.held
            self.leaving = saying.leaving and news.listing is not None
            for staging in (news.staging, news.rechecked.listings):
                await staging.discard(connection, *tuple(staging.rows))
        await self._commit_streams(tx, now)
        if watch.reread_at is not None and now - watch.reread_at >= REREAD_EVERY:
            await begin_reread(connection, watch.job_id, now, watch.reread_slice)
        reported = self._report(tx, said, emitted)
        await self._commit_watch(tx, reported, applied, now)
        if reported is not None or held or any(read.shadow is not None for read in news.rounds.values()):
            await say_state(tx, watch, self._source, self._source.traffic.take())
        return emitted

    def _saying(self, tx: Transaction, said: facts.CycleMessages) -> Saying:
        job = core.Job(
            roles={role.id: role for role in self._reading.roles},
            counting=self._reading.counting,
            attributes=self._attributes,
        )
        return Saying(tx, said, job, nested=self._reading.news.nested, chunk=self._policy.chunk)

    def _guarding(self) -> Guarding:
        news, watch = self._reading.news, self._watch
        return Guarding(
            without_rows=news.listing is not None and not news.listing.rows,
            listed=news.listing is not None,
            listing_empty=news.listing is not None and not news.listing.rows and bool(news.listing.gone),
            resynced=any(watch.streams[stream].generation > 0 for stream in news.shadows),
            count=self._policy.guard_count,
            percent=self._policy.guard_percent,
        )

    async def _commit_streams(self, tx: Transaction, now: datetime) -> None:
        job_id = self._watch.job_id
        for stream, read in self._reading.news.rounds.items():
            if read.shadow is None:
                await tx.connection.execute(
                    QUERIES.commit_round, job_id, stream, read.link, now, read.pages, read.records, now
                )
            elif read.whole:
                attempt = read.shadow.attempt
                if not await tx.connection.fetchval(QUERIES.commit_shadow, job_id, stream, attempt, now):
                    raise LeaseLostError(f"full read of {stream} of job {job_id}")

    async def _commit_watch(self, tx: Transaction, reported: datetime | None, applied: Applied, now: datetime) -> None:
        watch, news = self._watch, self._reading.news
        listing = news.listing
        digest = None if applied.thawed else listing.digest if listing else watch.listing_digest
        await tx.connection.execute(
            QUERIES.commit_watch,
            watch.job_id,
            watch.round,
            orjson.dumps([role.model_dump() for role in self._reading.roles]).decode(),
            digest,
            now if listing else None,
            listing.seconds if listing else None,
            listing.rows if listing else None,
            reported,
            clear_condition(tx, watch),
            all(one.shadow is None or one.whole for one in news.rounds.values()),
            news.nested,
            applied.drift,
            now,
            listing.pages if listing else None,
            orjson.dumps({one.value: names for one, names in self._attributes.items()}).decode(),
            watch.listing_digest,
        )

    def _report(self, tx: Transaction, said: facts.CycleMessages, emitted: int) -> datetime | None:
        """Emit marks and facts; return when this was, or nothing for a cycle that nobody needs to hear of."""
        reported_at = self._watch.reported_at
        if said.kind is CycleKind.INITIAL or emitted:
            said.marks(tx, emitted)
            if said.kind is CycleKind.INCREMENTAL:
                said.fact(tx, CyclePhase.STARTED)
        elif reported_at is not None and tx.now - reported_at < REPORT_EVERY:
            return None
        said.fact(tx, CyclePhase.COMPLETED, objects=emitted)
        return tx.now
