"""Environment variables of assignment-watcher, beside those that every service has."""

from pathlib import Path
from typing import Any

from pydantic import Field, field_validator

from services.assignment_watcher.notifications.settings import NotificationSettings
from shared.runtime.settings import Seconds


class WatcherSettings(NotificationSettings):
    """Settings of assignment-watcher; the variables start with ``SEATKEEPER_ASSIGNMENT_WATCHER_``."""

    assignment_watcher_request_tries: int = Field(
        default=6, ge=1, le=20, description="Most tries of one request to the source before its cycle fails"
    )
    assignment_watcher_request_patience_seconds: Seconds = Field(
        default=600, description="Longest time for all tries of one request, waiting included"
    )
    assignment_watcher_first_retry_seconds: Seconds = Field(
        default=0.5, description="Wait before the second try when the source does not say how long; it doubles"
    )
    assignment_watcher_request_timeout_seconds: Seconds = Field(
        default=60, description="Time limit of one request to the source"
    )
    assignment_watcher_full_read_slice_seconds: Seconds = Field(
        default=10,
        description="How long the full read of one stream may hold up a cycle before it goes on in the next one",
    )
    assignment_watcher_resync_damper_seconds: float = Field(
        default=21_600,
        ge=0,
        le=604_800,
        description="Least time between two full reads of a stream that a dead link forces",
    )
    assignment_watcher_guard_count: int = Field(
        default=50,
        ge=0,
        description="More removals in one cycle than this and than the per cent are held until somebody approves them",
    )
    assignment_watcher_guard_percent: int = Field(
        default=10,
        ge=0,
        le=100,
        description="Per cent of the assigned users and groups, see GUARD_COUNT: the greater of the two counts",
    )
    assignment_watcher_emit_records: int = Field(
        default=1000, ge=1, le=5_000, description="Objects that are derived and written to the outbox at once"
    )
    assignment_watcher_snapshot_folder: Path | None = Field(
        default=None, description="The only folder whose files a job with a snapshot as its source may read"
    )
    assignment_watcher_snapshot_bytes: int = Field(
        default=256_000_000, ge=1, description="Most bytes of one snapshot, all of its files together"
    )

    @field_validator("assignment_watcher_snapshot_folder", mode="before")
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        # An empty path would be the folder that the process was started in.
        return value or None


ServiceSettings = WatcherSettings
