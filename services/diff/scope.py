"""Who is to be provisioned: the scope conditions of Microsoft Entra, each failed one with a sentence that says why."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from services.diff.rules import Rules
from shared.contracts.assignments import AppRole, DirectoryAssignment, Lifecycle

ACTIVE: Final = "Active in the source system"
ASSIGNED: Final = "Assigned to the application"
ENTITLED: Final = "User has the required role"

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


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The verdict on one person.

    ``certain`` is false when the only thing against the person is that the directory could not tell: nothing is taken away for that.
    """

    failed: tuple[FailedCondition, ...] = ()
    certain: bool = True

    @property
    def in_scope(self) -> bool:
        """Return whether every condition holds."""
        return not self.failed

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return one sentence for each failed condition."""
        return tuple(str(condition) for condition in self.failed)

    def fails(self, name: str) -> bool:
        """Return whether the condition ``name`` is among the failed ones."""
        return any(condition.name == name for condition in self.failed)


IN_SCOPE: Final = Scope()


def decide_scope(assignment: DirectoryAssignment, rules: Rules) -> Scope:
    """Return whether the person is to be provisioned; every condition is looked at, so that all reasons are shown at once.

    Reasons stand in order of what has to be mended first: the assignment, the role, the account.
    """
    failed = [
        condition
        for condition in (_assigned(assignment), _entitled(assignment.roles, rules), _active(assignment))
        if condition is not None
    ]
    if not failed:
        return IN_SCOPE
    unknown_only = len(failed) == 1 and failed[0].name == ACTIVE and assignment.lifecycle is Lifecycle.UNKNOWN
    return Scope(failed=tuple(failed), certain=not unknown_only)


def numbered(subject: str, reasons: Sequence[str]) -> str:
    """Return all reasons in one text, numbered as the Entra provisioning log numbers them."""
    return f"{subject} due to the following reasons: " + " ".join(
        f"{number}) {reason}." for number, reason in enumerate(reasons, start=1)
    )


def _assigned(assignment: DirectoryAssignment) -> FailedCondition | None:
    if assignment.assigned:
        return None
    return FailedCondition(
        name=ASSIGNED, code=SkipCode.OUT_OF_SCOPE, reason="neither the user nor a group of the user is assigned"
    )


def _entitled(roles: Sequence[AppRole], rules: Rules) -> FailedCondition | None:
    held = [role for role in roles if not (rules.exclude_default_access and is_default_access(role))]
    required = rules.required_roles
    if held and (not required or any(role.value in required or role.display_name in required for role in held)):
        return None
    wanted = " or ".join(required) or "of the application"
    if held:
        reason = f"holds another role of the application; assign the role {wanted}"
    elif roles:
        reason = f"holds only {DEFAULT_ACCESS}; assign the role {wanted}"
    else:
        reason = f"holds no role of the application; assign the role {wanted}"
    return FailedCondition(name=ENTITLED, code=SkipCode.NOT_EFFECTIVELY_ENTITLED, reason=reason)


def is_default_access(role: AppRole) -> bool:
    """Return whether this is the role that Entra shows for an assignment without a role."""
    return role.id == DEFAULT_ACCESS_ID or (not role.value and role.display_name in {"", DEFAULT_ACCESS})


def _active(assignment: DirectoryAssignment) -> FailedCondition | None:
    match assignment.lifecycle:
        case Lifecycle.SOFT_DELETED:
            reason = "the user is soft-deleted in the directory"
        case Lifecycle.HARD_DELETED:
            reason = "the user is deleted for good in the directory"
        case Lifecycle.UNKNOWN:
            reason = "the directory could not tell whether the user exists"
        case Lifecycle.LIVE:
            # Only a plain false counts: an account state that was not read is no reason to take an account away.
            if assignment.attributes.get("accountEnabled") is not False:
                return None
            reason = "the account is disabled in the directory (accountEnabled is false)"
    return FailedCondition(name=ACTIVE, code=SkipCode.NOT_EFFECTIVELY_ENTITLED, reason=reason)
