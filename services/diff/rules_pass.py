"""The pass over everybody of a job whose rules changed: the directory need not say them again. One process of the service does it.

How far it is stands in ``rules_pass``, in the transaction of each batch: after a crash it goes on where it was.
"""

from functools import partial

from services.diff import store
from services.diff.core import rules_changed
from services.diff.groups.core import look_again
from services.diff.handlers import Handlers
from services.diff.job_rules import job_rules
from services.diff.removals import cycles
from services.diff.store import QUERIES
from shared.runtime.crashpoints import crash_point
from shared.runtime.frame import Frame
from shared.runtime.jobs import Job
from shared.runtime.leased_loop import leased
from shared.runtime.leases import Lease
from shared.runtime.log import logger
from shared.runtime.service import Background
from shared.runtime.transaction import Transaction

LEASE = "diff/rules"
NAP_SECONDS = 1.0
_log = logger(__name__)


def rules_pass(handlers: Handlers) -> Background:
    """Return the loop that decides anew wherever the rules changed, while this process holds the lease."""

    return leased(LEASE, partial(_serve, handlers))


async def _serve(handlers: Handlers, frame: Frame, lease: Lease) -> None:
    decided: dict[str, str] = {}
    while not frame.stopping.is_set():
        for job in await frame.list_jobs():
            if job.active and decided.get(job.job_id) != job_rules(job).fingerprint:
                await _pass(frame, handlers, lease, job, decided)
        frame.health.beat(LEASE)
        lease.check()
        await frame.pause(NAP_SECONDS)


async def _pass(frame: Frame, handlers: Handlers, lease: Lease, job: Job, decided: dict[str, str]) -> None:
    """Go over everybody of one job, a batch in each transaction."""
    more = True
    while more and not frame.stopping.is_set():
        frame.health.beat(LEASE)
        lease.check()
        async with frame.transaction() as tx:
            await lease.fence(tx.connection)
            rules, more = await decide_batch(tx, handlers, job.job_id)
            await tx.flush()
            crash_point("diff.rules.before_commit")
        frame.health.arrived(LEASE)
    if not more and rules is not None:
        decided[job.job_id] = rules


async def decide_batch(tx: Transaction, handlers: Handlers, job_id: str) -> tuple[str | None, bool]:
    """Decide about the next persons by the rules that the job has now; return these rules' fingerprint, and whether more are to follow.

    A new schema waits for the initial cycle that reads its attributes. Removals that follow wait with all others of the pass, and are
    counted with them at its end, as those of a cycle are.
    """
    job = (await tx.jobs({job_id}))[job_id]
    if not job.active:
        return None, False
    if job.schema_version > await tx.connection.fetchval(QUERIES.read_schema_version, job_id):
        # An attribute that nobody has read yet looks empty, and a filter on it would put everybody out: the initial cycle comes first.
        return None, False
    rules, threshold = job_rules(job), job.definition.settings.deletion_threshold
    row = await tx.connection.fetchrow(QUERIES.lock_rules_pass, job_id)
    begins = row is None or row["rules"] != rules.fingerprint
    if row is not None and row["done_up_to"] is None and not begins:
        return rules.fingerprint, False
    number = row["passes"] if row is not None else 0
    if begins:
        if row is not None and row["done_up_to"] is not None:
            await cycles.close_pass(tx, job_id, _cycle_id(number), threshold)  # newer rules end it before its time
        number += 1
        _log.info("rules changed", action="rules_pass", job_id=job_id, reason="everybody is decided about anew")
    after = "" if begins or row is None else row["done_up_to"]
    persons = await store.lock_after(tx.connection, job_id, after, handlers.retry_batch)
    if begins:
        await cycles.open_pass(tx.connection, job_id, _cycle_id(number), tx.now)
        await handlers.groups.look_at_job(tx, job_id, look_again, cycle=_cycle_id(number))
    await handlers.decide_anew(tx, persons, {job_id: rules}, rules_changed, cycle=_cycle_id(number))
    last = max(object_id for _, object_id in persons) if len(persons) == handlers.retry_batch else None
    if last is None:
        await cycles.close_pass(tx, job_id, _cycle_id(number), threshold)
    await tx.connection.execute(QUERIES.save_rules_pass, job_id, rules.fingerprint, number, last)
    return rules.fingerprint, last is not None


def _cycle_id(number: int) -> str:
    return f"Rules.{number}"
