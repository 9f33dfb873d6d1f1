"""The answer to "provision on demand", made of what each service said. Pure.

Sources: Entra, "On-demand provisioning in Microsoft Entra ID" (the five steps); Microsoft Graph, "synchronizationJob: provisionOnDemand"
(whose answer is JSON within JSON text; this one is plain).
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from shared.contracts.changes import change_id
from shared.contracts.on_demand import DemandFact, DemandResult
from shared.contracts.outcomes import LicenseFact, ProvisioningOutcome, Result, Step, StepType

MOST_IN_WINDOW: Final = 5
WINDOW_SECONDS: Final = 10.0
USER_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:User"

STAGES: Final[Mapping[StepType, str]] = {
    StepType.IMPORT: "Import user",
    StepType.SCOPING: "Determine if user is in scope",
    StepType.MATCHING: "Match user between source and target system",
    StepType.PROCESSING: "Perform action",
    StepType.EXPORT: "Perform action",
}
CONNECTION: Final = "TestConnection"

_RESULTS: Final[Mapping[Result, DemandResult]] = {
    Result.DONE: DemandResult.SUCCESS,
    Result.ADOPTED: DemandResult.SUCCESS,
    Result.SUPERSEDED: DemandResult.SKIPPED,
    Result.WITHDRAWN: DemandResult.SKIPPED,
    Result.SKIPPED: DemandResult.SKIPPED,
}
_STATUS: Final[Mapping[DemandResult, str]] = {
    DemandResult.SUCCESS: "success",
    DemandResult.SKIPPED: "skipped",
    DemandResult.FAILURE: "failure",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Demand:
    """One request and what has been said of it so far."""

    job_id: str
    request_id: str
    user_name: str
    object_id: str | None
    at: datetime
    display_name: str | None = None
    user_principal_name: str | None = None
    source: DemandFact | None = None
    decision: DemandFact | None = None
    waiting: LicenseFact | None = None
    outcome: ProvisioningOutcome | None = None


def retry_after(times: Sequence[datetime], now: datetime) -> int | None:
    """Return after how many whole seconds another request is taken, or nothing when it is taken now.

    ``times`` are those of the newest requests of the job: five are taken in any ten seconds.
    """
    recent = sorted(at for at in times if (now - at).total_seconds() < WINDOW_SECONDS)
    if len(recent) < MOST_IN_WINDOW:
        return None
    oldest = recent[-MOST_IN_WINDOW]
    return max(1, -int(-(WINDOW_SECONDS - (now - oldest).total_seconds()) // 1))


def finished(demand: Demand) -> bool:
    """Return whether nothing more is to be waited for: it ended, or what comes next is not a matter of seconds."""
    return _result(demand) is not None or demand.waiting is not None


def answer(demand: Demand) -> dict[str, Any]:
    """Return the answer as plain nested JSON; ``result`` is null while it goes on, and ``statusInfo`` says what is waited for."""
    result, outcome = _result(demand), demand.outcome
    facts = [fact for fact in (demand.source, demand.decision) if fact is not None]
    steps = [_step(step, fact.at) | {"details": step.details} for fact in facts for step in fact.steps]
    if outcome is not None:
        steps += [_step(step, outcome.at) for step in outcome.steps]
    end = outcome.at if outcome else facts[-1].at if facts else None
    object_id = demand.object_id
    generation = outcome.generation if outcome else demand.decision.generation if demand.decision else 0
    return {
        "requestId": demand.request_id,
        "result": result,
        "action": _action(demand),
        "changeId": str(change_id(demand.job_id, object_id, generation)) if object_id and generation else None,
        "startTime": demand.at,
        "endTime": end if result is not None else None,
        "reportableIdentifier": demand.user_principal_name or demand.user_name,
        "steps": steps,
        "modifiedProperties": _modified(outcome),
        "statusInfo": _status(demand, result),
        "sourceIdentity": {"id": object_id or "", "displayName": demand.display_name, "identityType": "User"},
        "targetIdentity": {"id": (outcome.target_id if outcome else None) or "", "identityType": USER_SCHEMA},
    }


def _result(demand: Demand) -> DemandResult | None:
    if demand.outcome is not None:
        return _RESULTS.get(demand.outcome.result, DemandResult.FAILURE)
    for fact in (demand.decision, demand.source):
        if fact is not None and fact.result is not None:
            return fact.result
    return None


def _action(demand: Demand) -> str:
    if demand.outcome is not None:
        return demand.outcome.operation.value
    return demand.decision.action if demand.decision else "other"


def _step(step: Step, at: datetime) -> dict[str, Any]:
    title = "Test connection" if step.name == CONNECTION else STAGES.get(step.type, step.name)
    return {
        "name": step.name,
        "title": title,
        "type": step.type,
        "status": step.status,
        "description": step.description,
        "timestamp": at,
        "durationInMilliseconds": step.duration_ms,
        "details": {},
    }


def _modified(outcome: ProvisioningOutcome | None) -> list[dict[str, Any]]:
    """Return the attributes that were modified, or that were tried when it failed; of a creation, everything."""
    if outcome is None:
        return []
    if outcome.modified:
        return [
            {"displayName": item.path, "oldValue": _text(item.old), "newValue": _text(item.new)}
            for item in outcome.modified
        ]
    created = outcome.resource if outcome.operation.value == "create" else None
    return [
        {"displayName": path, "oldValue": None, "newValue": _text(value)} for path, value in (created or {}).items()
    ]


def _text(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _status(demand: Demand, result: DemandResult | None) -> dict[str, Any]:
    last = demand.outcome or demand.decision or demand.source
    failure = last.failure if last else None
    reason = last.reason if last else "The request is on its way to the assignment-watcher."
    status = _STATUS[result] if result is not None else "pending"
    if result is None and demand.waiting is not None:
        status, reason = "pending", f"The user waits for a license: {demand.waiting.reason}."
    return {
        "status": status,
        "errorCode": failure.code if failure else None,
        "reason": failure.message if failure else reason,
        "additionalDetails": f"HTTP {failure.http_status}" if failure and failure.http_status else None,
        "recommendedAction": failure.advice if failure else None,
    }
