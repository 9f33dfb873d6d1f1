"""The work of one job, carried out by the one process that holds the job's lease."""

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from services.scim_writer import requests, store
from services.scim_writer.answers import Verdict, judge
from services.scim_writer.breaker import TARGET_CREDENTIALS, Breaker, Trouble
from services.scim_writer.core import plan
from services.scim_writer.dialects import dialect_of
from services.scim_writer.gate import Gate, HaltedError
from services.scim_writer.metrics import BREAKER_OPEN, IN_FLIGHT, PAUSED_SECONDS, PAUSES
from services.scim_writer.outcomes import condition_id, condition_of
from services.scim_writer.pacing import Pauses
from services.scim_writer.requests import Endpoint, Kind, ScimRequest
from services.scim_writer.results import Ended, take_over, write_results
from services.scim_writer.scim import CredentialsMissingError, ScimTarget, read_token
from services.scim_writer.settings import ScimWriterSettings
from services.scim_writer.store import ClaimedRow
from services.scim_writer.trail import Finish, Profile, Work
from shared.contracts.changes import Command, MatchingValue
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import derived_id
from shared.contracts.outcomes import Result
from shared.runtime.crashpoints import crash_point
from shared.runtime.errors import LeaseLostError
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leases import Lease
from shared.runtime.log import logger
from shared.runtime.transaction import Transaction

_log = logger(__name__)

POLL_SECONDS = 0.5
GATHER_SECONDS = 0.05
"""How long results are gathered while others are still under way."""
MOST_RESULTS = 100
CLAIMED_AHEAD_SECONDS = 0.1
MOST_CLAIMED_AHEAD = 256
IDLE_SECONDS = 30.0
"""After this long without work the lease is given up."""


