"""When a job is quarantined, how seldom it is tried then, and when that is over. Pure (Microsoft Entra, "Application provisioning in
quarantine status"); what differs from Entra and why: docs/decisions/0035.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from services.diff.health.tally import NOTHING, Tally


class QuarantineReason(StrEnum):
    """Why a job is quarantined (Microsoft Graph, ``quarantineReason``)."""

    BASE = "EncounteredBaseEscrowThreshold"
    TOTAL = "EncounteredTotalEscrowThreshold"
    PROPORTION = "EncounteredEscrowProportionThreshold"
    EXCEPTION = "EncounteredQuarantineException"


ADVICE: Final = {
    QuarantineReason.BASE: "Look at the failed users and correct the most common cause; a retry that succeeds ends the quarantine.",
    QuarantineReason.TOTAL: "Look at the failed users and correct the most common cause; a retry that succeeds ends the quarantine.",
    QuarantineReason.PROPORTION: "Look at the failed users and correct the most common cause; a retry that succeeds ends the quarantine.",
    QuarantineReason.EXCEPTION: "Generate a new secret token at the target, save it as Secret Token and test the connection; the "
    "quarantine ends by itself when the target accepts it.",
}
EXPIRED_ADVICE: Final = (
    "Correct the cause, then restart the job with the scope QuarantineState: nothing that failed is tried before that."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """From where on failures are too many.

    Nothing is judged below a floor: the smaller of ``floor`` and of the greater of ``floor_least`` and ``floor_percent`` per cent of the
    objects in scope, so that a small application is quarantined too.
    """

    total: int = 60_000
    base: int = 40_000
    proportion_percent: int = 40
    floor: int = 5_000
    floor_least: int = 20
    floor_percent: float = 10

    def floor_of(self, scope: int) -> float:
        """Return how many failures are too few to be judged in a job with so many objects in scope."""
        return min(self.floor, max(self.floor_least, scope * self.floor_percent / 100))


UNSCALED: Final = Thresholds(floor_least=5_000)
"""The thresholds as Entra publishes them: the same floor for applications of every size."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Thresholds and times. ``steps``: waits between attempts in quarantine, the last one goes on; ``expires``: when nothing is tried any
    more; ``probe``: how long one attempt may take; ``rest``: how long after the end of a quarantine nothing is judged.
    """

    thresholds: Thresholds = Thresholds()
    steps: tuple[timedelta, ...] = (timedelta(hours=6), timedelta(hours=12), timedelta(hours=24))
    expires: timedelta = timedelta(days=28)
    probe: timedelta = timedelta(minutes=10)
    rest: timedelta = timedelta(hours=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """A quarantine (Microsoft Graph, ``synchronizationQuarantine``).

    ``began_at``: of this one; ``series_began_at`` and ``series_count``: of quarantines that followed each other closely. ``attempts``: how
    often it was tried; ``probe_until``: the end of the attempt under way; ``expired``: nothing is tried any more.
    """

    reason: QuarantineReason
    began_at: datetime
    series_began_at: datetime
    series_count: int = 1
    attempts: int = 0
    next_attempt_at: datetime
    probe_until: datetime | None = None
    expired: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Health:
    """How a job fares. ``refused``: the target refuses the credentials. ``judge_after``: not judged by its counts before; the last
    quarantine is kept in ``last`` until then, so that the next one continues its series.
    """

    tally: Tally = NOTHING
    refused: bool = False
    quarantine: Quarantine | None = None
    last: Quarantine | None = None
    judge_after: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What follows. ``raised``: the condition is new, or its reason is; ``cleared``: it is over. ``probes``: what failed is tried now."""

    health: Health
    raised: bool = False
    cleared: bool = False
    probes: bool = False


def judge(tally: Tally, thresholds: Thresholds) -> QuarantineReason | None:
    """Return why so many failures are too many, or nothing when they are not."""
    if tally.failing + tally.references > thresholds.total:
        return QuarantineReason.TOTAL
    if tally.failing < thresholds.floor_of(tally.scope):
        return None
    if tally.failing > thresholds.base:
        return QuarantineReason.BASE
    if tally.failing * 100 > thresholds.proportion_percent * (tally.failing + tally.ok):
        return QuarantineReason.PROPORTION
    return None


def step(health: Health, now: datetime, policy: Policy, *, recovered: int = 0, initial: bool = False) -> Step:
    """Return what follows from the counts and the time.

    ``recovered``: how many failed objects succeeded since the last step. ``initial``: an initial cycle runs; it goes on to its end however
    much of it fails, and is judged then. Refused credentials count at once, whatever runs.
    """
    reason = _reason(health, now, policy, initial=initial)
    known = health.quarantine
    if known is None:
        return _enter(health, reason, now, policy) if reason is not None else _stay_well(health, now)
    if reason is None or (recovered and reason is not QuarantineReason.EXCEPTION):
        return _lift(health, known, now, policy)
    if reason is not known.reason:
        changed = replace(known, reason=reason)
        return Step(health=replace(health, quarantine=changed), raised=True)
    return _wait(health, known, now, policy)


def lifted(health: Health, now: datetime, policy: Policy) -> Step:
    """Return what follows when an operator ends the quarantine: it begins anew only if it still fails after a while."""
    if health.quarantine is None:
        return Step(health=health)
    over = _lift(health, health.quarantine, now, policy)
    return replace(over, health=replace(over.health, last=None), probes=True)


def _reason(health: Health, now: datetime, policy: Policy, *, initial: bool) -> QuarantineReason | None:
    if health.refused:
        return QuarantineReason.EXCEPTION
    if health.quarantine is None and (initial or (health.judge_after is not None and now < health.judge_after)):
        return None
    return judge(health.tally, policy.thresholds)


def _enter(health: Health, reason: QuarantineReason, now: datetime, policy: Policy) -> Step:
    last = health.last
    quarantine = Quarantine(
        reason=reason,
        began_at=now,
        series_began_at=last.series_began_at if last else now,
        series_count=last.series_count + 1 if last else 1,
        attempts=last.attempts if last else 0,
        next_attempt_at=now,
    )
    quarantine = replace(quarantine, next_attempt_at=now + _wait_after(quarantine.attempts, policy))
    return Step(health=replace(health, quarantine=quarantine, last=None, judge_after=None), raised=True)


def _stay_well(health: Health, now: datetime) -> Step:
    """After a while without a quarantine its series is over."""
    if health.judge_after is None or now < health.judge_after:
        return Step(health=health)
    return Step(health=replace(health, last=None, judge_after=None))


def _lift(health: Health, known: Quarantine, now: datetime, policy: Policy) -> Step:
    over = replace(health, quarantine=None, last=known, judge_after=now + policy.rest)
    if judge(health.tally, policy.thresholds) is None:
        over = replace(over, last=None, judge_after=None)
    return Step(health=over, cleared=True)


def _wait(health: Health, known: Quarantine, now: datetime, policy: Policy) -> Step:
    if known.expired:
        return Step(health=health)
    if now >= known.series_began_at + policy.expires:
        expired = replace(known, expired=True, probe_until=None)
        return Step(health=replace(health, quarantine=expired), raised=True)
    if now < known.next_attempt_at:
        return Step(health=health)
    attempts = known.attempts + 1
    tried = replace(
        known, attempts=attempts, probe_until=now + policy.probe, next_attempt_at=now + _wait_after(attempts, policy)
    )
    return Step(health=replace(health, quarantine=tried), probes=True)


def _wait_after(attempts: int, policy: Policy) -> timedelta:
    return policy.steps[min(attempts, len(policy.steps) - 1)]
