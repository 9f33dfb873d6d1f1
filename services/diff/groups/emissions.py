"""The messages that a decision about a group gives rise to, with ids that a repeat would have again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.diff.emissions import Emission, Fact
from services.diff.groups.group import Group
from services.diff.wanted import Wanted
from shared.contracts.changes import Change, MatchingValue, ModifiedAttribute, Operation, change_id
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result, Step, StepStatus, StepType
from shared.contracts.public import ProvisioningEvent


def change_of(
    group: Group,
    *,
    reason: str,
    attempt: int,
    at: datetime,
    modified: tuple[ModifiedAttribute, ...] = (),
    matching: tuple[MatchingValue, ...] = (),
    members: tuple[str, ...] = (),
    redacted: tuple[str, ...] = (),
) -> Emission:
    """Return the change for what was just noted in ``group.sent``. A group takes no license."""
    assert group.sent is not None, "what is sent is noted first"
    change = Change(
        job_id=group.job_id,
        object_type=ObjectType.GROUP,
        object_id=group.object_id,
        sequence=group.generation,
        generation=group.generation,
        operation=group.sent.operation,
        reason=reason,
        resource=group.sent.resource,
        modified=modified,
        matching=matching,
        members=members,
        redacted=redacted,
        target_id=group.link.target_id if group.link else None,
        needs_license=False,
        attempt=attempt,
        assigned_at=group.assignment.assigned_at,
        cycle_id=group.assignment.cycle_id,
        decided_at=at,
    )
    return Emission(message=change, event_id=change_id(group.job_id, group.object_id, group.generation))


def skipped(group: Group, wanted: Wanted, at: datetime) -> Emission:
    """Return the outcome that tells why nothing is written for the group."""
    step = Step(
        name="EntrySynchronizationScoping",
        type=StepType.SCOPING,
        status=StepStatus.SKIPPED,
        description=wanted.reason,
    )
    told = _outcome(group, Result.SKIPPED, wanted.reason, at).model_copy(
        update={"reasons": wanted.reasons, "steps": (step,)}
    )
    return Emission(
        message=told, event_id=derived_id("skipped", group.job_id, group.object_id, group.assignment.sequence)
    )


def refused(group: Group, wanted: Wanted, code: Code, at: datetime) -> Emission:
    """Return the outcome that tells that a group failed before anything was asked of the target."""
    step = Step(
        name="EntrySynchronizationMatching",
        type=StepType.MATCHING,
        status=StepStatus.FAILURE,
        description=wanted.reason,
    )
    told = _outcome(group, Result.FAILED, wanted.reason, at).model_copy(
        update={
            "steps": (step,),
            "failure": failure(code, wanted.reason, about=ObjectType.GROUP),
            "retry_at": group.next_attempt_at,
        }
    )
    event_id = derived_id("refused", group.job_id, group.object_id, group.assignment.sequence, group.event_sequence)
    return Emission(message=told, event_id=event_id)


def _outcome(group: Group, result: Result, reason: str, at: datetime) -> ProvisioningOutcome:
    return ProvisioningOutcome(
        job_id=group.job_id,
        object_type=ObjectType.GROUP,
        object_id=group.object_id,
        sequence=group.assignment.sequence,
        generation=group.generation,
        operation=Operation.NONE,
        result=result,
        reason=reason,
        target_id=group.link.target_id if group.link else None,
        cycle_id=group.assignment.cycle_id,
        at=at,
    )


def publish(group: Group, facts: Sequence[Fact], *, txn: str, at: datetime) -> tuple[Group, list[Emission]]:
    """Return the public events for what happened, and the group with its sequence moved on: they are numbered without a gap.

    Only ``provisioning.events.v1`` tells of groups: ``provisioning.users.v1`` is about users alone.
    """
    emissions = []
    number = group.event_sequence
    for fact in facts:
        number += 1
        event = ProvisioningEvent(
            job_id=group.job_id,
            object_type=ObjectType.GROUP,
            object_id=group.object_id,
            sequence=number,
            event=fact.event,
            txn=txn,
            status=group.status,
            operation=fact.operation,
            attributes=fact.attributes,
            code=fact.code,
            target_id=group.link.target_id if group.link else None,
            at=at,
        )
        emissions.append(Emission(message=event, event_id=derived_id("event", group.job_id, group.object_id, number)))
    return replace(group, event_sequence=number) if emissions else group, emissions
