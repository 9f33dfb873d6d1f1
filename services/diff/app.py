"""The composition root of diff."""

from collections.abc import Sequence

from services.diff.handlers import Handlers
from services.diff.links.handling import LinkHandlers
from services.diff.links.sweeping import comparing
from services.diff.retries import retry_timer
from services.diff.settings import DiffSettings
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.control import OperatorRequest
from shared.contracts.outcomes import LicenseFact, ProvisioningOutcome
from shared.runtime.consume import Subscription
from shared.runtime.service import Service
from shared.runtime.transaction import Received, Transaction


def build(settings: DiffSettings) -> Service:
    """Return the service. License facts of a batch come before its outcomes, as the allocator says them before a change goes out."""
    handlers = Handlers(backoff=settings.backoff(), retry_batch=settings.diff_retry_batch_users)
    linking = LinkHandlers(handlers=handlers)

    async def outcomes(tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        await handlers.outcomes(tx, received)
        await linking.answers(tx, received)

    return Service(
        name="diff",
        settings=settings,
        subscriptions=(
            Subscription(message=DirectoryAssignment, handler=handlers.assignments),
            Subscription(message=LicenseFact, handler=handlers.licenses),
            Subscription(message=ProvisioningOutcome, handler=outcomes),
            Subscription(message=OperatorRequest, handler=linking.requests),
        ),
        background=(retry_timer(handlers), comparing(linking)),
    )
