"""Environment variables of assignment-watcher, beside those that every service has."""

from pydantic import Field

from shared.runtime.settings import Seconds, Settings


class WatcherSettings(Settings):
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
    assignment_watcher_emit_records: int = Field(
        default=1000, ge=1, le=5_000, description="Objects that are derived and written to the outbox at once"
    )


ServiceSettings = WatcherSettings
