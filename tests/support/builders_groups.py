"""Values for the tests of groups in diff."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from services.diff.groups.core import GroupDecision, GroupOccasion
from services.diff.groups.rules import GroupRules
from shared.contracts.assignments import AppRole, AssignmentPath, CycleKind, DirectoryAssignment, Lifecycle
from shared.contracts.changes import Change
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.public import ProvisioningEvent
from shared.contracts.synchronization_schema import ObjectFlow
from shared.contracts.templates import TEMPLATES
from shared.schema.compiling import template_default
from tests.support.builders_diff import AT, BACKOFF, JOB, TEMPLATE, USER_ROLE, definition, outcome

GROUP = "group-1"
GATHERING = timedelta(seconds=1)


def group_rules(*, mapped: bool = True, without: frozenset[ObjectFlow] = frozenset(), **settings: Any) -> GroupRules:
    """The rules of the template's groups, without some of the target object actions."""
    mapping = template_default(TEMPLATE).groups
    assert mapping is not None
    mapping = replace(mapping, flows=mapping.flows - without)
    return GroupRules.of(definition(**settings).settings, TEMPLATES[TEMPLATE], mapping if mapped else None)


def group_occasion(rules: GroupRules | None = None, *, at: datetime = AT, **more: Any) -> GroupOccasion:
    return GroupOccasion(
        rules=rules or group_rules(), backoff=BACKOFF, at=at, txn="flow-1", gathering=GATHERING, **more
    )


def group_assignment(
    sequence: int = 1,
    *,
    assigned: bool = True,
    name: str | None = "Sales",
    roles: tuple[AppRole, ...] | None = None,
    lifecycle: Lifecycle = Lifecycle.LIVE,
    job_id: str = JOB,
    object_id: str = GROUP,
    cycle_id: str = "cycle-1",
    **attributes: Any,
) -> DirectoryAssignment:
    if roles is None:
        roles = (USER_ROLE,) if assigned else ()
    return DirectoryAssignment(
        job_id=job_id,
        object_type=ObjectType.GROUP,
        object_id=object_id,
        sequence=sequence,
        cycle_id=cycle_id,
        cycle_kind=CycleKind.INCREMENTAL,
        assigned=assigned,
        roles=roles,
        lifecycle=lifecycle,
        attributes={"id": object_id, "securityEnabled": True, "displayName": name, **attributes},
        assigned_at=AT,
        observed_at=AT,
    )


def path(group_id: str | None = GROUP, *, nested: bool = False) -> AssignmentPath:
    """A way by which a user is assigned."""
    return AssignmentPath(
        assignment_id=f"assignment of {group_id}",
        role_id=USER_ROLE.id,
        group_id=group_id,
        nested=nested,
        assigned_at=AT,
    )


def group_outcome(change: Change, result: Result = Result.DONE, **changed: Any) -> ProvisioningOutcome:
    """What a writer says of a change of a group."""
    succeeded = result in {Result.DONE, Result.ADOPTED}
    target_id = (change.target_id or f"target of {change.object_id}") if succeeded else None
    values = {"object_type": ObjectType.GROUP, "target_id": target_id, "at": change.decided_at}
    return outcome(change, result, **(values | changed))


def group_changes(decision: GroupDecision) -> list[Change]:
    return [item.message for item in decision.emissions if isinstance(item.message, Change)]


def group_change(decision: GroupDecision) -> Change:
    """The one change that a decision emits."""
    found = group_changes(decision)
    assert len(found) == 1, decision
    return found[0]


def group_events(decision: GroupDecision) -> list[ProvisioningEvent]:
    return [item.message for item in decision.emissions if isinstance(item.message, ProvisioningEvent)]
