"""Which users and groups are to be provisioned: the scope conditions of Microsoft Entra, each failed one with a sentence that says why."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.diff.groups.rules import GroupRules
from services.diff.rules import Rules
from shared.contracts.assignments import AppRole, DirectoryAssignment, Lifecycle
from shared.contracts.message import ObjectType
from shared.schema.filters import CompiledFilter, FilterEvaluationError
from shared.schema.options import Event

ACTIVE: Final = "Active in the source system"
ASSIGNED: Final = "Assigned to the application"
ENTITLED: Final = "User has the required role"
GROUP_ENTITLED: Final = "Group has the required role"
FILTERED: Final = "Scoping filter evaluation passed"
READ: Final = "Input filter evaluation passed"
BELONGS: Final = "Category filter evaluation passed"

DEFAULT_ACCESS_ID: Final = "00000000-0000-0000-0000-000000000000"
DEFAULT_ACCESS: Final = "Default Access"


class SkipCode(StrEnum):
    """Why somebody is skipped, in the words of the Entra provisioning log (error codes that are skips)."""

    NOT_EFFECTIVELY_ENTITLED = "NotEffectivelyEntitled"
    OUT_OF_SCOPE = "EntrySynchronizationSkipped"
    ATTRIBUTE_VALIDATION_FAILED = "AttributeValidationFailed"
    IMPORT_SKIPPED = "ImportSkipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedCondition:
    """A condition that does not hold, and the sentence that says why and what would change it."""

    name: str
    reason: str
    code: SkipCode

    def __str__(self) -> str:
        return f"{self.name} is false: {self.reason}"


class Standing(StrEnum):
    """Where an object stands. ``untold``: the directory could not tell. ``ignored``: the job leaves the object entirely alone."""

    IN = "in"
    OUT = "out"
    UNTOLD = "untold"
    IGNORED = "ignored"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The verdict on one user or group: every condition that failed, and for one that is out, the event that put it there."""

    standing: Standing = Standing.IN
    failed: tuple[FailedCondition, ...] = ()
    event: Event | None = None

    @property
    def in_scope(self) -> bool:
        """Return whether every condition holds."""
        return self.standing is Standing.IN

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return one sentence for each failed condition."""
        return tuple(str(condition) for condition in self.failed)


IN_SCOPE: Final = Scope()


def decide_scope(
    assignment: DirectoryAssignment, record: Mapping[str, Any], rules: Rules | GroupRules, filters: CompiledFilter
) -> Scope:
    """Return whether the user or group is to be provisioned; every condition is looked at, so that all reasons are shown at once.

    Reasons stand in order of what has to be mended first: the assignment, the role, the filter, the account. ``record`` is the source
    object as ``filters``, those of its mapping, read it.
    """
    alone = _left_alone(assignment, record, filters)
    if alone is not None:
        return Scope(standing=Standing.IGNORED, failed=(alone,))
    assigned = _assigned(assignment)
    entitled = _entitled(assignment, rules)
    filtered, told = _filtered(record, filters)
    inactive = _active(assignment)
    failed = tuple(condition for condition in (assigned, entitled, filtered, inactive) if condition is not None)
    if not failed:
        return IN_SCOPE
    certain = assigned is not None or entitled is not None
    if not certain and (assignment.lifecycle is Lifecycle.UNKNOWN or (not told and inactive is None)):
        return Scope(standing=Standing.UNTOLD, failed=failed)
    return Scope(
        standing=Standing.OUT, failed=failed, event=_event(assignment, certain=certain, active=inactive is None)
    )


def _event(assignment: DirectoryAssignment, *, certain: bool, active: bool) -> Event:
    """Return the gravest event that holds: what is done at the target goes by it (docs/decisions/0036)."""
    if assignment.lifecycle is Lifecycle.HARD_DELETED:
        return Event.HARD_DELETED
    if assignment.lifecycle is Lifecycle.SOFT_DELETED:
        return Event.SOFT_DELETED
    if not active and assignment.lifecycle is Lifecycle.LIVE:
        return Event.BLOCKED
    return Event.UNASSIGNED if certain else Event.FILTERED_OUT


def numbered(subject: str, reasons: Sequence[str]) -> str:
    """Return all reasons in one text, numbered as the Entra provisioning log numbers them."""
    return f"{subject} due to the following reasons: " + " ".join(
        f"{number}) {reason}." for number, reason in enumerate(reasons, start=1)
    )


def _left_alone(
    assignment: DirectoryAssignment, record: Mapping[str, Any], filters: CompiledFilter
) -> FailedCondition | None:
    """Return why the object is not even looked at. A filter that could not be evaluated puts nobody out."""
    for groups, name in ((filters.input, READ), (filters.category, BELONGS)):
        if not groups:
            continue
        try:
            result = groups.evaluate(record)
        except FilterEvaluationError as error:
            return FailedCondition(name=name, code=SkipCode.IMPORT_SKIPPED, reason=str(error))
        if not result.passed:
            left = "the group is left as it is" if _is_group(assignment) else "the user is left as they are"
            reason = f"{'; '.join(result.failed)} does not hold; {left}"
            return FailedCondition(name=name, code=SkipCode.IMPORT_SKIPPED, reason=reason)
    return None


def _is_group(assignment: DirectoryAssignment) -> bool:
    return assignment.object_type is ObjectType.GROUP


def _assigned(assignment: DirectoryAssignment) -> FailedCondition | None:
    if assignment.assigned:
        return None
    reason = "neither the user nor a group of the user is assigned"
    if _is_group(assignment):
        reason = "the group is not assigned"
        if assignment.attributes.get("securityEnabled") is False:
            reason = "the group is not security-enabled, and such a group assigns nobody"
    return FailedCondition(name=ASSIGNED, code=SkipCode.OUT_OF_SCOPE, reason=reason)


def _entitled(assignment: DirectoryAssignment, rules: Rules | GroupRules) -> FailedCondition | None:
    required = rules.required_roles
    held = [role for role in assignment.roles if not (rules.exclude_default_access and is_default_access(role))]
    if held and (not required or any(role.value in required or role.display_name in required for role in held)):
        return None
    wanted = " or ".join(required) or "of the application"
    if held:
        reason = f"holds another role of the application; assign the role {wanted}"
    elif assignment.roles:
        reason = f"holds only {DEFAULT_ACCESS}; assign the role {wanted}"
    else:
        reason = f"holds no role of the application; assign the role {wanted}"
    name = GROUP_ENTITLED if _is_group(assignment) else ENTITLED
    return FailedCondition(name=name, code=SkipCode.NOT_EFFECTIVELY_ENTITLED, reason=reason)


def is_default_access(role: AppRole) -> bool:
    """Return whether this is the role that Entra shows for an assignment without a role."""
    return role.id == DEFAULT_ACCESS_ID or (not role.value and role.display_name in {"", DEFAULT_ACCESS})


def _filtered(record: Mapping[str, Any], filters: CompiledFilter) -> tuple[FailedCondition | None, bool]:
    """Return what the scoping filter has against the object, and whether that could be found out."""
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
    subject = "group" if _is_group(assignment) else "user"
    match assignment.lifecycle:
        case Lifecycle.SOFT_DELETED:
            reason = f"the {subject} is soft-deleted in the directory"
        case Lifecycle.HARD_DELETED:
            reason = f"the {subject} is deleted for good in the directory"
        case Lifecycle.UNKNOWN:
            reason = f"the directory could not tell whether the {subject} exists"
        case Lifecycle.LIVE:
            # Only a plain false counts: an account state that was not read is no reason to take an account away. Groups have none.
            if _is_group(assignment) or assignment.attributes.get("accountEnabled") is not False:
                return None
            reason = "the account is disabled in the directory (accountEnabled is false)"
    return FailedCondition(name=ACTIVE, code=SkipCode.NOT_EFFECTIVELY_ENTITLED, reason=reason)