class Execution:
    """Claims the work of a job, sends its requests, and settles what came back; ends when idle, stopped, or without the lease.

    ``wake`` says that there may be work; ``use`` gives it a newer definition of the job; ``stop`` lets what is under way end.
    """

    def __init__(self, frame: Frame, settings: ScimWriterSettings, job: Job, lease: Lease) -> None:
        self._frame = frame
        self._settings = settings
        self._job = job
        self._lease = lease
        self._target = ScimTarget(settings)
        self._gate = Gate(job.definition.target.requests_per_second)
        self._pauses = Pauses()
        self._breaker = Breaker(
            stop_after=settings.scim_writer_stop_after_failures,
            first_probe=settings.scim_writer_first_probe_seconds,
            longest_probe=settings.scim_writer_longest_probe_seconds,
        )
        self._said: Trouble | None = None
        self._queue: asyncio.Queue[ClaimedRow | None] = asyncio.Queue()
        self._held = 0
        self._results: list[Ended] = []
        self._result_there = asyncio.Event()
        self._wake = asyncio.Event()
        self._due = True
        self._stopping = False
        self._working = 0
        self._profile = Profile()
        self._loop = f"write {job.job_id}"

    def wake(self) -> None:
        """Say that there may be work that is due."""
        self._due = True
        self._wake.set()

    def stop(self) -> None:
        """Claim nothing more, send nothing more, settle what is there, and end."""
        self._stopping = True
        self._gate.halt()
        self._wake.set()

    def use(self, job: Job) -> None:
        """Use a newer definition: its rate, address and secret token; a stopped target is probed at once."""
        if job.version == self._job.version:
            return
        self._job = job
        self._gate.set_rate(job.definition.target.requests_per_second)
        self._point()
        self._wake.set()

    async def run(self) -> None:
        """Work until there is nothing more to do here. Raises what PostgreSQL raises, and ``LeaseLostError``."""
        try:
            async with self._frame.transaction() as tx:
                await self._lease.fence(tx.connection)
                await take_over(tx, self._job.job_id)
                self._said = await store.load_condition(tx.connection, self._job.job_id)
            if self._said is not None:
                self._breaker.resume(self._said, time.monotonic())
            self._point()
            async with asyncio.TaskGroup() as group:
                self._working = self._settings.scim_writer_max_in_flight
                for _ in range(self._working):
                    group.create_task(self._work())
                group.create_task(self._settle())
                group.create_task(self._claim())
        finally:
            self._frame.health.finished(self._loop)
            IN_FLIGHT.labels(self._job.job_id).set(0)
            BREAKER_OPEN.labels(self._job.job_id).set(0)
            await self._target.close()

    def _point(self) -> None:
        definition, now = self._job.definition, time.monotonic()
        capabilities = self._job.template.capabilities
        self._profile = Profile(
            can_delete=capabilities.delete,
            dialect=dialect_of(definition.template),
            groups=capabilities.groups,
            group_filters=capabilities.group_filter_attributes,
        )
        try:
            token = read_token(self._job, self._frame.secrets)
        except CredentialsMissingError as error:
            self._breaker.open(Trouble(condition=TARGET_CREDENTIALS, failure=error.failure), now, probe=False)
            self._gate.halt()
            return
        self._target.point_at(definition.target.tenant_url, token)
        self._breaker.reset(now)

    # Claiming

    async def _claim(self) -> None:
        """Keep the queue filled, a little ahead of what is under way; probe instead while the breaker is open."""
        last_work = time.monotonic()
        while not self._stopping:
            self._lease.check()
            self._frame.health.beat(self._loop)
            self._wake.clear()
            await self._say_condition()
            probes = self._breaker.is_open and await self._has_cause()
            if probes:
                await self._probe()
            if self._breaker.is_open:
                last_work = time.monotonic()
            elif self._due and (room := self._room()) > 0:
                rows = await self._claim_rows(room)
                self._due = len(rows) == room
                if rows or self._held:
                    last_work = time.monotonic()
                    continue
            if self._held:
                last_work = time.monotonic()
            if time.monotonic() - last_work > IDLE_SECONDS:
                break
            await self._idle(probes=probes)
        for _ in range(self._settings.scim_writer_max_in_flight):
            self._queue.put_nowait(None)

    def _room(self) -> int:
        """Return how many rows may be claimed now: none until half of what is claimed ahead is used up."""
        if self._breaker.on_trial:
            return 1 if self._held == 0 else 0
        rate = self._job.definition.target.requests_per_second
        ahead = max(2, min(MOST_CLAIMED_AHEAD, int(rate * CLAIMED_AHEAD_SECONDS)))
        workers = self._settings.scim_writer_max_in_flight
        return workers + ahead - self._held if self._held <= workers + ahead // 2 else 0

    async def _claim_rows(self, limit: int) -> list[ClaimedRow]:
        async with self._frame.transaction() as tx:
            await self._lease.fence(tx.connection)
            rows = await store.claim(tx.connection, self._job.job_id, limit, only_on_demand=not self._job.active)
        if rows:
            crash_point("writer.after_claim")
        self._held += len(rows)
        IN_FLIGHT.labels(self._job.job_id).set(self._held)
        for row in rows:
            self._queue.put_nowait(row)
        return rows

    async def _has_cause(self) -> bool:
        """Return whether anything waits for the target: of a job that is not active, what an operator asked for alone."""
        if self._job.active:
            return True
        async with self._frame.connection() as connection:
            return await store.is_asked_for(connection, self._job.job_id)

    async def _idle(self, *, probes: bool) -> None:
        wait = POLL_SECONDS
        if probes and self._breaker.is_open:
            wait = min(wait, max(self._breaker.probe_at - time.monotonic(), 0.01))
        try:
            async with asyncio.timeout(wait):
                await self._wake.wait()
        except TimeoutError:
            self._due = True  # a retry may have come due

    # Executing

    async def _work(self) -> None:
        while True:
            row = await self._queue.get()
            if row is None:
                break
            ended = await self._execute(row)
            self._results.append(ended)  # the list may have been replaced meanwhile
            self._result_there.set()
            self._held -= 1
            if (self._due and self._room() > 0) or self._stopping:
                self._wake.set()
        self._working -= 1
        self._result_there.set()

    async def _execute(self, row: ClaimedRow) -> Ended:
        """Carry out one plan. Whatever is wrong with one row becomes its outcome and never stops the others."""
        began = time.monotonic()
        command = Command.model_validate_json(row.command)
        work = Work(command=command, ambiguous=row.ambiguous, target_id=row.target_id, written=row.written)
        finish: Finish | None = None
        try:
            finish = await self._follow(work)
        except HaltedError:
            pass  # nothing was sent that could have changed anything: the row goes back as it was
        except LeaseLostError:
            raise
        except Exception as error:  # noqa: BLE001 - one command that cannot be worded must not stop the job
            _log.error("command cannot be carried out", action="write_failed", job_id=command.job_id, exc_info=error)
            finish = _internal_error(work, error)
        return Ended(row=row, command=command, finish=finish, duration_ms=int((time.monotonic() - began) * 1000))

    async def _follow(self, work: Work) -> Finish | None:
        steps = plan(work, self._profile)
        try:
            request = next(steps)
            while True:
                verdict = await self._send(request)
                if verdict.throttled:
                    continue  # nothing was done; the gate holds everything back for as long as the target asked
                if request.endpoint is Endpoint.GROUPS and verdict.refused:
                    stopped = False  # a secret token that may not touch groups may well write users
                else:
                    stopped = self._breaker.note(request.kind, verdict, time.monotonic())
                if self._breaker.is_open:
                    self._gate.halt()
                    self._wake.set()
                if stopped and verdict.outcome is Result.FAILED:
                    return None
                request = steps.send(verdict)
        except StopIteration as end:
            finish: Finish = end.value
            return finish

    async def _send(self, request: ScimRequest) -> Verdict:
        await self._gate.enter()
        self._lease.check()
        reply = await self._target.send(request)
        if request.kind.writes:
            crash_point("writer.after_send")
        verdict = judge(request.kind, reply, datetime.now(UTC), request.endpoint)
        if verdict.throttled or verdict.wait is not None:
            self._pause(verdict)
        elif verdict.outcome is Result.DONE:
            self._pauses.over()
        return verdict

    def _pause(self, verdict: Verdict) -> None:
        now = time.monotonic()
        seconds = self._pauses.asked(verdict.wait, now)
        if seconds > 0:
            self._gate.hold(seconds)
            PAUSES.labels(self._job.job_id).inc()
            PAUSED_SECONDS.labels(self._job.job_id).inc(seconds)

    # Settling

    async def _settle(self) -> None:
        while self._working or self._results:
            await self._result_there.wait()
            if self._held and len(self._results) < MOST_RESULTS:
                await asyncio.sleep(GATHER_SECONDS)
            batch, self._results = self._results[:MOST_RESULTS], self._results[MOST_RESULTS:]
            if not self._results:
                self._result_there.clear()
            if batch:
                await self._write(batch)
            IN_FLIGHT.labels(self._job.job_id).set(self._held)

    async def _write(self, batch: Sequence[Ended]) -> None:
        crash_point("writer.before_settle")
        async with self._frame.transaction() as tx:
            await self._lease.fence(tx.connection)
            more = await write_results(tx, self._settings, self._job.job_id, batch)
        crash_point("writer.after_settle")
        if more:
            self.wake()

    # The breaker

    async def _probe(self) -> None:
        """Ask the target for nobody, once it is time: an empty list means that address and secret token are good."""
        if time.monotonic() < self._breaker.probe_at:
            return
        nobody = str(derived_id("probe", self._job.job_id))
        attributes = self._job.template.capabilities.filter_attributes or ("externalId",)
        self._lease.check()
        reply = await self._target.send(requests.look(MatchingValue(attribute=attributes[0], value=nobody)))
        self._breaker.probed(judge(Kind.LOOK, reply, datetime.now(UTC)), time.monotonic())
        if not self._breaker.is_open:
            self._gate.resume()
            self._due = True
        await self._say_condition()

    async def _say_condition(self) -> None:
        """Raise or clear the condition of the job when it is not what was said last."""
        job_id = self._job.job_id
        BREAKER_OPEN.labels(job_id).set(self._breaker.is_open)
        trouble, said = self._breaker.trouble, self._said
        if _same(trouble, said):
            return
        async with self._frame.transaction() as tx:
            await self._lease.fence(tx.connection)
            if said is not None and (trouble is None or trouble.condition != said.condition):
                await self._say(tx, said, raised=False)
            if trouble is not None:
                await self._say(tx, trouble, raised=True)
        self._said = trouble

    async def _say(self, tx: Transaction, trouble: Trouble, *, raised: bool) -> None:
        job_id = self._job.job_id
        sequence = await store.store_condition(tx.connection, job_id, trouble, raised=raised, now=tx.now)
        message = condition_of(
            job_id,
            trouble.condition,
            raised=raised,
            sequence=sequence,
            failure=trouble.failure if raised else None,
            at=tx.now,
        )
        tx.emit(message, event_id=condition_id(job_id, sequence))
        _log.warning(
            "condition raised" if raised else "condition cleared",
            action="condition",
            job_id=job_id,
            condition=trouble.condition,
            code=trouble.failure.code,
        )


def _same(trouble: Trouble | None, said: Trouble | None) -> bool:
    """Return whether two conditions would be said with the same words that matter: name and code."""
    if trouble is None or said is None:
        return trouble is said
    return trouble.condition == said.condition and trouble.failure.code == said.failure.code


def _internal_error(work: Work, error: Exception) -> Finish:
    message = f"The change could not be put into a request ({type(error).__name__})."
    if isinstance(error, ValueError) and str(error).endswith("correct the mapping"):
        message = str(error)
    return Finish(
        result=Result.FAILED,
        reason=message,
        steps=(),
        target_id=work.target_id,
        written=work.written,
        ambiguous=work.ambiguous,
        modified=work.command.modified,
        failure=failure(Code.INTERNAL_ERROR, message, about=work.command.object_type),
    )
