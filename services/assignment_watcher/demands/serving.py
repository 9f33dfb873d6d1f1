"""The loop that reads users on demand: beside the cycles, and committed under the same lock as they are."""

import asyncio
import time
from collections import Counter as Counted
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

import orjson
from prometheus_client import Counter, Histogram

from services.assignment_watcher import facts, store
from services.assignment_watcher.core import Job as Deriving
from services.assignment_watcher.core import decide as decide_on
from services.assignment_watcher.core import derive
from services.assignment_watcher.demands import explaining
from services.assignment_watcher.demands import store as demands
from services.assignment_watcher.demands.store import QUERIES, Demand
from services.assignment_watcher.mirror.deriving import Derived, save_emitted, touched_objects
from services.assignment_watcher.mirror.staging import QUERIES as MIRROR
from services.assignment_watcher.queries import QUERIES as WATCHER
from services.assignment_watcher.roles import counting_roles
from services.assignment_watcher.sources.point_reads import PointReads, Ways
from services.assignment_watcher.sources.source import Found, Source, SourceError, SourceUnavailableError
from services.assignment_watcher.watching import Sources
from shared.contracts.assignments import AppRole, CycleKind, Lifecycle
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact
from shared.runtime.crashpoints import crash_point
from shared.runtime.database import TRANSIENT_ERRORS
from shared.runtime.errors import WaitError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.log import logger
from shared.runtime.transaction import Transaction
from shared.runtime.wakeups import any_set

_log = logger(__name__)
_SERVED: Final = Counter("seatkeeper_demands_total", "Users on demand that were read.", ["result"])
_SECONDS: Final = Histogram("seatkeeper_demand_seconds", "Seconds from taking a user on demand on to the commit.")

