"""What messages tell of users on demand: facts by the id of the request, outcomes by its correlation id."""

from collections.abc import Sequence

from services.console.on_demand.store import QUERIES
from services.console.provisioning_log import for_people
from shared.contracts.on_demand import DemandFact, DemandStage
from shared.contracts.outcomes import LicenseFact, LicenseState, ProvisioningOutcome, Result
from shared.runtime.database import Connection
from shared.runtime.transaction import Received

_STATEMENTS = {DemandStage.SOURCE: "note_source", DemandStage.DECISION: "note_decision"}


async def note_facts(connection: Connection, facts: Sequence[DemandFact]) -> None:
    """Note what watcher and diff said of users on demand; a repeat says the same."""
    for stage, statement in _STATEMENTS.items():
        said = {(fact.job_id, fact.request_id): fact for fact in facts if fact.stage is stage}
        if said:
            await connection.execute(
                getattr(QUERIES, statement),
                [job_id for job_id, _ in said],
                [request_id for _, request_id in said],
                [fact.object_id for fact in said.values()],
                [fact.body().decode() for fact in said.values()],
                [fact.result is not None for fact in said.values()],
            )


async def note_outcomes(connection: Connection, received: Sequence[Received[ProvisioningOutcome]]) -> None:
    """Note what became of the changes of users on demand. Those of everybody else find no open request.

    What is kept is what may be shown: no value of a redacted path.
    """
    ended = [item for item in received if item.message.result is not Result.SKIPPED]
    if ended:
        await connection.execute(
            QUERIES.note_outcomes,
            [item.envelope.correlation_id for item in ended],
            [item.message.job_id for item in ended],
            [for_people(item.message).body().decode() for item in ended],
        )


async def note_licenses(connection: Connection, received: Sequence[Received[LicenseFact]]) -> None:
    """Note that a user on demand waits for a license."""
    waiting = [item for item in received if item.message.state is LicenseState.WAITING]
    if waiting:
        await connection.execute(
            QUERIES.note_waiting,
            [item.envelope.correlation_id for item in waiting],
            [item.message.job_id for item in waiting],
            [item.message.body().decode() for item in waiting],
        )
