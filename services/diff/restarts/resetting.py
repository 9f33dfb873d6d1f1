"""Carries restarts out: what a job record asks to forget is compared with what was forgotten, so that a late reader misses nothing.

Scopes that concern everybody go person by person in bounded transactions, and go on where they were after a crash.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from services.diff import store
from services.diff.core import Decision, Occasion
from services.diff.groups import core
from services.diff.groups.core import GroupDecision, GroupOccasion
from services.diff.groups.group import Group
from services.diff.handlers import Handlers, rules_of
from services.diff.health.judging import Judging
from services.diff.person import Person
from services.diff.removals import cycles
from services.diff.removals.handlers import decide
from services.diff.removals.judging import CycleState
from services.diff.restarts.forgetting import forget_escrow, forget_link, look_again
from shared.contracts.assignments import CycleMark
from shared.contracts.control import ResetScope
from shared.runtime.database import Connection
from shared.runtime.jobs import Job
from shared.runtime.queries import Queries
from shared.runtime.transaction import Transaction

QUERIES = Queries("services.diff.restarts")

SWEEP: Final = "Sweep"
"""Not a scope of a restart but what follows one: after the full read everybody is looked at again."""

_OF_EVERYBODY: Final[dict[str, Callable[[Person, Occasion], Decision]]] = {
    ResetScope.CONNECTOR_DATA_STORE: forget_link,
    ResetScope.ESCROWS: forget_escrow,
    SWEEP: look_again,
}
_OF_EVERY_GROUP: Final[dict[str, Callable[[Group, GroupOccasion], GroupDecision]]] = {
    ResetScope.CONNECTOR_DATA_STORE: core.forget_link,
    ResetScope.ESCROWS: core.forget_escrow,
    SWEEP: core.look_again,
}
_ORDER: Final = (
    ResetScope.CONNECTOR_DATA_STORE,
    ResetScope.ESCROWS,
    ResetScope.QUARANTINE_STATE,
    ResetScope.FORCE_DELETES,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Resetting:
    """Carries out what restarts ask for, ``batch`` persons in one transaction."""

    handlers: Handlers
    judging: Judging
    batch: int

    async def advance(self, tx: Transaction) -> bool:
        """Do the next piece of the restarts of all jobs; return whether something was done."""
        found = [row["job_id"] for row in await tx.connection.fetch(QUERIES.jobs_with_resets)]
        jobs = await tx.jobs(found)
        done = False
        for job_id in found:
            done |= await self._advance(tx, jobs[job_id])
        return done

    async def _advance(self, tx: Transaction, job: Job) -> bool:
        rows = {row["scope"]: row for row in await tx.connection.fetch(QUERIES.lock_applied, job.job_id)}
        under_way = [scope for scope in (*_ORDER, SWEEP) if scope in rows and rows[scope]["position"] is not None]
        if under_way:
            scope = under_way[0]
            await self._go_on(tx, job, scope, rows[scope]["count"], rows[scope]["position"])
            return True
        for scope in _ORDER:
            wanted = job.resets.get(scope, 0)
            if wanted > (rows[scope]["count"] if scope in rows else 0):
                await self._begin(tx, job, scope, wanted)
                return True
        return False

    async def _begin(self, tx: Transaction, job: Job, scope: ResetScope, count: int) -> None:
        position = "" if scope in _OF_EVERYBODY else None
        await tx.connection.execute(QUERIES.begin, job.job_id, scope, count, position)
        if scope is ResetScope.QUARANTINE_STATE:
            await self.judging.lift(tx, job.job_id)
        elif scope is ResetScope.FORCE_DELETES:
            await _force(tx, job.job_id)

    async def _go_on(self, tx: Transaction, job: Job, scope: str, count: int, position: str) -> None:
        """Decide about the next persons; a removal that follows waits with all others of this pass, and is counted with them at its end."""
        cycle_id = f"{scope}.{count}"
        persons = await store.lock_after(tx.connection, job.job_id, position, self.batch)
        if not position:
            await cycles.open_pass(tx.connection, job.job_id, cycle_id, tx.now)
            await self.handlers.groups.look_at_job(tx, job.job_id, _OF_EVERY_GROUP[scope], cycle=cycle_id)
        if persons:
            await self.handlers.decide_anew(
                tx, persons, rules_of({job.job_id: job}), _OF_EVERYBODY[scope], cycle=cycle_id
            )
            position = max(object_id for _, object_id in persons)
            await tx.connection.execute(QUERIES.proceed, job.job_id, scope, position)
            return
        await tx.connection.execute(QUERIES.proceed, job.job_id, scope, None)
        await cycles.close_pass(tx, job.job_id, cycle_id, job.definition.settings.deletion_threshold)


async def _force(tx: Transaction, job_id: str) -> None:
    for row in await tx.connection.fetch(QUERIES.release_holds, job_id):
        cycle = await cycles.lock_cycle(tx.connection, job_id, row["cycle_id"])
        if cycle is not None and cycle.state in {CycleState.HELD, CycleState.REJECTED}:
            await decide(tx, cycle, CycleState.APPROVED, by=None, why="restarted with the scope ForceDeletes")


async def note_initial(connection: Connection, mark: CycleMark) -> None:
    """Note that an initial cycle is complete, and for which schema it read everybody.

    After every one but the first, everybody is looked at again: accounts whose person went away unnoticed between the lost watermark and
    the full read are found by that.
    """
    await connection.execute(QUERIES.note_initial, mark.job_id)
    await connection.execute(QUERIES.note_read, mark.job_id, mark.schema_version)


async def retry_user(connection: Connection, job_id: str, object_id: str, at: datetime) -> bool:
    """Let a failed user be tried at ``at``, with the whole schedule of attempts before it again; return whether there was one."""
    return await connection.fetchval(QUERIES.retry_users, job_id, object_id, at) is not None
