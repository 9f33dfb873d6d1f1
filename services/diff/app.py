"""The composition root of diff."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta

from services.diff.handlers import Handlers
from services.diff.health.judging import Judging
from services.diff.keeping import Keeping
from services.diff.links.handling import LinkHandlers
from services.diff.links.sweeping import comparing
from services.diff.removals.handlers import Marks
from services.diff.removals.releasing import Releasing
from services.diff.requests import Requests
from services.diff.restarts.resetting import Resetting, note_initial
from services.diff.retries import retry_timer
from services.diff.rules_pass import rules_pass
from services.diff.settings import DiffSettings
from shared.contracts.assignments import CycleMark, DirectoryAssignment
from shared.contracts.control import OperatorRequest
from shared.contracts.outcomes import JobCondition, LicenseFact, ProvisioningOutcome
from shared.runtime.consume import Subscription
from shared.runtime.service import Service
from shared.runtime.transaction import Received, Transaction


def build(settings: DiffSettings) -> Service:
    """Return the service.

    License facts of a batch come before its outcomes, as the allocator says them before a change goes out; marks come after the
    assignments that they close.
    """
    wake = asyncio.Event()
    handlers = Handlers(
        backoff=settings.backoff(),
        retry_batch=settings.diff_retry_batch_users,
        gathering=timedelta(seconds=settings.diff_gather_members_seconds),
    )
    linking = LinkHandlers(handlers=handlers)
    judging = Judging(policy=settings.quarantine_policy(), probe_users=settings.diff_retry_batch_users)
    keeping = Keeping(
        wake=wake,
        releasing=Releasing(
            releases=(handlers.release, handlers.groups.release),
            patience=timedelta(seconds=settings.diff_cycle_patience_seconds),
        ),
        judging=judging,
        resetting=Resetting(handlers=handlers, judging=judging, batch=settings.diff_retry_batch_users),
    )

    async def outcomes(tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        await handlers.outcomes(tx, received)
        await linking.answers(tx, received)

    operators = Requests(wake, judging)

    async def requests(tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> None:
        await operators(tx, received)
        await linking.requests(tx, received)

    return Service(
        name="diff",
        settings=settings,
        subscriptions=(
            Subscription(message=DirectoryAssignment, handler=handlers.assignments),
            Subscription(message=CycleMark, handler=Marks(wake, note_initial)),
            Subscription(message=LicenseFact, handler=handlers.licenses),
            Subscription(message=ProvisioningOutcome, handler=outcomes),
            Subscription(message=JobCondition, handler=judging.conditions),
            Subscription(message=OperatorRequest, handler=requests),
        ),
        background=(retry_timer(handlers), keeping.background(), rules_pass(handlers), comparing(linking)),
    )
