"""Commands come in: the newest generation of each object is kept, every older one gets the outcome ``superseded``."""

from collections.abc import Sequence
from dataclasses import dataclass

from services.scim_writer import store
from services.scim_writer.intake import Decision, Place, decide
from services.scim_writer.metrics import WRITES
from services.scim_writer.outcomes import cause_of, outcome_id, superseded
from services.scim_writer.store import Key, LockedRow, StoredCommand
from shared.contracts.changes import Command
from shared.contracts.cloudevents import Envelope
from shared.contracts.outcomes import Result
from shared.runtime.errors import WaitError
from shared.runtime.transaction import Received, Transaction


class RowsTakenError(WaitError):
    """Another process stored the same objects at the same moment (partitions are moving); the batch is handled again."""

    def __init__(self) -> None:
        super().__init__("another process stores commands of the same objects; trying again")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Arrival:
    command: Command
    envelope: Envelope

    def stored(self) -> StoredCommand:
        return StoredCommand(
            generation=self.command.generation,
            command=self.command.body().decode(),
            correlation_id=self.envelope.correlation_id,
            traceparent=self.envelope.traceparent,
        )


async def take_commands(tx: Transaction, received: Sequence[Received[Command]]) -> None:
    """Store a batch of commands and tell the executing process. Order of arrival is kept within the batch."""
    arrived: dict[Key, dict[int, _Arrival]] = {}
    for item in received:
        command = item.message
        generations = arrived.setdefault((command.job_id, command.object_id), {})
        generations.setdefault(command.generation, _Arrival(command=command, envelope=item.envelope))
    locked = await store.lock_work(tx.connection, arrived)
    places: dict[Place, list[tuple[Key, StoredCommand]]] = {place: [] for place in Place}
    for key, generations in arrived.items():
        row = locked.get(key)
        decision = decide(row.stored if row is not None else None, list(generations))
        if decision.place is not None and decision.taken is not None:
            places[decision.place].append((key, generations[decision.taken].stored()))
        _supersede(tx, decision, generations, row)
    if await store.insert_work(tx.connection, places[Place.NEW]) != len(places[Place.NEW]):
        raise RowsTakenError
    await store.replace_work(tx.connection, places[Place.CURRENT])
    await store.store_next(tx.connection, places[Place.NEXT])
    await store.announce(tx.connection, (key[0] for place in places.values() for key, _ in place))


def _supersede(tx: Transaction, decision: Decision, generations: dict[int, _Arrival], row: LockedRow | None) -> None:
    for generation in decision.superseded:
        arrival = generations.get(generation)
        if arrival is not None:
            command, cause = arrival.command, arrival.envelope
        else:
            command, cause = _stored(row, generation, tx)
        outcome = superseded(command, at=tx.now)
        tx.emit(outcome, event_id=outcome_id(outcome), cause=cause)
        WRITES.labels(command.operation, Result.SUPERSEDED).inc()


def _stored(row: LockedRow | None, generation: int, tx: Transaction) -> tuple[Command, Envelope]:
    kept = next(
        item
        for item in ((row.current, row.following) if row is not None else ())
        if item is not None and item.generation == generation
    )
    command = Command.model_validate_json(kept.command)
    return command, cause_of(command, kept.correlation_id, kept.traceparent, tx.now)
