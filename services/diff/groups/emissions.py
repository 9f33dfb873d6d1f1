"""The messages that a decision about a group gives rise to, with ids that a repeat would have again."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from services.diff.emissions import Emission, Fact, events_of
from services.diff.groups.group import Group
from shared.contracts.changes import Change, MatchingValue, ModifiedAttribute, change_id
from shared.contracts.message import ObjectType


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
        target_id=group.target_id,
        needs_license=False,
        attempt=attempt,
        assigned_at=group.assignment.assigned_at,
        cycle_id=group.assignment.cycle_id,
        decided_at=at,
    )
    return Emission(message=change, event_id=change_id(group.job_id, group.object_id, group.generation))


def publish(group: Group, facts: Sequence[Fact], *, txn: str, at: datetime) -> tuple[Group, list[Emission]]:
    """Return the public events for what happened, and the group with its sequence moved on.

    Only ``provisioning.events.v1`` tells of groups: ``provisioning.users.v1`` is about users alone.
    """
    if not facts:
        return group, []
    return replace(group, event_sequence=group.event_sequence + len(facts)), events_of(group, facts, txn=txn, at=at)
