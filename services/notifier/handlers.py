"""What notifier does with each message type: note what fails and what has recovered."""

from collections.abc import Sequence

from services.notifier import store
from services.notifier.core import Kind, Occurrence, fold
from shared.contracts.changes import Operation
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ConditionState, JobCondition, ProvisioningOutcome, Result
from shared.runtime.transaction import Received, Transaction

_RECOVERIES = frozenset({Result.DONE, Result.ADOPTED, Result.WITHDRAWN})


async def on_outcomes(tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
    """Note users and groups that failed, and forget failures of those that succeeded or are no longer wanted."""
    await _save(tx, [_of_outcome(item.message) for item in received])


async def on_conditions(tx: Transaction, received: Sequence[Received[JobCondition]]) -> None:
    """Note conditions of whole jobs that were raised, and forget those that were cleared."""
    await _save(tx, [_of_condition(item.message) for item in received])


async def _save(tx: Transaction, occurrences: Sequence[Occurrence | None]) -> None:
    relevant = [item for item in occurrences if item is not None]
    if relevant:
        await store.save_occurrences(tx.connection, fold(relevant), tx.now)


def _of_outcome(outcome: ProvisioningOutcome) -> Occurrence | None:
    if outcome.operation is Operation.COMPARE:
        return None  # it changed nothing at the target: whoever failed before is not well by it
    failed = outcome.result is Result.FAILED and outcome.failure is not None
    if not failed and outcome.result not in _RECOVERIES:
        return None
    return Occurrence(
        job_id=outcome.job_id,
        kind=Kind.GROUPS if outcome.object_type is ObjectType.GROUP else Kind.USERS,
        subject=outcome.object_id,
        generation=outcome.generation,
        failure=outcome.failure if failed else None,
        at=outcome.at,
    )


def _of_condition(condition: JobCondition) -> Occurrence | None:
    raised = condition.state is ConditionState.RAISED
    if raised and condition.failure is None:
        return None
    return Occurrence(
        job_id=condition.job_id,
        kind=Kind.JOB,
        subject=condition.condition,
        generation=condition.sequence,
        failure=condition.failure if raised else None,
        at=condition.at,
    )
