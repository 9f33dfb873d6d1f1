"""The environment variables of diff, beside those that every service has."""

from datetime import timedelta

from pydantic import Field

from services.diff.backoff import ESCROW_EXPIRES, ESCROW_STEPS, Backoff
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
        default=ESCROW_EXPIRES / timedelta(days=1), gt=0, description="Days after which a failed user is not tried again by itself"
    )
    diff_retry_batch_users: int = Field(default=500, ge=1, le=5_000, description="Most users tried again at once")

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


ServiceSettings = DiffSettings
