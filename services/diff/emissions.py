"""The messages that a decision gives rise to, with ids that a repeat would have again."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from services.diff.groups.group import Group
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
        target_id=person.target_id,
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


def skipped(subject: Person | Group, wanted: Wanted, at: datetime) -> Emission:
    """Return the outcome that tells why nothing is written for the user or group."""
    told = _without_writing(subject, Result.SKIPPED, _SCOPING, wanted, at)
    event_id = derived_id("skipped", subject.job_id, subject.object_id, subject.assignment.sequence)
    return Emission(message=told.model_copy(update={"reasons": wanted.reasons}), event_id=event_id)


def refused(subject: Person | Group, wanted: Wanted, code: Code, at: datetime) -> Emission:
    """Return the outcome that tells that a user or group failed before anything was asked of the target."""
    assignment = subject.assignment
    told = _without_writing(subject, Result.FAILED, _MATCHING, wanted, at).model_copy(
        update={
            "failure": failure(code, wanted.reason, about=assignment.object_type),
            "retry_at": subject.next_attempt_at,
        }
    )
    event_id = derived_id("refused", subject.job_id, subject.object_id, assignment.sequence, subject.event_sequence)
    return Emission(message=told, event_id=event_id)


_SCOPING = ("EntrySynchronizationScoping", StepType.SCOPING, StepStatus.SKIPPED)
_MATCHING = ("EntrySynchronizationMatching", StepType.MATCHING, StepStatus.FAILURE)


def _without_writing(
    subject: Person | Group, result: Result, ended_at: tuple[str, StepType, StepStatus], wanted: Wanted, at: datetime
) -> ProvisioningOutcome:
    name, step, status = ended_at
    assignment = subject.assignment
    return ProvisioningOutcome(
        job_id=subject.job_id,
        object_type=assignment.object_type,
        object_id=subject.object_id,
        sequence=assignment.sequence,
        generation=subject.generation,
        operation=Operation.NONE,
        result=result,
        reason=wanted.reason,
        steps=(Step(name=name, type=step, status=status, description=wanted.reason),),
        target_id=subject.target_id,
        cycle_id=assignment.cycle_id,
        at=at,
    )


def events_of(subject: Person | Group, facts: Sequence[Fact], *, txn: str, at: datetime) -> list[Emission]:
    """Return the public events for what happened, numbered without a gap behind those that were told of the user or group.

    ``txn`` ties the events of one flow.
    """
    emissions = []
    for number, fact in enumerate(facts, start=subject.event_sequence + 1):
        event = ProvisioningEvent(
            job_id=subject.job_id,
            object_type=subject.assignment.object_type,
            object_id=subject.object_id,
            sequence=number,
            event=fact.event,
            txn=txn,
            status=subject.status,
            operation=fact.operation,
            attributes=fact.attributes,
            code=fact.code,
            target_id=subject.target_id,
            at=at,
        )
        event_id = derived_id("event", subject.job_id, subject.object_id, number)
        emissions.append(Emission(message=event, event_id=event_id))
    return emissions


def publish(
    before: Person | None, after: Person, facts: Sequence[Fact], *, active_path: str, txn: str, at: datetime
) -> tuple[Person, list[Emission]]:
    """Return the public messages for the step from ``before`` to ``after``, and the person with its sequences moved on.

    Beside the events, the user's state is told when something in it changed.
    """
    emissions = events_of(after, facts, txn=txn, at=at)
    number = after.event_sequence + len(facts)
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
            target_id=after.target_id,
            code=after.reason_code,
            generation=after.generation,
            at=at,
        )
        emissions.append(Emission(message=user, event_id=derived_id("user", after.job_id, after.object_id, users)))
    if emissions:
        after = replace(after, event_sequence=number, user_sequence=users)
    return after, emissions


def _shown(person: Person, active_path: str) -> tuple[object, ...]:
    return (person.status, person.is_active(active_path), person.target_id, person.reason_code, person.generation)
