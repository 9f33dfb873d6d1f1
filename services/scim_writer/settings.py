"""The environment variables of scim-writer."""

from pydantic import Field

from shared.runtime.settings import Seconds, Settings


class ScimWriterSettings(Settings):
    """Settings of one scim-writer process. How fast a target may be called is a field of the job, ``target.requestsPerSecond``."""

    scim_writer_max_in_flight: int = Field(
        default=16, ge=1, le=1000, description="Users of one job written at the same time"
    )
    scim_writer_max_attempts: int = Field(
        default=5, ge=1, le=100, description="Tries of one command before it is handed back as retryLater"
    )
    scim_writer_request_seconds: Seconds = Field(default=30, description="Time limit of one request to the target")
    scim_writer_first_retry_seconds: Seconds = Field(
        default=1, description="Wait before the second try; doubles each time"
    )
    scim_writer_longest_retry_seconds: Seconds = Field(default=60, description="Longest wait between two tries")
    scim_writer_stop_after_failures: int = Field(
        default=10, ge=1, le=10_000, description="Failures of the target in a row after which no other call is made"
    )
    scim_writer_first_probe_seconds: Seconds = Field(default=1, description="Wait before a stopped target is probed")
    scim_writer_longest_probe_seconds: Seconds = Field(default=60, description="Longest wait between two probes")


ServiceSettings = ScimWriterSettings
