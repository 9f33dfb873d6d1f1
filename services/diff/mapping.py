"""One person as the mapping sees it: the record of the directory with what is computed, and what the mapping makes of it."""

from hashlib import blake2b
from typing import Any

from services.diff.rules import Rules
from services.diff.scope import FailedCondition, SkipCode, is_default_access
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import MatchingValue
from shared.schema.expressions import EvaluationContext
from shared.schema.mapping import Mapped, Record
from shared.schema.source_attributes import APP_ROLE_ASSIGNMENTS, IS_SOFT_DELETED

VALUES_PRESENT = "Required attributes have a value"


def record_of(assignment: DirectoryAssignment, rules: Rules) -> dict[str, Any]:
    """Return the source object as filters and expressions read it, but for ``IsSoftDeleted``, which follows from the scope.

    ``appRoleAssignments`` are the roles that count, each as ``{id, value, displayName}``.
    """
    record = assignment.attributes.copy()
    record["id"] = assignment.object_id
    if rules.reads_roles:
        record[APP_ROLE_ASSIGNMENTS] = [
            {"id": role.id, "value": role.value, "displayName": role.display_name}
            for role in assignment.roles
            if not (rules.exclude_default_access and is_default_access(role))
        ]
    return record


def context_of(assignment: DirectoryAssignment) -> EvaluationContext:
    """Return what an expression may depend on beside the object. Now is when the directory was read: a repeat gives the same values."""
    return EvaluationContext(now=assignment.observed_at, seed=f"{assignment.job_id}/{assignment.object_id}")


def map_user(assignment: DirectoryAssignment, record: dict[str, Any], rules: Rules, *, in_scope: bool) -> Mapped:
    """Return what the mapping makes of the person; ``record`` gets its ``IsSoftDeleted``."""
    record[IS_SOFT_DELETED] = not in_scope
    return rules.mapping.evaluate(record, context_of(assignment))


def kept_back(mapped: Mapped, rules: Rules) -> tuple[FailedCondition, ...]:
    """Return why no account can be created: required attributes without a value, or nothing to match by."""
    if mapped.matching and not mapped.missing:
        return ()
    failed = [_missing(path, mapped, rules) for path in mapped.missing]
    if not mapped.matching:
        failed.append(
            FailedCondition(
                name=VALUES_PRESENT,
                code=SkipCode.IMPORT_SKIPPED,
                reason="no matching attribute has a value in the directory",
            )
        )
    return tuple(failed)


def _missing(path: str, mapped: Mapped, rules: Rules) -> FailedCondition:
    said = next((item.reason for item in mapped.failures if item.path == path), None)
    source = rules.mapping.attributes[path].source
    reason = (
        f"{path} is required and could not be made from {source}: {said}"
        if said
        else f"{path} is required and {source} has no value; fill it in in the directory"
    )
    return FailedCondition(name=VALUES_PRESENT, code=SkipCode.ATTRIBUTE_VALIDATION_FAILED, reason=reason)


def notes_of(mapped: Mapped) -> tuple[str, ...]:
    """Return one sentence for each attribute that could not be made and so stays at the target as it is."""
    return tuple(
        f"{item.path} is left as it is: {item.reason}" for item in mapped.failures if item.path not in mapped.missing
    )


def digest_of(value: MatchingValue) -> str:
    """Return what stands for a matching value where values are compared and not kept."""
    return blake2b(f"{value.attribute}\x1f{value.value.casefold()}".encode(), digest_size=16).hexdigest()


def disabling_value(record: Record, assignment: DirectoryAssignment, rules: Rules) -> Any:
    """Return the value that disables the account. Raises ``EvaluationError`` or ``ConversionError``."""
    return rules.mapping.active_value(record, context_of(assignment), leaves=True)
