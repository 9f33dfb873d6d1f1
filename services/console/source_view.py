"""What is shown of the source of a job and of removals that are held: pure functions of the newest message and of the time."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from shared.contracts.ids import SOURCE_OBJECT
from shared.contracts.message import ObjectType
from shared.contracts.source import HoldFact, HoldReason, HoldState, ReadProgress, SourceState, StreamState

NOT_READ: Final = (
    "The source was not read yet. It is read when the job is started; the first report comes within seconds of that."
)
IGNORED: Final[Mapping[str, str]] = {
    "servicePrincipalsAssigned": "assigned service principals: they are no people",
    "groupsNotSecurityEnabled": "assigned groups that are not security-enabled: their members do not count",
    "nestedGroups": "groups inside assigned groups: only direct members count, unless settings.nestedGroups is on",
}
"""What does not count, in words; a reason that is not here is shown as its own words."""
HELD_BECAUSE: Final[Mapping[HoldReason, str]] = {
    HoldReason.TOO_MANY: "more removals than one cycle may bring",
    HoldReason.EMPTY_LISTING: "the listing of assignments came back empty",
    HoldReason.RESYNC: "they come from a stream that was read anew",
    HoldReason.DELETION_THRESHOLD: "more accounts would be disabled or deleted by one cycle than the deletion threshold allows",
    HoldReason.CYCLE_NOT_CLOSED: "the end of their cycle has not come, so nobody knows how many there are",
}
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1))


def show_source(kind: str, state: SourceState | None, now: datetime) -> dict[str, Any]:
    """Return the whole state of a job's source, whose kind the definition says.

    A report about another kind of source is one from before the definition was changed, and counts as none. Ages are whole seconds.
    """
    read = state is not None and state.kind == kind
    if state is None or state.kind != kind:
        state = _nothing(kind, now)
    return {
        "kind": kind,
        "read": read,
        "message": state.reason,
        "streams": [_stream(stream, now) for stream in state.streams],
        "progress": _progress(state.progress, state.at, now) if state.progress else None,
        "assigned": state.assigned,
        "assignedGroups": state.assigned_groups,
        "suspects": state.suspects,
        "heldRemovals": state.held_removals,
        "unknownReferences": state.unknown_references,
        "ignored": [
            {"reason": reason, "count": count, "description": ignored_because(reason)}
            for reason, count in sorted(state.ignored.items())
        ],
        "requests": {
            "byKind": dict(sorted(state.requests.by_kind.items())),
            "total": sum(state.requests.by_kind.values()),
            "throttled": state.requests.throttled,
            "waitedSeconds": round(state.requests.waited_seconds, 3),
        },
        "driftTotal": state.drift_total,
        "at": state.at if read else None,
        "ageSeconds": age(state.at, now) if read else None,
    }


def _nothing(kind: str, now: datetime) -> SourceState:
    about = {"job_id": "", "object_type": ObjectType.SOURCE, "object_id": SOURCE_OBJECT, "sequence": 0}
    return SourceState.model_validate(about | {"kind": kind, "reason": NOT_READ, "at": now})


def _stream(stream: StreamState, now: datetime) -> dict[str, Any]:
    return {
        "stream": stream.stream,
        "phase": stream.phase,
        "generation": stream.generation,
        "rounds": stream.rounds,
        "pages": stream.pages,
        "records": stream.records,
        "linkIssuedAt": stream.link_issued_at,
        "linkAgeSeconds": age(stream.link_issued_at, now),
        "lastRoundAt": stream.last_round_at,
        "lastRoundAgeSeconds": age(stream.last_round_at, now),
        "resyncStartedAt": stream.resync_started_at,
        "resyncReason": stream.resync_reason,
    }


def _progress(progress: ReadProgress, at: datetime, now: datetime) -> dict[str, Any]:
    left = progress.seconds_left
    return {
        "usersRead": progress.users_read,
        "expected": progress.expected,
        "percent": percent(progress.users_read, progress.expected),
        "secondsLeft": None if left is None else max(0, left - (age(at, now) or 0)),
        "startedAt": progress.started_at,
        "runningSeconds": age(progress.started_at, now),
    }


def percent(done: int, expected: int | None) -> int | None:
    """Return how many per cent are done, from 0 to 100, or nothing while nobody knows how many there are."""
    if not expected or expected < 0:
        return None
    return min(100, max(0, done * 100 // expected))


def age(since: datetime | None, now: datetime) -> int | None:
    """Return the whole seconds since then; a clock that is behind gives 0, never less."""
    return None if since is None else max(0, int((now - since).total_seconds()))


def ignored_because(reason: str) -> str:
    """Return why something does not count, in words."""
    return IGNORED.get(reason) or _HUMP.sub(" ", reason).replace("_", " ").lower()


def lasted(seconds: float | None) -> str:
    """Return a duration in words, in its largest unit: "3 days", "1 minute", "0 seconds"; nothing for none."""
    if seconds is None:
        return ""
    for unit, size in _UNITS:
        if seconds >= size:
            count = int(seconds // size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    return "0 seconds"


def is_pending(fact: HoldFact, decision: str) -> bool:
    """Return whether the newest request, for that decision, waits for the guard. What was rejected can still be approved."""
    return fact.state is HoldState.HELD or (fact.state is HoldState.REJECTED and decision == "approve")


def show_hold(fact: HoldFact, asked: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return one hold; ``asked`` is the newest request of an operator, shown until the guard has answered it."""
    pending = asked is not None and asked["decision"] is not None and is_pending(fact, asked["decision"])
    return {
        "id": fact.object_id,
        "state": fact.state,
        "reason": fact.reason,
        "description": HELD_BECAUSE[fact.reason],
        "guard": fact.guard,
        "removals": fact.removals,
        "objectIds": fact.object_ids,
        "active": fact.active,
        "detail": fact.detail,
        "heldAt": fact.held_at,
        "requested": {
            "decision": asked["decision"],
            "by": asked["requested_by"],
            "reason": asked["asked_reason"],
            "at": asked["asked_at"],
        }
        if pending and asked is not None
        else None,
        "decidedBy": fact.decided_by,
        "decisionReason": fact.decision_reason,
        "changedAt": fact.at,
    }