LOOP: Final = "demands"
POLL_SECONDS: Final = 1.0
SETTLE_SECONDS: Final = (0.02, 0.08, 0.15)
"""When a request wakes the loop, the transaction that keeps it commits only a moment later."""
LAST_SECONDS: Final = 3.0
"""How long users who are being read may go on when the service stops; another process takes them on after that."""
AT_ONCE: Final = 16
AT_ONCE_OF_A_JOB: Final = 4
"""A source that is slow or throttled holds up users of its own job only."""
READ_SECONDS: Final = 25.0
"""An operator waits for the answer: a source that takes longer is said not to have been read. Less than ``PATIENCE``."""
PATIENCE: Final = timedelta(seconds=30)
MOST_TRIES: Final = 3
MOST_GROUPS: Final = 500
"""Assigned groups that the mirror does not hold the user in, and that the directory is asked about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Read:
    """What the source says of one user, and the roles of the application. ``passed_over``: there are groups that it was not asked about."""

    roles: tuple[AppRole, ...]
    counting: frozenset[str]
    found: Found
    ways: Ways
    passed_over: bool = False


class Demands:
    """Serves users on demand. ``wake`` lets it look at once."""

    def __init__(self, open_sources: Callable[[], Sources]) -> None:
        self._open_sources = open_sources
        self.wake = asyncio.Event()
        self._serving: dict[asyncio.Task[None], str] = {}

    async def run(self, frame: Frame) -> None:
        """Serve until the service stops; every process does, and a request is taken on by one of them."""
        sources = self._open_sources()
        try:
            while not frame.stopping.is_set():
                frame.health.beat(LOOP)
                woken = self.wake.is_set()
                self.wake.clear()
                await self._take_on(frame, sources)
                for seconds in SETTLE_SECONDS if woken else ():
                    await frame.pause(seconds)
                    await self._take_on(frame, sources)
                await any_set(frame.stopping, self.wake, within=POLL_SECONDS)
        finally:
            await self._end_all()
            await sources.close()
            frame.health.finished(LOOP)

    async def _take_on(self, frame: Frame, sources: Sources) -> None:
        """Begin to serve what is due, each by a task of its own, as far as there is room for it."""
        while len(self._serving) < AT_ONCE and not frame.stopping.is_set():
            counted = Counted(self._serving.values())
            full = [job_id for job_id, number in counted.items() if number >= AT_ONCE_OF_A_JOB]
            async with frame.transaction() as tx:
                claimed = await demands.claim(tx.connection, tx.now, PATIENCE, 1, but_of=full)
            if not claimed:
                return
            jobs = {job.job_id: job for job in await frame.list_jobs()}
            for item in claimed:
                task = asyncio.create_task(self._serve(frame, sources, jobs.get(item.job_id), item))
                self._serving[task] = item.job_id
                task.add_done_callback(self._served)

    def _served(self, task: "asyncio.Task[None]") -> None:
        del self._serving[task]
        self.wake.set()

    async def _end_all(self) -> None:
        if tasks := list(self._serving):
            _, late = await asyncio.wait(tasks, timeout=LAST_SECONDS)
            for task in late:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _serve(self, frame: Frame, sources: Sources, job: Job | None, demand: Demand) -> None:
        began = time.monotonic()
        result = "failed"
        try:
            if job is None:
                result = await self._end(
                    frame, demand, explaining.refused(demand, "The job was deleted.", demand.asked_at)
                )
            else:
                result = await serve(frame, sources.open(frame, job), job, demand)
        except TRANSIENT_ERRORS as error:
            _log.warning("PostgreSQL does not answer", action="wait", job_id=demand.job_id, exc_info=error)
        except WaitError as error:
            result = await self._end(frame, demand, explaining.refused(demand, str(error), demand.asked_at))
        except Exception as error:  # noqa: BLE001 - one request must not end the loop; the reason is in the log
            _log.error("user on demand not read", action="demand_failed", job_id=demand.job_id, exc_info=error)
            if demand.tries >= MOST_TRIES:
                said = f"The watcher failed with {type(error).__name__}; the reason is in its log."
                result = await self._end(frame, demand, explaining.refused(demand, said, demand.asked_at))
        _SERVED.labels(result).inc()
        _SECONDS.observe(time.monotonic() - began)

    async def _end(self, frame: Frame, demand: Demand, fact: DemandFact) -> str:
        async with frame.transaction() as tx:
            if await demands.finish(tx.connection, demand):
                _say(tx, demand, fact)
        return "refused"


async def serve(frame: Frame, source: Source, job: Job, demand: Demand) -> str:
    """Read one user and say them anew, or why not; return which. A request that was served already is left alone."""
    if not isinstance(source, PointReads):
        said = f"A source of kind {source.kind} cannot be asked for one user: wait for the next cycle."
        return await _commit_end(frame, demand, lambda tx: explaining.refused(demand, said, tx.now), "refused")
    try:
        read = await _read_in_time(frame, source, job, demand)
    except SourceError as error:
        failed = error
        return await _commit_end(frame, demand, lambda tx: explaining.not_read(demand, failed, tx.now), "not_read")
    if read is None:
        return await _commit_end(frame, demand, lambda tx: explaining.unknown_user(demand, tx.now), "unknown")
    if read.found.lifecycle is not Lifecycle.LIVE:
        found = read.found
        return await _commit_end(
            frame, demand, lambda tx: explaining.leaving(demand, found.object_id, found.lifecycle, tx.now), "leaving"
        )
    return await _commit(frame, source, job, demand, read)


async def _commit(frame: Frame, source: Source, job: Job, demand: Demand, read: Read) -> str:
    async with frame.transaction() as tx:
        number = await _lock(tx, job, source)
        if (await tx.jobs([job.job_id]))[job.job_id].version != job.version:
            # What was read is of another source, or says too little: read once more as the job is now.
            await demands.put_back(tx.connection, demand, tx.now)
            return "put_back"
        if not await demands.finish(tx.connection, demand):
            return "repeated"
        fact = await _apply(tx, number, job, demand, read)
        _say(tx, demand, fact)
        await tx.flush()
        crash_point("demand.before_commit")
    return "ended" if fact.result else "said"


async def _lock(tx: Transaction, job: Job, source: Source) -> int:
    """Lock the job as the commit of a cycle does, and return its round. Which source it is read from is for the cycles to note."""
    row = await tx.connection.fetchrow(WATCHER.lock_watch, job.job_id)
    if row is None:
        await store.load(tx.connection, job.job_id, source, job.restarts)
        row = await tx.connection.fetchrow(WATCHER.lock_watch, job.job_id)
    return int(row["round"])


async def _commit_end(frame: Frame, demand: Demand, fact: Callable[[Transaction], DemandFact], result: str) -> str:
    async with frame.transaction() as tx:
        if not await demands.finish(tx.connection, demand):
            return "repeated"
        _say(tx, demand, fact(tx))
    return result


async def _read_in_time(frame: Frame, source: Any, job: Job, demand: Demand) -> Read | None:
    try:
        async with asyncio.timeout(READ_SECONDS) as limit:
            return await _read(frame, source, job, demand)
    except TimeoutError:
        if not limit.expired():
            raise
        said = f"the source did not give the whole answer within {READ_SECONDS:g} seconds, slow or throttled as it is; ask again later"
        raise SourceUnavailableError(said) from None


async def _read(frame: Frame, source: Any, job: Job, demand: Demand) -> Read | None:
    roles = tuple(await source.read_roles())
    counting = counting_roles(job.definition.settings.required_roles, roles)
    found = await source.find_user(demand.user_name)
    if found is None:
        return None
    ways, groups = Ways(), list[str]()
    if found.lifecycle is Lifecycle.LIVE:
        async with frame.connection() as connection:
            rows = await connection.fetch(QUERIES.groups_in_question, job.job_id, found.object_id, MOST_GROUPS + 1)
        groups = [row["principal_id"] for row in rows]
        ways = await source.read_ways(found, groups[:MOST_GROUPS])
    return Read(roles=roles, counting=counting, found=found, ways=ways, passed_over=len(groups) > MOST_GROUPS)


async def _apply(tx: Transaction, number: int, job: Job, demand: Demand, read: Read) -> DemandFact:
    """Bring what was read into the mirror, which it only adds to, and say the user; the fact says what was said, or why nothing was."""
    job_id, user_id = job.job_id, read.found.object_id
    await _mirror(tx, job, read)
    found = await _derived(tx, job, user_id)
    hidden = job.schema.users.redacted_sources
    if found is None:
        asked_about = MOST_GROUPS if read.passed_over else None
        return explaining.not_assigned(demand, read.found, tx.now, asked_about=asked_about, hidden=hidden)
    deriving = Deriving(
        roles={role.id: role for role in read.roles},
        counting=read.counting,
        attributes={ObjectType.USER: job.source_attributes(ObjectType.USER)},
    )
    decision = decide_on(found.known, found.last, deriving)
    if decision.removal or (decision.state is None and found.last is None):
        return explaining.leaving(demand, user_id, found.known.lifecycle, tx.now)
    state, version = decision.state, decision.version
    if state is None:
        # Nothing is news, but an operator asked: said again under the next version, so that it is decided again.
        state = derive(found.known, found.last, deriving)
        version = found.last.version + 1 if found.last else 1
    said = facts.CycleMessages(job_id, number, CycleKind.INCREMENTAL, tx.now)
    said.cycle_id = str(derived_id("on-demand", job_id, demand.request_id))
    said.assignment(tx, ObjectType.USER, user_id, version, state, request_id=demand.request_id, cause=demand.cause())
    if found.hold_id is not None:
        await tx.connection.execute(WATCHER.let_go, job_id, [user_id])
    if found.leaving_since is not None:
        await tx.connection.execute(MIRROR.forget_leaving, job_id, [user_id])
    await save_emitted(tx.connection, job_id, ObjectType.USER, [(user_id, _as_said(decision, state, version))])
    return explaining.imported(demand, read.found, decision, state, tx.now, hidden=hidden)


def _as_said(decision: Any, state: Any, version: int) -> Any:
    return type(decision)(reason=decision.reason, state=state, version=version, effective=decision.effective)


async def _mirror(tx: Transaction, job: Job, read: Read) -> None:
    """Add the user, its assignments and its memberships. An answer may be an old one, so all is read again after a while."""
    connection, job_id, attempt = tx.connection, job.job_id, uuid4()
    user_id = read.found.object_id
    settings = job.definition.settings
    again_at = tx.now + settings.removal_confirmation
    await connection.execute(MIRROR.create_touched)
    body = orjson.dumps({"value": [dict(read.found.record or {}) | {"id": user_id}]}).decode()
    await connection.execute(MIRROR.stage_users, job_id, attempt, body)
    await connection.fetch(MIRROR.apply_users, job_id, attempt, False, tx.now, [])
    await connection.execute(MIRROR.settle_users, job_id, attempt, False)
    added = 0
    if read.ways.assignments:
        columns = [list(column) for column in zip(*read.ways.assignments, strict=True)]
        await connection.execute(MIRROR.stage_assignments, job_id, attempt, *columns)
        added = await connection.fetchval(MIRROR.add_assignments, job_id, attempt, tx.now)
    if read.ways.groups:
        member = {"@odata.type": "#microsoft.graph.user", "id": user_id}
        body = orjson.dumps(
            {"value": [{"id": group_id, "members@delta": [member]} for group_id in read.ways.groups]}
        ).decode()
        await connection.execute(MIRROR.stage_members, job_id, attempt, body)
        await connection.execute(MIRROR.apply_members, job_id, attempt, tx.now, again_at, settings.nested_groups)
        await connection.execute(WATCHER.queue_rechecks, job_id, "members", read.ways.groups, "confirm", again_at)
    await connection.execute(QUERIES.touch, user_id)
    refrozen = await connection.fetch(MIRROR.refreeze_assignments, job_id)
    if added or not all(row["frozen"] for row in refrozen):
        # The last listing did not show what is believed now: the next one is compared with it, also when it is equal to the last.
        await connection.execute(WATCHER.void_listing, job_id)
    await connection.execute(QUERIES.drop_staged, attempt)
    await connection.execute(WATCHER.queue_rechecks, job_id, "user", [user_id], "confirm", again_at)


async def _derived(tx: Transaction, job: Job, user_id: str) -> Derived | None:
    nested = job.definition.settings.nested_groups
    async for users in touched_objects(tx.connection, job.job_id, ObjectType.USER, nested=nested, chunk=100):
        for one in users:
            if one.known.object_id == user_id:
                return one
    return None


def _say(tx: Transaction, demand: Demand, fact: DemandFact) -> None:
    tx.emit(fact, event_id=explaining.fact_id(demand), cause=demand.cause())
