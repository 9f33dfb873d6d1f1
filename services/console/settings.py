"""The environment variables of console, beside those that every service shares."""

from pydantic import Field

from shared.runtime.settings import Seconds, Settings


class ConsoleSettings(Settings):
    """Settings of console. Its API and pages listen on ``http_host`` and ``http_port``, where /livez, /readyz and /metrics are too."""

    console_retention_days: int = Field(
        default=30, ge=1, le=3650, description="How long timelines, the provisioning log and cycles are kept"
    )
    console_session_hours: int = Field(default=12, ge=1, le=168, description="How long a sign-in to the pages lasts")
    console_on_demand_seconds: Seconds = Field(
        default=30, description="How long an answer to provision on demand is waited for before 202 is answered"
    )
    console_connection_test_seconds: Seconds = Field(
        default=15, description="Time limit of each of the two checks of Test Connection"
    )


ServiceSettings = ConsoleSettings
