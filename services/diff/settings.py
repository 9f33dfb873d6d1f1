"""The environment variables of diff, beside those that every service has."""

from datetime import timedelta

from pydantic import Field

from services.diff.backoff import ESCROW_EXPIRES, ESCROW_STEPS, Backoff
from services.diff.health.quarantine import Policy, Thresholds
from shared.runtime.settings import Seconds, Settings


class DiffSettings(Settings):
    """Settings of one diff process."""

    diff_retry_first_seconds: Seconds = Field(
        default=60, description="Wait before the first attempt after the target refused a change: the next cycle"
    )
    diff_retry_soon_seconds: Seconds = Field(
        default=5, description="Wait after a fault that passes by itself; doubles with each attempt"
    )
    diff_retry_longest_seconds: Seconds = Field(default=86_400, description="No wait is longer")
    diff_retry_patience_attempts: int = Field(
        default=5,
        ge=1,
        description="Attempts to be repeated later after which the user counts as failed; attempts go on",
    )
    diff_escrow_hours: tuple[float, ...] = Field(
        default=tuple(step.total_seconds() / 3600 for step in ESCROW_STEPS),
        min_length=1,
        description="Waits, in hours, before the further attempts of a user who failed; the last one goes on (a JSON list)",
    )
    diff_escrow_days: float = Field(
        default=ESCROW_EXPIRES / timedelta(days=1),
        gt=0,
        description="Days after which a failed user is not tried again by itself",
    )
    diff_retry_batch_users: int = Field(default=500, ge=1, le=5_000, description="Most users tried again at once")
    diff_gather_members_seconds: Seconds = Field(
        default=1, description="How long changed members of a group wait for more, so that they go out in one request"
    )
    diff_cycle_patience_seconds: Seconds = Field(
        default=900,
        description="How long removals wait for the end of their cycle before they are held, with that as the reason",
    )
    diff_quarantine_floor: int = Field(
        default=5_000, ge=1, description="Failed users below which a job is never quarantined"
    )
    diff_quarantine_floor_least: int = Field(
        default=20,
        ge=1,
        description="The same for a small job: the greater of this and of the per cent below counts there",
    )
    diff_quarantine_floor_percent: float = Field(default=10, ge=0, le=100, description="Per cent of the users in scope")
    diff_quarantine_hours: tuple[float, ...] = Field(
        default=(6, 12, 24),
        min_length=1,
        description="Waits, in hours, between attempts in quarantine; the last one goes on (a JSON list)",
    )
    diff_quarantine_days: float = Field(
        default=28, gt=0, description="Days after which a quarantined job is not tried again"
    )

    diff_preview_seconds: Seconds = Field(
        default=600, description="How long the plan of one preview may take, from the moment it was asked for"
    )

    def backoff(self) -> Backoff:
        """Return the schedule of retries."""
        return Backoff(
            first=timedelta(seconds=self.diff_retry_first_seconds),
            soon=timedelta(seconds=self.diff_retry_soon_seconds),
            longest=timedelta(seconds=self.diff_retry_longest_seconds),
            patience=self.diff_retry_patience_attempts,
            steps=tuple(timedelta(hours=hours) for hours in self.diff_escrow_hours),
            expires=timedelta(days=self.diff_escrow_days),
        )

    def quarantine_policy(self) -> Policy:
        """Return when a job is quarantined, and how seldom it is tried then."""
        thresholds = Thresholds(
            floor=self.diff_quarantine_floor,
            floor_least=self.diff_quarantine_floor_least,
            floor_percent=self.diff_quarantine_floor_percent,
        )
        return Policy(
            thresholds=thresholds,
            steps=tuple(timedelta(hours=hours) for hours in self.diff_quarantine_hours),
            expires=timedelta(days=self.diff_quarantine_days),
        )


ServiceSettings = DiffSettings
