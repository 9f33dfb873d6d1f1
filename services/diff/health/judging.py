"""Keeps the health of jobs: what the writer says of the credentials, and the loop's part that folds the counts and judges them."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from services.diff.health import store
from services.diff.health.quarantine import (
    ADVICE,
    EXPIRED_ADVICE,
    Policy,
    Quarantine,
    QuarantineReason,
    Step,
    lifted,
    step,
)
from services.diff.health.store import Stored
from services.diff.health.tally import NOTHING, Tally
from services.diff.removals.cycles import runs_initial
from shared.contracts.ids import JOB_OBJECT, derived_id
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, Failure, JobCondition
from shared.runtime.log import logger
from shared.runtime.transaction import Received, Transaction

_log = logger(__name__)

CONDITION: Final = "quarantine"
_REFUSED: Final = "targetCredentials"
_SAID_BY: Final = "/seatkeeper/scim-writer"


@dataclass(frozen=True, slots=True, kw_only=True)
class Judging:
    """Judges jobs by ``policy``; in quarantine at most ``probe_users`` failed users are tried at a time."""

    policy: Policy
    probe_users: int

    async def conditions(self, tx: Transaction, received: Sequence[Received[JobCondition]]) -> None:
        """Note whether targets refuse the credentials; an older word that comes late changes nothing."""
        newest: dict[str, JobCondition] = {}
        for item in received:
            fact = item.message
            if fact.condition != _REFUSED or item.envelope.source != _SAID_BY:
                continue
            known = newest.get(fact.job_id)
            if known is None or known.sequence < fact.sequence:
                newest[fact.job_id] = fact
        for job_id in sorted(newest):
            fact, known_health = newest[job_id], await store.lock(tx.connection, job_id)
            if known_health.heard < fact.sequence:
                refused = fact.state is ConditionState.RAISED
                heard = replace(known_health, heard=fact.sequence, health=replace(known_health.health, refused=refused))
                await self._take(tx, job_id, heard, step(heard.health, tx.now, self.policy))

    async def judge(self, tx: Transaction) -> None:
        """Fold in what batches noted, and judge every job that changed or is in quarantine."""
        changed = await store.take_deltas(tx.connection)
        for job_id in sorted({*changed, *await store.quarantined_jobs(tx.connection)}):
            known = await store.lock(tx.connection, job_id)
            delta = changed.get(job_id, NOTHING)
            health = replace(known.health, tally=replace(known.health.tally + delta, recovered=0))
            initial = await runs_initial(tx.connection, job_id)
            following = step(health, tx.now, self.policy, recovered=delta.recovered, initial=initial)
            await self._take(tx, job_id, replace(known, health=health), following)

    async def lift(self, tx: Transaction, job_id: str) -> None:
        """End the quarantine of a job because an operator wants so."""
        known = await store.lock(tx.connection, job_id)
        await self._take(tx, job_id, known, lifted(known.health, tx.now, self.policy))

    async def _take(self, tx: Transaction, job_id: str, known: Stored, following: Step) -> None:
        said = known.said
        if following.raised or following.cleared:
            said += 1
            _say(tx, job_id, said, following)
        await store.save(tx.connection, job_id, replace(known, health=following.health, said=said))
        if following.probes:
            await store.try_failed(tx.connection, job_id, tx.now, self.probe_users)


def _say(tx: Transaction, job_id: str, sequence: int, following: Step) -> None:
    quarantine = following.health.quarantine
    condition = JobCondition(
        job_id=job_id,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=sequence,
        condition=CONDITION,
        state=ConditionState.CLEARED if quarantine is None else ConditionState.RAISED,
        failure=_failure(quarantine, following.health.tally) if quarantine else None,
        at=tx.now,
    )
    tx.emit(condition, event_id=derived_id("condition", job_id, CONDITION, sequence))
    reason = quarantine.reason if quarantine else None
    _log.warning("quarantine", action="quarantine", job_id=job_id, state=condition.state, reason=reason)


def _failure(quarantine: Quarantine, tally: Tally) -> Failure:
    """Return what is told of a quarantine; the code is the word of Microsoft Graph for its reason."""
    failed = f"{tally.failing + tally.references} failed and {tally.ok} did not"
    why = "The target refuses the secret token" if quarantine.reason is QuarantineReason.EXCEPTION else failed
    if quarantine.expired:
        since = f"{quarantine.series_began_at:%Y-%m-%d}"
        message = f"The job has been in quarantine since {since}, and what failed is not tried any more: {why}."
        return Failure(code=quarantine.reason, message=message, advice=EXPIRED_ADVICE)
    message = f"The job is in quarantine, and what failed is tried seldom: {why}. Changes of the directory go on being written."
    return Failure(code=quarantine.reason, message=message, advice=ADVICE[quarantine.reason])
