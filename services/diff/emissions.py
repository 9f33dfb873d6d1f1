"""The messages that a decision gives rise to, with ids that a repeat would have again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.wanted import Wanted
from shared.contracts.changes import Change, Operation, change_id
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import derived_id
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result, Step, StepStatus, StepType
from shared.contracts.public import EventName, ProvisionedUser, ProvisioningEvent, UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Emission:
    """A message to be published, and its event id."""

    message: Message
    event_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Something that other teams are told; ``attributes`` are SCIM paths, never values."""

    event: EventName
    operation: Operation = Operation.NONE
    attributes: tuple[str, ...] = ()
    code: str | None = None


def change_of(person: Person, wanted: Wanted, rules: Rules, *, reason: str, at: datetime) -> Emission:
    """Return the change for what was just noted in ``person.sent``."""
    assignment = person.assignment
    change = Change(
        job_id=person.job_id,
        object_type=ObjectType.USER,
        object_id=person.object_id,
        sequence=person.generation,
        generation=person.generation,
        operation=wanted.kind.operation,
        reason=reason,
        resource=wanted.resource,
        modified=wanted.modified,
        matching=wanted.matching,
        only_on_create=rules.only_on_create,
        only_if_absent=rules.only_if_absent,
        may_create=rules.creates and not wanted.only_matching,
        redacted=rules.redacted,
        target_id=person.account.target_id if person.account else None,
        # Nothing is confirmed of an account that an operator pointed the link at.
        relinked=person.account is not None and not person.account.resource,
        on_demand=assignment.request_id is not None and person.attempts == 0,
        needs_license=wanted.needs_license(rules.active_path),
        attempt=person.attempts + 1,
        assigned_at=assignment.assigned_at,
        cycle_id=assignment.cycle_id,
        decided_at=at,
    )
    return Emission(message=change, event_id=change_id(person.job_id, person.object_id, person.generation))


def skipped(person: Person, wanted: Wanted, at: datetime) -> Emission:
    """Return the outcome that tells why nothing is written for the person."""
    assignment = person.assignment
    outcome = ProvisioningOutcome(
        job_id=person.job_id,
        object_type=ObjectType.USER,
        object_id=person.object_id,
        sequence=assignment.sequence,
        generation=person.generation,
        operation=Operation.NONE,
        result=Result.SKIPPED,
        reason=wanted.reason,
        reasons=wanted.reasons,
        steps=(
            Step(
                name="EntrySynchronizationScoping",
                type=StepType.SCOPING,
                status=StepStatus.SKIPPED,
                description=wanted.reason,
            ),
        ),
        target_id=person.account.target_id if person.account else None,
        cycle_id=assignment.cycle_id,
        at=at,
    )
    return Emission(
        message=outcome, event_id=derived_id("skipped", person.job_id, person.object_id, assignment.sequence)
    )


def refused(person: Person, wanted: Wanted, code: Code, at: datetime) -> Emission:
    """Return the outcome that tells that a user failed before anything was asked of the target."""
    assignment = person.assignment
    step = Step(
        name="EntrySynchronizationMatching",
        type=StepType.MATCHING,
        status=StepStatus.FAILURE,
        description=wanted.reason,
    )
    outcome = ProvisioningOutcome(
        job_id=person.job_id,
        object_type=ObjectType.USER,
        object_id=person.object_id,
        sequence=assignment.sequence,
        generation=person.generation,
        operation=Operation.NONE,
        result=Result.FAILED,
        reason=wanted.reason,
        steps=(step,),
        failure=failure(code, wanted.reason),
        retry_at=person.next_attempt_at,
        cycle_id=assignment.cycle_id,
        at=at,
    )
    event_id = derived_id("refused", person.job_id, person.object_id, assignment.sequence, person.event_sequence)
    return Emission(message=outcome, event_id=event_id)


def publish(
    before: Person | None, after: Person, facts: Sequence[Fact], *, active_path: str, txn: str, at: datetime
) -> tuple[Person, list[Emission]]:
    """Return the public messages for the step from ``before`` to ``after``, and the person with its sequences moved on.

    Events are numbered without a gap; the user's state is told when something in it changed. ``txn`` ties the events of one flow.
    """
    emissions = []
    number = after.event_sequence
    target_id = after.account.target_id if after.account else None
    for fact in facts:
        number += 1
        event = ProvisioningEvent(
            job_id=after.job_id,
            object_type=ObjectType.USER,
            object_id=after.object_id,
            sequence=number,
            event=fact.event,
            txn=txn,
            status=after.status,
            operation=fact.operation,
            attributes=fact.attributes,
            code=fact.code,
            target_id=target_id,
            at=at,
        )
        event_id = derived_id("event", after.job_id, after.object_id, number)
        emissions.append(Emission(message=event, event_id=event_id))
    users = after.user_sequence
    # What is on its way is no state at the target.
    told = after.status is not UserStatus.PENDING
    if told and (before is None or _shown(before, active_path) != _shown(after, active_path)):
        users += 1
        user = ProvisionedUser(
            job_id=after.job_id,
            object_type=ObjectType.USER,
            object_id=after.object_id,
            sequence=users,
            status=after.status,
            active=after.is_active(active_path),
            target_id=target_id,
            code=after.reason_code,
            generation=after.generation,
            at=at,
        )
        emissions.append(Emission(message=user, event_id=derived_id("user", after.job_id, after.object_id, users)))
    if emissions:
        after = replace(after, event_sequence=number, user_sequence=users)
    return after, emissions


def _shown(person: Person, active_path: str) -> tuple[object, ...]:
    target_id = person.account.target_id if person.account else None
    return (person.status, person.is_active(active_path), target_id, person.reason_code, person.generation)
