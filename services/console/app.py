"""The composition root of console: which messages it notes and which loops it runs."""

from services.console import handlers, prune
from services.console.settings import ConsoleSettings
from services.console.web import LOOP, Web
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Command
from shared.contracts.links import LinkFact
from shared.contracts.on_demand import DemandFact
from shared.contracts.outcomes import CycleFact, JobCondition, LicenseFact, ProvisioningOutcome
from shared.contracts.source import HoldFact, SourceState
from shared.contracts.topics import CONSOLE
from shared.runtime.consume import Subscription
from shared.runtime.service import Background, Service

SUBSCRIPTIONS = (
    Subscription(message=DirectoryAssignment, handler=handlers.note_assignments),
    Subscription(message=Change, handler=handlers.note_changes),
    Subscription(message=LicenseFact, handler=handlers.note_licenses),
    Subscription(message=Command, handler=handlers.note_commands),
    Subscription(message=ProvisioningOutcome, handler=handlers.note_outcomes),
    Subscription(message=CycleFact, handler=handlers.note_cycles),
    Subscription(message=JobCondition, handler=handlers.note_conditions),
    Subscription(message=SourceState, handler=handlers.note_sources),
    Subscription(message=HoldFact, handler=handlers.note_holds),
    Subscription(message=LinkFact, handler=handlers.note_links),
    Subscription(message=DemandFact, handler=handlers.note_demands),
)


def build(settings: ConsoleSettings) -> Service:
    """Return the service console. Raises ``StartRefusedError`` when there is no secret key to read job secrets with."""
    settings.secret_key_bytes()
    return Service(
        name=CONSOLE,
        settings=settings,
        subscriptions=SUBSCRIPTIONS,
        background=(Background(name=LOOP, run=Web().run), Background(name=prune.LOOP, run=prune.run)),
        answers_probes_itself=True,
    )
