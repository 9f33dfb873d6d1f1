"""What the watcher says of a user on demand: what was imported, or why it ends here. Pure.

Source: Entra, "On-demand provisioning in Microsoft Entra ID" (test connection, import user, determine if user is in scope).
"""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from services.assignment_watcher.core import Decision, State
from services.assignment_watcher.demands.store import Demand
from services.assignment_watcher.sources.source import Found, SourceError
from shared.contracts.assignments import Lifecycle
from shared.contracts.changes import redact
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import derived_id
from shared.contracts.message import ObjectType
from shared.contracts.on_demand import DemandFact, DemandResult, DemandStage, DemandStep
from shared.contracts.outcomes import StepStatus, StepType

CONNECTION: Final = "TestConnection"
IMPORT: Final = "EntryImport"
SCOPING: Final = "EntrySynchronizationScoping"

ASSIGNED: Final = "Assigned to the application"


def imported(
    demand: Demand, found: Found, decision: Decision, state: State, at: datetime, *, hidden: Collection[str] = ()
) -> DemandFact:
    """Return the fact that goes before the user's record: what was read, by its directory names, without the values of ``hidden`` ones."""
    details: dict[str, Any] = {
        "objectId": found.object_id,
        "lifecycle": state.lifecycle,
        "attributes": _shown(state.attributes, hidden),
        "assignments": [
            {"assignmentId": path.assignment_id, "groupId": path.group_id, "roleId": path.role_id}
            for path in state.paths
        ],
        "roles": [role.value or role.display_name or role.id for role in state.roles],
        "news": str(decision.reason),
    }
    said = f"The user was read from the directory and {decision.reason}."
    step = DemandStep(name=IMPORT, type=StepType.IMPORT, status=StepStatus.SUCCESS, description=said, details=details)
    return _fact(demand, found.object_id, at, steps=(step,))


def not_assigned(
    demand: Demand, found: Found, at: datetime, *, asked_about: int | None = None, hidden: Collection[str] = ()
) -> DemandFact:
    """Return the end of a user who has no assignment and never had one: nobody else of the pipeline hears of them.

    ``asked_about`` is the number of assigned groups that the directory was asked about, when there are more of them.
    """
    reason = (
        "Neither the user nor a group of the user that is assigned to the application is known. Assign the user, or wait: a new assignment "
        "may take minutes until the directory shows it"
    )
    if asked_about is not None:
        reason += f". Only {asked_about} of the assigned groups were asked about: the next cycles see the members of the others"
    read = DemandStep(
        name=IMPORT,
        type=StepType.IMPORT,
        status=StepStatus.SUCCESS,
        description="The user was read from the directory.",
        details={"objectId": found.object_id, "attributes": _shown(found.record or {}, hidden)},
    )
    scope = DemandStep(
        name=SCOPING,
        type=StepType.SCOPING,
        status=StepStatus.SKIPPED,
        description=f"{ASSIGNED} is false: {reason}.",
        details={"inScope": False, "conditions": {ASSIGNED: False}, "reasons": {ASSIGNED: reason}},
    )
    return _fact(demand, found.object_id, at, steps=(read, scope), result=DemandResult.SKIPPED, reason=reason)


def _shown(attributes: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    return {name: redact(value) if name in hidden else value for name, value in attributes.items()}


def leaving(demand: Demand, object_id: str, lifecycle: Lifecycle, at: datetime) -> DemandFact:
    """Return the end of a user who seems to have left: one reading takes nothing away, the cycle has to confirm it."""
    how = {
        Lifecycle.SOFT_DELETED: "lies among the deleted users of the directory",
        Lifecycle.HARD_DELETED: "was deleted for good in the directory",
        Lifecycle.UNKNOWN: "is not known to the directory",
    }.get(lifecycle, "is no longer assigned, as far as the job knows")
    reason = f"The user {how}. One reading takes no account away: the next cycles confirm it, and then the account is disabled"
    step = DemandStep(
        name=IMPORT,
        type=StepType.IMPORT,
        status=StepStatus.SKIPPED,
        description=f"{reason}.",
        details={"objectId": object_id, "lifecycle": lifecycle},
    )
    return _fact(demand, object_id, at, steps=(step,), result=DemandResult.SKIPPED, reason=reason)


def unknown_user(demand: Demand, at: datetime) -> DemandFact:
    """Return the end of a request whose user the directory does not know."""
    reason = "The directory knows no user with this object id, userPrincipalName or mail address, or more than one with this mail address."
    step = DemandStep(name=IMPORT, type=StepType.IMPORT, status=StepStatus.FAILURE, description=reason)
    return _fact(demand, "", at, steps=(step,), result=DemandResult.FAILURE, reason=reason)


def not_read(demand: Demand, error: SourceError, at: datetime) -> DemandFact:
    """Return the end of a request for which the source could not be asked."""
    said = f"The source could not be read: {error.failure.message}"
    step = DemandStep(name=CONNECTION, type=StepType.IMPORT, status=StepStatus.FAILURE, description=said)
    return _fact(
        demand, "", at, steps=(step,), result=DemandResult.FAILURE, reason=error.failure.message, failure=error.failure
    )


def refused(demand: Demand, reason: str, at: datetime) -> DemandFact:
    """Return the end of a request that cannot be served at all."""
    step = DemandStep(name=CONNECTION, type=StepType.IMPORT, status=StepStatus.FAILURE, description=reason)
    found = failure(Code.INTERNAL_ERROR, reason)
    return _fact(demand, "", at, steps=(step,), result=DemandResult.FAILURE, reason=reason, failure=found)


def fact_id(demand: Demand) -> UUID:
    """Return the event id of what the watcher says of a request: it says one thing only."""
    return derived_id("demand", demand.job_id, demand.request_id, DemandStage.SOURCE)


def _fact(demand: Demand, object_id: str, at: datetime, **more: Any) -> DemandFact:
    return DemandFact(
        job_id=demand.job_id,
        object_type=ObjectType.USER,
        object_id=object_id or str(derived_id("demand", demand.job_id, demand.request_id)),
        sequence=1,
        request_id=demand.request_id,
        stage=DemandStage.SOURCE,
        at=at,
        **more,
    )
