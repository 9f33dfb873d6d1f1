"""Settling: what became of the claimed rows is written, and said, in one transaction."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.scim_writer import store
from services.scim_writer.backoff import delay
from services.scim_writer.intake import State
from services.scim_writer.metrics import REPEATS, WRITES
from services.scim_writer.outcomes import cause_of, outcome_id, outcome_of, superseded
from services.scim_writer.settings import ScimWriterSettings
from services.scim_writer.store import ClaimedRow, RowResult
from services.scim_writer.trail import Finish, uncertain
from shared.contracts.changes import Command
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.runtime.transaction import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A claimed row whose plan ended; ``finish`` is None when it was turned away before it could change anything."""

    row: ClaimedRow
    command: Command
    finish: Finish | None
    duration_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fate:
    """Settled when there is nothing to wait for, else tried again after ``delay_seconds``."""

    again: bool
    tries: int
    delay_seconds: float = 0.0


async def write_results(tx: Transaction, settings: ScimWriterSettings, job_id: str, batch: Sequence[Ended]) -> bool:
    """Write the results of rows in flight and emit their outcomes; return whether some rows are ready again at once.

    A row that another process has taken over since is left alone; the caller's fence makes that impossible while the lease is held.
    """
    locked = await store.lock_in_flight(tx.connection, job_id, [ended.row.object_id for ended in batch])
    results: list[RowResult] = []
    more = False
    for ended in batch:
        generation, has_next = locked.get(ended.row.object_id, (None, False))
        if generation != ended.row.generation:
            continue
        fate = _fate(ended, settings)
        outcome = _outcome(ended, fate, has_next=has_next, tx=tx)
        if outcome is not None:
            cause = cause_of(ended.command, ended.row.correlation_id, ended.row.traceparent, tx.now)
            tx.emit(outcome, event_id=outcome_id(outcome), cause=cause)
            WRITES.labels(outcome.operation, outcome.result).inc()
        results.append(_result(ended, fate))
        more = more or has_next or (fate.again and fate.delay_seconds == 0)
    await store.settle(tx.connection, job_id, results)
    return more


async def take_over(tx: Transaction, job_id: str) -> None:
    """Take on the rows that a process left in flight: whether their writes were carried out is unknown."""
    written: dict[str, dict[str, str]] = {}
    for row in await store.lock_left(tx.connection, job_id):
        command = Command.model_validate_json(row.command)
        written[row.object_id] = uncertain(command, row.written)
        if row.has_next:
            outcome = superseded(command, at=tx.now)
            tx.emit(
                outcome,
                event_id=outcome_id(outcome),
                cause=cause_of(command, row.correlation_id, row.traceparent, tx.now),
            )
            WRITES.labels(outcome.operation, outcome.result).inc()
    if written:
        await store.take_over(tx.connection, job_id, written)


def _fate(ended: Ended, settings: ScimWriterSettings) -> _Fate:
    """Say whether the row is settled. Only tries that the target answered badly count, not those that were turned away here."""
    finish, row = ended.finish, ended.row
    if finish is None or finish.result is Result.STOP:
        return _Fate(again=True, tries=row.tries - 1)
    if finish.result is not Result.RETRY_LATER or row.tries >= settings.scim_writer_max_attempts:
        return _Fate(again=False, tries=row.tries)
    REPEATS.labels(finish.failure.code if finish.failure is not None else "").inc()
    wait = delay(
        row.tries,
        f"{row.object_id}/{row.generation}",
        first=settings.scim_writer_first_retry_seconds,
        longest=settings.scim_writer_longest_retry_seconds,
    )
    return _Fate(again=True, tries=row.tries, delay_seconds=max(wait, finish.wait or 0.0))


def _outcome(ended: Ended, fate: _Fate, *, has_next: bool, tx: Transaction) -> ProvisioningOutcome | None:
    if not fate.again and ended.finish is not None:
        return outcome_of(ended.command, ended.finish, duration_ms=ended.duration_ms, at=tx.now)
    return superseded(ended.command, at=tx.now) if has_next else None


def _result(ended: Ended, fate: _Fate) -> RowResult:
    finish, row = ended.finish, ended.row
    return RowResult(
        object_id=row.object_id,
        state=State.READY if fate.again else State.SETTLED,
        tries=fate.tries,
        delay_seconds=fate.delay_seconds,
        ambiguous=finish.ambiguous if finish is not None else row.ambiguous,
        target_id=finish.target_id if finish is not None else row.target_id,
        written=dict(finish.written if finish is not None else row.written),
    )
