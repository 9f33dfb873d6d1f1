"""What is shown of a preview, and whether a change may be saved by it: pure functions of what was asked for and of the newest message."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from shared.contracts.preview import PlannedAction, PlanRow, PlanTotals, PreviewFact, PreviewState

REQUESTED: Final = "requested"
"""The state of a preview of which diff has not said anything yet."""


class Change(StrEnum):
    """What is saved by a preview."""

    SCHEMA = "schema"
    JOB = "job"


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """A preview as it was asked for, with the newest word about it.

    ``schema_sha256`` and ``job_sha256`` stand for the schema and the definition that it is about, nothing for what is not to be changed.
    """

    job_id: str
    preview_id: str
    number: int
    job_version: int
    schema_sha256: bytes | None
    job_sha256: bytes | None
    requested_by: str
    reason: str
    at: datetime
    fact: PreviewFact | None

    @property
    def state(self) -> str:
        """Return where it stands."""
        return self.fact.state.value if self.fact is not None else REQUESTED

    def digest_of(self, change: Change) -> bytes | None:
        """Return what stands for the thing that it is about."""
        return self.schema_sha256 if change is Change.SCHEMA else self.job_sha256


def preview_of(row: Mapping[str, Any]) -> Preview:
    """Return the preview of a row."""
    names = (
        "job_id",
        "preview_id",
        "number",
        "job_version",
        "schema_sha256",
        "job_sha256",
        "requested_by",
        "reason",
        "at",
    )
    fact = PreviewFact.model_validate_json(row["fact"]) if row["fact"] else None
    return Preview(**{name: row[name] for name in names}, fact=fact)


def refusal(
    preview: Preview, change: Change, digest: bytes, *, job_version: int, now: datetime, patience: timedelta
) -> str | None:
    """Return why ``change`` with this digest cannot be saved by a preview, or nothing when it is what was shown."""
    fact = preview.fact
    if fact is None or fact.state is PreviewState.RUNNING:
        return "Its plan is not made yet. Wait until its state is done."
    if fact.state is not PreviewState.DONE or fact.as_of is None:
        return f"It has no plan (its state is {fact.state}). Ask for another preview."
    return _other(preview, change, digest) or _too_old(preview, fact.as_of, job_version, now - patience)


def _other(preview: Preview, change: Change, digest: bytes) -> str | None:
    other = Change.JOB if change is Change.SCHEMA else Change.SCHEMA
    if preview.digest_of(change) is None:
        return f"It is not about a change of the {change}. Ask for a preview of what is to be saved."
    if preview.digest_of(other) is not None:
        return f"It is about a change of the {other} too, and one request saves one of them. Preview and save them one after the other."
    if preview.digest_of(change) != digest:
        return (
            f"The {change} is not the one that was previewed. Save what was previewed, or preview what is to be saved."
        )
    return None


def _too_old(preview: Preview, as_of: datetime, job_version: int, oldest: datetime) -> str | None:
    if preview.job_version != job_version:
        return (
            f"The job was changed since: it has version {job_version}, and version {preview.job_version} was looked at. "
            "Ask for another preview."
        )
    if as_of < oldest:
        return f"Its plan is of {as_of:%Y-%m-%d %H:%M} UTC, and people may have come and gone since. Ask for another preview."
    return None


def show_preview(preview: Preview, patience: timedelta) -> dict[str, Any]:
    """Return a preview; counts are there when its plan is."""
    fact = preview.fact
    totals = fact.totals if fact is not None else None
    as_of = fact.as_of if fact is not None else None
    expected = fact.expected if fact is not None else 0
    looked_at = fact.looked_at if fact is not None else 0
    return {
        "id": preview.preview_id,
        "state": preview.state,
        "jobVersion": preview.job_version,
        "changes": [change for change in Change if preview.digest_of(change) is not None],
        "requestedBy": preview.requested_by,
        "reason": preview.reason,
        "requestedAt": preview.at,
        "lookedAt": looked_at,
        "expected": expected,
        "percent": looked_at * 100 // expected if expected else None,
        "plan": _plan(totals) if totals is not None else None,
        "rows": fact.rows if fact is not None else 0,
        "digest": fact.digest if fact is not None else None,
        "asOf": as_of,
        "expiresAt": as_of + patience if as_of is not None else None,
        "seconds": fact.seconds if fact is not None else None,
        "detail": fact.detail if fact is not None else None,
    }


def _plan(totals: PlanTotals) -> dict[str, Any]:
    return {
        "empty": totals.empty,
        "users": {action.value: totals.users.get(action, 0) for action in PlannedAction},
        "groups": {action.value: totals.groups.get(action, 0) for action in PlannedAction},
        "attributes": totals.attributes,
        "removals": {
            "counted": totals.removals,
            "managed": totals.managed,
            "held": totals.held,
            "heldBecause": totals.held_because,
            "waiting": totals.waiting,
        },
        "errors": totals.errors,
        "inFlight": totals.in_flight,
        "unread": {str(kind): list(names) for kind, names in totals.unread.items()},
    }


def show_row(text: str, *, held: bool) -> dict[str, Any]:
    """Return a row of a plan; ``held``: removals that are counted would wait for an approval."""
    row = PlanRow.model_validate_json(text)
    return {
        "objectType": row.object_type,
        "objectId": row.object_id,
        "name": row.name,
        "action": row.action,
        "held": held and row.counted,
        "reason": row.reason,
        "reasons": row.reasons,
        "code": row.code,
        "attributes": [{"path": item.path, "before": item.old, "after": item.new} for item in row.attributes],
    }
