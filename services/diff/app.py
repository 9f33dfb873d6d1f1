"""The composition root of diff."""

from services.diff.handlers import Handlers
from services.diff.retries import retry_timer
from services.diff.rules_pass import rules_pass
from services.diff.settings import DiffSettings
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.outcomes import LicenseFact, ProvisioningOutcome
from shared.runtime.consume import Subscription
from shared.runtime.service import Service


def build(settings: DiffSettings) -> Service:
    """Return the service. License facts of a batch come before its outcomes, as the allocator says them before a change goes out."""
    handlers = Handlers(backoff=settings.backoff(), retry_batch=settings.diff_retry_batch_users)
    return Service(
        name="diff",
        settings=settings,
        subscriptions=(
            Subscription(message=DirectoryAssignment, handler=handlers.assignments),
            Subscription(message=LicenseFact, handler=handlers.licenses),
            Subscription(message=ProvisioningOutcome, handler=handlers.outcomes),
        ),
        background=(retry_timer(handlers), rules_pass(handlers)),
    )
