"""Environment variables of license-allocator, beside those that every service has."""

from pydantic import Field

from shared.runtime.settings import Seconds, Settings


class AllocatorSettings(Settings):
    """Settings of license-allocator; the variables start with ``SEATKEEPER_LICENSE_ALLOCATOR_``."""

    license_allocator_line_records: int = Field(
        default=500, ge=1, le=5_000, description="Most users of a waiting line that one transaction lets out"
    )
    license_allocator_line_seconds: Seconds = Field(
        default=0.5, description="How often waiting lines that may move are looked for, and the gauges are set"
    )


ServiceSettings = AllocatorSettings
