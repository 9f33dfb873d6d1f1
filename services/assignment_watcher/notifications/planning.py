"""What to do with one subscription, given its stored row and the time: pure decisions, each with its reason."""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.assignment_watcher.notifications.judging import Wish

LONGEST_LIFETIME: Final = timedelta(minutes=41_760)
"""What Microsoft Graph grants at most for users and groups ("subscription resource type", subscription lifetime)."""
LIFETIME: Final = timedelta(days=28) - timedelta(hours=1)
"""What is asked for: less, so that a clock that is a little ahead is not refused."""
FIRST_RETRY: Final = timedelta(seconds=10)
LONGEST_RETRY: Final = timedelta(hours=1)


class Step(StrEnum):
    """What is to be done with a subscription."""

    REST = "rest"
    CREATE = "create"
    RENEW = "renew"
    REAUTHORIZE = "reauthorize"
    DELETE = "delete"
    FORGET = "forget"
    """Nothing is left at Microsoft Graph, or nothing that could be asked for: only the row goes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A subscription that should exist: for which application (``identity``), and where its notifications go."""

    identity: str
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The stored row of a subscription. Without ``subscription_id`` it was asked for, and no answer was kept."""

    identity: str
    address: str
    subscription_id: str | None
    renewed_at: datetime
    expires_at: datetime | None
    wish: Wish | None = None
    failures: int = 0
    retry_at: datetime | None = None

    def lives(self, now: datetime) -> bool:
        """Return whether it exists at Microsoft Graph, as far as the row tells."""
        return self.subscription_id is not None and self.expires_at is not None and self.expires_at > now


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One step and why. ``look_at`` is when a rest ends; nothing means that only a change of circumstances ends it."""

    step: Step
    reason: str
    look_at: datetime | None = None


def plan(kept: Kept | None, wanted: Wanted | None, now: datetime) -> Plan:
    """Return the next step. Called again after each step, it comes to rest: by itself after three steps at most, unless one fails."""
    if kept is None:
        return Plan(step=Step.REST, reason="none is wanted") if wanted is None else _create("there is none yet")
    lives = kept.lives(now)
    if wanted is None:
        if not lives:
            return Plan(step=Step.FORGET, reason="it is not wanted any more and has ended")
        return _patient(kept, now, Plan(step=Step.DELETE, reason="it is not wanted any more"))
    if kept.identity != wanted.identity:
        # The new application has no right to delete what the old one made; that ends by itself.
        return Plan(step=Step.FORGET, reason="it belongs to another application")
    if lives and kept.address != wanted.address:
        return _patient(kept, now, Plan(step=Step.DELETE, reason="its notifications go to another address"))
    return _patient(kept, now, _renewal(kept, now) if lives else _create("it ended, or was never confirmed"))


def _renewal(kept: Kept, now: datetime) -> Plan:
    if kept.wish is Wish.RECREATE:
        return _create("Microsoft Graph removed it")
    if kept.wish is Wish.REAUTHORIZE:
        return Plan(step=Step.REAUTHORIZE, reason="Microsoft Graph asks for it")
    assert kept.expires_at is not None
    # The clock may have been wrong when it was renewed.
    half = min(kept.renewed_at + (kept.expires_at - kept.renewed_at) / 2, kept.expires_at)
    if now >= half:
        return Plan(step=Step.RENEW, reason="half of its life is over")
    return Plan(step=Step.REST, reason="it lives", look_at=half)


def _create(reason: str) -> Plan:
    return Plan(step=Step.CREATE, reason=reason)


def _patient(kept: Kept, now: datetime, wished: Plan) -> Plan:
    """A step that failed waits until it is tried again."""
    if wished.step is Step.REST or kept.retry_at is None or kept.retry_at <= now:
        return wished
    return Plan(step=Step.REST, reason="the last try failed", look_at=kept.retry_at)


def retry_after_failures(failures: int) -> timedelta:
    """Return the wait after so many failures in a row (from 1): it doubles, up to an hour."""
    return min(LONGEST_RETRY, FIRST_RETRY * math.ldexp(1.0, min(failures - 1, 16)))


def granted_until(asked: datetime, answered: object, now: datetime) -> datetime:
    """Return when a subscription ends: what Microsoft Graph answered, as far as that is possible, else what was asked for."""
    try:
        until = datetime.fromisoformat(str(answered))
    except ValueError:
        return asked
    if until.tzinfo is None or not now < until <= now + 2 * LONGEST_LIFETIME:
        return asked
    return until


def advice(step: Step, status: int | None) -> str:
    """Return what an operator can do about a refused step, in one sentence."""
    match step, status:
        case Step.CREATE, 400:
            return (
                "Microsoft Graph must be able to reach SEATKEEPER_ASSIGNMENT_WATCHER_NOTIFICATION_URL over https with a "
                "certificate that it trusts, and get an answer within 10 seconds"
            )
        case Step.CREATE, 403:
            return (
                "the application lacks User.Read.All or Group.Read.All, or the tenant has as many subscriptions as Microsoft "
                "Graph allows (100 for each application)"
            )
        case _:
            return "it is tried again by itself; polls go on meanwhile"
