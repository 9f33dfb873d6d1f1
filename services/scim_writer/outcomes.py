"""The messages that scim-writer says: an outcome for each generation, a condition for the whole of a job. Pure."""

from datetime import datetime
from typing import Final
from uuid import UUID

from services.scim_writer.trail import Finish
from shared.contracts.changes import Command, ModifiedAttribute, redact
from shared.contracts.cloudevents import Envelope
from shared.contracts.ids import JOB_OBJECT, derived_id
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import (
    ConditionState,
    Failure,
    JobCondition,
    ProvisioningOutcome,
    Result,
)

_NO_ID: Final = UUID(int=0)


def outcome_id(outcome: ProvisioningOutcome) -> UUID:
    """Return the event id of an outcome: one for each generation and result of an object."""
    return derived_id("outcome", outcome.job_id, outcome.object_id, outcome.generation, outcome.result)


def cause_of(command: Command, correlation_id: str, traceparent: str | None, at: datetime) -> Envelope:
    """Return what ties an outcome to a command that was kept: its correlation id and trace. The id of the command is not kept."""
    return Envelope(
        id=_NO_ID,
        source="/seatkeeper/license-allocator",
        type=Command.type,
        subject=command.key,
        time=at,
        sequence=command.sequence,
        correlation_id=correlation_id,
        traceparent=traceparent,
    )


def outcome_of(command: Command, finish: Finish, *, duration_ms: int, at: datetime) -> ProvisioningOutcome:
    """Return what became of a command that was executed."""
    return ProvisioningOutcome(
        job_id=command.job_id,
        object_type=command.object_type,
        object_id=command.object_id,
        sequence=command.generation,
        generation=command.generation,
        operation=command.operation,
        result=finish.result,
        reason=finish.reason,
        steps=finish.steps,
        modified=_shown(finish.modified, command.redacted),
        resource=finish.resource,
        redacted=command.redacted,
        target_id=finish.target_id,
        refused_members=finish.refused_members,
        failure=finish.failure,
        attempt=command.attempt,
        license=command.license,
        cycle_id=command.cycle_id,
        duration_ms=duration_ms,
        at=at,
    )


def _shown(modified: tuple[ModifiedAttribute, ...], redacted: tuple[str, ...]) -> tuple[ModifiedAttribute, ...]:
    """Return what was modified as people see it."""
    if not redacted:
        return modified
    return tuple(
        ModifiedAttribute(path=item.path, old=redact(item.old), new=redact(item.new)) if item.path in redacted else item
        for item in modified
    )


def superseded(command: Command, *, at: datetime) -> ProvisioningOutcome:
    """Return the outcome of a command whose place a newer generation took."""
    return ProvisioningOutcome(
        job_id=command.job_id,
        object_type=command.object_type,
        object_id=command.object_id,
        sequence=command.generation,
        generation=command.generation,
        operation=command.operation,
        result=Result.SUPERSEDED,
        reason="A newer generation took its place before it was carried out.",
        attempt=command.attempt,
        license=command.license,
        cycle_id=command.cycle_id,
        at=at,
    )


def condition_id(job_id: str, sequence: int) -> UUID:
    """Return the event id of one saying of a condition."""
    return derived_id("condition", "scim-writer", job_id, sequence)


def condition_of(
    job_id: str, name: str, *, raised: bool, sequence: int, failure: Failure | None, at: datetime
) -> JobCondition:
    """Return the message that raises or clears a condition of a job."""
    return JobCondition(
        job_id=job_id,
        object_type=ObjectType.JOB,
        object_id=JOB_OBJECT,
        sequence=sequence,
        condition=name,
        state=ConditionState.RAISED if raised else ConditionState.CLEARED,
        failure=failure,
        at=at,
    )
