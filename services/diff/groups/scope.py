"""Which groups are to be provisioned: the scope conditions of Microsoft Entra for groups, each failed one with a sentence that says why."""

from collections.abc import Mapping
from typing import Any, Final

from services.diff.groups.rules import GroupRules
from services.diff.scope import (
    ACTIVE,
    ASSIGNED,
    BELONGS,
    DEFAULT_ACCESS,
    FILTERED,
    IN_SCOPE,
    READ,
    FailedCondition,
    Scope,
    SkipCode,
    Standing,
    is_default_access,
)
from shared.contracts.assignments import DirectoryAssignment, Lifecycle
from shared.schema.filters import CompiledFilter, FilterEvaluationError
from shared.schema.options import Event

ENTITLED: Final = "Group has the required role"


def decide_scope(
    assignment: DirectoryAssignment, record: Mapping[str, Any], rules: GroupRules, filters: CompiledFilter
) -> Scope:
    """Return whether the group is to be provisioned; ``record`` is the source object as ``filters`` read it."""
    alone = _left_alone(record, filters)
    if alone is not None:
        return Scope(standing=Standing.IGNORED, failed=(alone,))
    kept_out = (_assigned(assignment), _entitled(assignment, rules))
    filtered, told = _filtered(record, filters)
    inactive = _active(assignment)
    failed = tuple(condition for condition in (*kept_out, filtered, inactive) if condition is not None)
    if not failed:
        return IN_SCOPE
    certain = any(kept_out)
    if not certain and (assignment.lifecycle is Lifecycle.UNKNOWN or (not told and inactive is None)):
        return Scope(standing=Standing.UNTOLD, failed=failed)
    return Scope(standing=Standing.OUT, failed=failed, event=_event(assignment, certain=certain))


def _event(assignment: DirectoryAssignment, *, certain: bool) -> Event:
    """Return the gravest event that holds, as for users."""
    if assignment.lifecycle is Lifecycle.HARD_DELETED:
        return Event.HARD_DELETED
    if assignment.lifecycle is Lifecycle.SOFT_DELETED:
        return Event.SOFT_DELETED
    return Event.UNASSIGNED if certain else Event.FILTERED_OUT


def _left_alone(record: Mapping[str, Any], filters: CompiledFilter) -> FailedCondition | None:
    for groups, name in ((filters.input, READ), (filters.category, BELONGS)):
        if not groups:
            continue
        try:
            result = groups.evaluate(record)
        except FilterEvaluationError as error:
            return FailedCondition(name=name, code=SkipCode.IMPORT_SKIPPED, reason=str(error))
        if not result.passed:
            reason = f"{'; '.join(result.failed)} does not hold; the group is left as it is"
            return FailedCondition(name=name, code=SkipCode.IMPORT_SKIPPED, reason=reason)
    return None


def _assigned(assignment: DirectoryAssignment) -> FailedCondition | None:
    if assignment.assigned:
        return None
    reason = "the group is not assigned"
    if assignment.attributes.get("securityEnabled") is False:
        reason = "the group is not security-enabled, and such a group assigns nobody"
    return FailedCondition(name=ASSIGNED, code=SkipCode.OUT_OF_SCOPE, reason=reason)


def _entitled(assignment: DirectoryAssignment, rules: GroupRules) -> FailedCondition | None:
    roles, required = assignment.roles, rules.required_roles
    held = [role for role in roles if not (rules.exclude_default_access and is_default_access(role))]
    if held and (not required or any(role.value in required or role.display_name in required for role in held)):
        return None
    has = "another role" if held else f"only {DEFAULT_ACCESS}" if roles else "no role"
    reason = f"holds {has}; assign the role {' or '.join(required) or 'of the application'}"
    return FailedCondition(name=ENTITLED, code=SkipCode.NOT_EFFECTIVELY_ENTITLED, reason=reason)


def _filtered(record: Mapping[str, Any], filters: CompiledFilter) -> tuple[FailedCondition | None, bool]:
    """Return what the scoping filter has against the group, and whether that could be found out."""
    if not filters.scope:
        return None, True
    try:
        result = filters.scope.evaluate(record)
    except FilterEvaluationError as error:
        return FailedCondition(name=FILTERED, code=SkipCode.OUT_OF_SCOPE, reason=str(error)), False
    if result.passed:
        return None, True
    reason = f"{'; '.join(result.failed)} does not hold"
    return FailedCondition(name=FILTERED, code=SkipCode.OUT_OF_SCOPE, reason=reason), True


def _active(assignment: DirectoryAssignment) -> FailedCondition | None:
    match assignment.lifecycle:
        case Lifecycle.SOFT_DELETED:
            reason = "the group is soft-deleted in the directory"
        case Lifecycle.HARD_DELETED:
            reason = "the group is deleted for good in the directory"
        case Lifecycle.UNKNOWN:
            reason = "the directory could not tell whether the group exists"
        case Lifecycle.LIVE:
            return None
    return FailedCondition(name=ACTIVE, code=SkipCode.NOT_EFFECTIVELY_ENTITLED, reason=reason)
