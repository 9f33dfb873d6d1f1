"""What console does with each message: note it in the read models. Every handler is a fixed number of statements for a batch."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TypeVar

from services.console import core, store, timeline
from services.console.core import Person
from services.console.links import noting
from services.console.on_demand import following
from services.console.store import QUERIES, Key
from services.console.timeline import Entry
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Change, Command, Operation
from shared.contracts.links import LinkFact
from shared.contracts.message import Message, ObjectType
from shared.contracts.on_demand import DemandFact
from shared.contracts.outcomes import CycleFact, CyclePhase, JobCondition, LicenseFact, ProvisioningOutcome
from shared.contracts.source import HoldFact, SourceState
from shared.runtime.transaction import Received, Transaction

M = TypeVar("M", bound=Message)
NOBODY = Person()


async def note_assignments(tx: Transaction, received: Sequence[Received[DirectoryAssignment]]) -> None:
    """Note what the directory says of users, and how many objects the running cycles have emitted."""
    await _note_people(tx, received, core.with_assignment, lambda item: timeline.of_assignment(item.message))
    found = Counter(
        (item.message.job_id, item.message.cycle_id, item.message.cycle_kind)
        for item in received
        if item.message.request_id is None  # a user on demand belongs to no cycle
    )
    first = {item.message.cycle_id: item.message.observed_at for item in reversed(received)}
    await tx.connection.execute(
        QUERIES.count_cycle_objects,
        [job_id for job_id, _, _ in found],
        [cycle_id for _, cycle_id, _ in found],
        [kind for _, _, kind in found],
        list(found.values()),
        [first[cycle_id] for _, cycle_id, _ in found],
    )


async def note_changes(tx: Transaction, received: Sequence[Received[Change]]) -> None:
    """Note what diff wants. A comparison is no change."""
    received = [item for item in received if item.message.operation is not Operation.COMPARE]
    await _note_people(tx, received, core.with_change, lambda item: timeline.of_change(item.message))


async def note_commands(tx: Transaction, received: Sequence[Received[Command]]) -> None:
    """Note what the license-allocator allows. A comparison is no change."""
    received = [item for item in received if item.message.operation is not Operation.COMPARE]
    await _note_people(
        tx, received, core.with_command, lambda item: timeline.of_command(item.message, item.envelope.time)
    )


async def note_licenses(tx: Transaction, received: Sequence[Received[LicenseFact]]) -> None:
    """Note where users stand in the license ledger."""
    await _note_people(tx, received, core.with_license, lambda item: timeline.of_license(item.message))
    await following.note_licenses(tx.connection, received)


async def note_outcomes(tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
    """Note what became of changes: where the user stands, the timeline, links, and the provisioning log."""
    changes = [item for item in received if item.message.operation is not Operation.COMPARE]
    await _note_people(tx, changes, core.with_outcome, lambda item: timeline.of_outcome(item.message))
    await store.append_log(tx.connection, [item for item in received if noting.worth_a_row(item.message)])
    await noting.note_outcomes(tx.connection, [item.message for item in received])
    await following.note_outcomes(tx.connection, changes)


async def note_links(tx: Transaction, received: Sequence[Received[LinkFact]]) -> None:
    """Note links that were deleted or repaired."""
    await _note_people(tx, received, core.with_link, lambda item: timeline.of_link(item.message))
    await noting.note_facts(tx.connection, [item.message for item in received])


async def note_demands(tx: Transaction, received: Sequence[Received[DemandFact]]) -> None:
    """Note how far users on demand are."""
    await following.note_facts(tx.connection, [item.message for item in received])


async def note_cycles(tx: Transaction, received: Sequence[Received[CycleFact]]) -> None:
    """Note that cycles started, completed or failed."""
    newest: dict[tuple[str, str], CycleFact] = {}
    for item in received:
        fact = item.message
        known = newest.get((fact.job_id, fact.cycle_id))
        if known is None or known.phase is CyclePhase.STARTED:
            newest[fact.job_id, fact.cycle_id] = fact
    await store.save_cycles(tx.connection, list(newest.values()))


async def note_conditions(tx: Transaction, received: Sequence[Received[JobCondition]]) -> None:
    """Note what is wrong with the whole of a job, or right again."""
    newest: dict[tuple[str, str, str], tuple[str, JobCondition]] = {}
    for item in received:
        fact, service = item.message, service_of(item)
        key = (fact.job_id, fact.condition, service)
        if key not in newest or newest[key][1].sequence < fact.sequence:
            newest[key] = (service, fact)
    await store.save_conditions(tx.connection, list(newest.values()))


async def note_sources(tx: Transaction, received: Sequence[Received[SourceState]]) -> None:
    """Note how far the source of each job was read."""
    await store.save_sources(tx.connection, _newest(received))


async def note_holds(tx: Transaction, received: Sequence[Received[HoldFact]]) -> None:
    """Note which removals are held, and what became of them."""
    await store.save_holds(tx.connection, _newest(received))


def _newest(received: Sequence[Received[M]]) -> list[M]:
    """Return of each object the message with the highest sequence."""
    newest: dict[Key, M] = {}
    for item in received:
        fact = item.message
        key = (fact.job_id, fact.object_id)
        if key not in newest or newest[key].sequence < fact.sequence:
            newest[key] = fact
    return list(newest.values())


async def _note_people(
    tx: Transaction,
    received: Sequence[Received[M]],
    join: Callable[[Person, M], Person],
    entry_of: Callable[[Received[M]], Entry],
) -> None:
    users = [item for item in received if item.message.object_type is ObjectType.USER]
    if not users:
        return
    keys = [(item.message.job_id, item.message.object_id) for item in users]
    people = await store.lock_people(tx.connection, keys)
    known = people.known
    changed: dict[Key, Person] = {}
    for key, item in zip(keys, users, strict=True):
        before = known.get(key, NOBODY)
        person = join(before, item.message)
        if person is not before:
            known[key] = changed[key] = person
    await store.save_people(tx.connection, people.numbers, changed)
    await store.append_timeline(
        tx.connection,
        ((people.numbers[key], service_of(item), entry_of(item)) for key, item in zip(keys, users, strict=True)),
    )


def service_of(item: Received[M]) -> str:
    """Return the name of the service that said a message."""
    return item.envelope.source.rpartition("/")[2]
