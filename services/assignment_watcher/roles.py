"""The roles that a job requires, among those that the application declares."""

from collections.abc import Sequence

from services.assignment_watcher.core import resolve
from services.assignment_watcher.sources.source import RoleUnknownError
from shared.contracts.assignments import AppRole


def counting_roles(required: Sequence[str], declared: Sequence[AppRole]) -> frozenset[str]:
    """Return the ids of the roles that count; none: all do. Raises ``RoleUnknownError`` when no role answers to a required name."""
    counting, unknown = resolve(required, declared)
    if unknown:
        names = ", ".join(sorted({role.value or role.display_name for role in declared} - {""})) or "none"
        raise RoleUnknownError(f"the application declares no role {', '.join(unknown)}; it declares {names}")
    return counting
