"""The provisioning log: one row for each outcome, shown as Microsoft Graph's ``provisioningObjectSummary`` resource type."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.contracts.changes import Operation, change_id, redact
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result

USER_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:User"
GROUP_SCHEMA: Final = "urn:ietf:params:scim:schemas:core:2.0:Group"
ACTIONS: Final = ("create", "update", "disable", "delete", "compare", "other")
STATUSES: Final = ("success", "warning", "failure", "skipped")
_STATUS: Final[Mapping[str, str]] = {
    Result.DONE: "success",
    Result.ADOPTED: "success",
    Result.RETRY_LATER: "warning",
    Result.FAILED: "failure",
    Result.STOP: "failure",
    Result.SUPERSEDED: "skipped",
    Result.SKIPPED: "skipped",
    Result.WITHDRAWN: "skipped",
}
_WRITTEN: Final = frozenset({Result.DONE, Result.ADOPTED})
_BODY: Final = {"steps", "modified", "failure", "reason", "reasons"}
_GROUP: Final = _BODY | {"object_type", "resource"}
"""Of a group its name is kept too: there is no row of it elsewhere."""
_MEMBERSHIP: Final = frozenset({Operation.ADD_MEMBERS, Operation.REMOVE_MEMBERS})


def action_of(outcome: ProvisioningOutcome) -> str:
    """Return ``provisioningAction`` as the Entra portal words it.

    An outcome without an operation is ``other``; a change of members is an ``update`` of the group.
    """
    if outcome.operation in _MEMBERSHIP:
        return Operation.UPDATE.value
    return "other" if outcome.operation is Operation.NONE else outcome.operation.value


def status_of(outcome: ProvisioningOutcome) -> str:
    """Return ``provisioningStatusInfo.status``: success, warning (it is tried again), failure or skipped."""
    return _STATUS[outcome.result]


def body_of(outcome: ProvisioningOutcome) -> str:
    """Return what is kept of an outcome beside its columns, as JSON."""
    include = _GROUP if outcome.object_type is ObjectType.GROUP else _BODY
    if outcome.operation is Operation.CREATE and not outcome.modified and outcome.result in _WRITTEN:
        include = include | {"resource"}
    shown = for_people(outcome)
    return shown.__pydantic_serializer__.to_json(shown, include=include, by_alias=True, exclude_none=True).decode()


def for_people(outcome: ProvisioningOutcome) -> ProvisioningOutcome:
    """Return an outcome as it may be kept and shown: without the values of redacted paths."""
    if not outcome.redacted or not outcome.resource:
        return outcome
    shown = {path: redact(value) if path in outcome.redacted else value for path, value in outcome.resource.items()}
    return outcome.model_copy(update={"resource": shown})


def record_of(row: Mapping[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
    """Return the log record of one row. ``body`` is what ``body_of`` kept; times are UTC."""
    failure = body.get("failure")
    is_group = body.get("objectType") == ObjectType.GROUP
    name = body.get("resource", {}).get("displayName") if is_group else row["display_name"]
    skipped = "; ".join(body.get("reasons") or [body.get("reason", "")])
    error = None
    if failure:
        error = {
            "errorCode": failure["code"],
            "reason": failure["message"],
            "additionalDetails": f"HTTP {failure['httpStatus']}" if failure.get("httpStatus") else None,
            "recommendedAction": failure["advice"],
        }
    elif row["status"] == "skipped":
        error = {"errorCode": "Skipped", "reason": skipped, "additionalDetails": None, "recommendedAction": None}
    at: datetime = row["at"]
    return {
        "id": str(row["event_id"]),
        "activityDateTime": at,
        "jobId": row["job_id"],
        "cycleId": row["cycle_id"],
        "changeId": str(change_id(row["job_id"], row["object_id"], row["generation"])),
        "provisioningAction": row["action"],
        "durationInMilliseconds": row["duration_ms"],
        "sourceIdentity": {
            "id": row["object_id"],
            "displayName": name,
            "identityType": "Group" if is_group else "User",
        },
        "targetIdentity": {
            "id": row["target_id"] or "",
            "identityType": GROUP_SCHEMA if is_group else USER_SCHEMA,
        },
        "provisioningStatusInfo": {"status": row["status"], "errorInformation": error},
        "provisioningSteps": [
            {
                "name": step["name"],
                "provisioningStepType": step["type"],
                "status": step["status"],
                "description": step["description"],
            }
            for step in body.get("steps", ())
        ],
        "modifiedProperties": [
            {
                "displayName": attribute["path"],
                "oldValue": _value(attribute.get("old")),
                "newValue": _value(attribute.get("new")),
            }
            for attribute in body.get("modified") or (_created(body) if row["action"] == Operation.CREATE else ())
        ],
    }


def _created(body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what a create set: a change to create carries the resource only, because everything in it is new."""
    return [{"path": path, "new": value} for path, value in body.get("resource", {}).items()]


def _value(value: Any) -> str | None:
    return value if value is None or isinstance(value, str) else json.dumps(value, ensure_ascii=False)
