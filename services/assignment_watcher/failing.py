"""What is said when a cycle failed, and when it goes well again: a condition of the job, once, and a fact now and then."""

from datetime import timedelta
from typing import Final

from services.assignment_watcher import facts
from services.assignment_watcher.queries import QUERIES
from services.assignment_watcher.sources.source import Source, SourceError
from services.assignment_watcher.state import say_state
from services.assignment_watcher.store import Watch
from shared.contracts.assignments import CycleKind
from shared.contracts.outcomes import ConditionState, CyclePhase
from shared.runtime.transaction import Transaction

REPORT_EVERY: Final = timedelta(minutes=1)
"""How often a cycle without changes, or one that fails as before, is reported."""


def clear_condition(tx: Transaction, watch: Watch) -> int:
    """Say that the condition of the job is over, if there is one; return the sequence of the last thing said about conditions."""
    if watch.condition is None:
        return watch.condition_sequence
    sequence = watch.condition_sequence + 1
    facts.condition(tx, watch.job_id, watch.condition, sequence=sequence, state=ConditionState.CLEARED)
    return sequence


async def report_failure(
    tx: Transaction, watch: Watch, said: facts.CycleMessages, error: SourceError, source: Source
) -> None:
    """Say that a cycle failed, and raise its condition; said once, and then at most once a minute while it goes on."""
    sequence, news = watch.condition_sequence, watch.condition != error.condition
    if news:
        sequence = clear_condition(tx, watch) + 1
        facts.condition(
            tx, watch.job_id, error.condition, sequence=sequence, state=ConditionState.RAISED, failure=error.failure
        )
    reported = None
    recent = watch.reported_at is not None and tx.now - watch.reported_at < REPORT_EVERY
    if news or said.kind is CycleKind.INITIAL or not recent:
        said.fact(tx, CyclePhase.FAILED, failure=error.failure)
        await say_state(tx, watch, source, source.traffic.take(), reason=error.failure.message)
        reported = tx.now
    await tx.connection.execute(QUERIES.fail_watch, watch.job_id, watch.round, reported, error.condition, sequence)
