"""Composition root of license-allocator."""

from services.license_allocator.handlers import Handlers
from services.license_allocator.line import Line
from services.license_allocator.settings import AllocatorSettings
from shared.contracts.changes import Change
from shared.contracts.control import JobRecord
from shared.contracts.outcomes import ProvisioningOutcome
from shared.contracts.topics import ALLOCATOR
from shared.runtime.consume import Subscription
from shared.runtime.service import Background, Service


def build(settings: AllocatorSettings) -> Service:
    """Return the service: outcomes before changes, so that a license that a batch frees can go out in the same batch."""
    handlers = Handlers(most_from_line=settings.license_allocator_line_records)
    line = Line(handlers, every_seconds=settings.license_allocator_line_seconds)
    return Service(
        name=ALLOCATOR,
        settings=settings,
        subscriptions=[
            Subscription(message=JobRecord, handler=handlers.on_jobs),
            Subscription(message=ProvisioningOutcome, handler=handlers.on_outcomes),
            Subscription(message=Change, handler=handlers.on_changes),
        ],
        background=[Background(name="waiting-line", run=line.run)],
    )
