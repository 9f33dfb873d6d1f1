"""What a failure does to a user or group: the next attempt is planned; what does not pass is escrowed (docs/decisions/0035)."""

from dataclasses import replace
from datetime import datetime
from typing import Any, Final, TypeVar

from services.diff.backoff import Backoff
from services.diff.groups.group import Group
from services.diff.person import Person
from shared.contracts.ids import message_key
from shared.contracts.public import UserStatus

S = TypeVar("S", Person, Group)

NO_FAILURE: Final[dict[str, Any]] = {"attempts": 0, "next_attempt_at": None, "failing_since": None, "escrows": 0}
"""The fields of somebody who fails at nothing."""
_BY_HAND: Final = "correct the cause, then retry the user, or change the object in the directory"
EXPIRED: Final = f"It failed for so long that it is not tried again by itself: {_BY_HAND}"
FORGOTTEN: Final = f"It is not tried again by itself, because a restart forgot the failure: {_BY_HAND}"


def escrowed(subject: S, backoff: Backoff, at: datetime, *, passes: bool, asked: datetime | None = None) -> S:
    """Return the user or group with its next attempt planned after a failure at ``at``; without one the escrow has expired.

    ``passes``: the fault may pass by itself. ``asked``: the target wants to be left alone until then, which is kept to within reason.
    ``escrows`` has grown if the failure counts as one.
    """
    attempts, since = subject.attempts + 1, subject.failing_since or at
    retry = backoff.plan(
        message_key(subject.job_id, subject.object_id),
        attempts=attempts,
        escrows=subject.escrows,
        failing_since=since,
        at=at,
        passes=passes,
    )
    earliest = min(asked or at, at + backoff.longest)
    return replace(
        subject,
        attempts=attempts,
        next_attempt_at=max(retry.at, earliest) if retry.at else None,
        failing_since=since if retry.escrowed else subject.failing_since,
        escrows=subject.escrows + retry.escrowed,
    )


def forgotten(subject: S) -> S:
    """Return the user or group with its failures forgotten; one that waited for an attempt is shown as failed, with what can be done."""
    if subject.next_attempt_at is None:
        return replace(subject, **NO_FAILURE)
    return replace(subject, **NO_FAILURE, status=UserStatus.FAILED, reasons=(*subject.reasons, FORGOTTEN))
