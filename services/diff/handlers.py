"""What diff does with each message type and when attempts are due: load the batch, decide in memory, save the batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from services.diff import store
from services.diff.backoff import Backoff
from services.diff.core import Decision, Occasion, assignment_arrived, license_arrived, retry_due
from services.diff.demands import demanded
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.store import Flow, Key, Stored
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.cloudevents import Envelope
from shared.contracts.ids import derived_id
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import LicenseFact, ProvisioningOutcome, Result
from shared.runtime.jobs import Job
from shared.runtime.transaction import Received, Transaction

M = TypeVar("M", bound=Message)

_SOURCE = "/seatkeeper/diff"


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The handlers of one process; they keep nothing between batches."""

    backoff: Backoff
    retry_batch: int

    async def assignments(self, tx: Transaction, received: Sequence[Received[DirectoryAssignment]]) -> None:
        """Decide on new states of the directory. Raises ``JobUnknownError`` while a job's definition has not arrived."""
        batch, rules = await _select(tx, received)
        known = await store.lock_persons(tx.connection, {_key(item.message) for item in batch})
        changed: dict[Key, Stored] = {}
        for item in batch:
            key = _key(item.message)
            stored = known.get(key)
            before = stored.person if stored else None
            occasion = self.occasion(tx, rules[key[0]], item.envelope.correlation_id)
            arrived = demanded if item.message.request_id else assignment_arrived
            decision = arrived(before, item.message, occasion)
            emit(tx, decision, item.envelope)
            if decision.person is before:
                continue
            flow = Flow(correlation_id=item.envelope.correlation_id, traceparent=item.envelope.traceparent)
            known[key] = changed[key] = Stored(person=decision.person, flow=flow)
        await store.save_assigned(tx.connection, list(changed.values()))

    async def outcomes(self, tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        """Decide on what became of changes; what diff itself said about skips, and comparisons, are passed over."""
        theirs = [
            item
            for item in received
            if item.message.result is not Result.SKIPPED and item.message.operation is not Operation.COMPARE
        ]
        await self._decide(tx, theirs, outcome_arrived)

    async def licenses(self, tx: Transaction, received: Sequence[Received[LicenseFact]]) -> None:
        """Note who waits for a license and who no longer does."""
        await self._decide(tx, received, license_arrived)

    async def retries(self, tx: Transaction) -> int:
        """Try again whatever is due at ``tx.now``, at most one batch of it; return how many persons were due."""
        due = await store.lock_due(tx.connection, tx.now, self.retry_batch)
        rules = rules_of(await tx.jobs({job_id for job_id, _ in due}))
        changed: list[Person] = []
        for key, stored in due.items():
            if key[0] not in rules:
                continue  # the job was deleted in this very moment
            decision = retry_due(stored.person, self.occasion(tx, rules[key[0]], stored.flow.correlation_id))
            emit(tx, decision, _envelope_of(stored, tx))
            changed.append(decision.person)
        await store.save_decided(tx.connection, changed)
        return len(due)

    async def _decide(
        self,
        tx: Transaction,
        received: Sequence[Received[M]],
        decide: Callable[[Person, M, Occasion], Decision],
    ) -> None:
        if not received:
            return
        batch, rules = await _select(tx, received)
        known = await store.lock_persons(tx.connection, {_key(item.message) for item in batch})
        persons = {key: stored.person for key, stored in known.items()}
        changed: dict[Key, Person] = {}
        for item in batch:
            key = _key(item.message)
            person = persons.get(key)
            if person is None:
                continue  # a change is sent with the person's row in the same transaction: this one was never ours
            decision = decide(person, item.message, self.occasion(tx, rules[key[0]], item.envelope.correlation_id))
            if decision.person is not person:
                emit(tx, decision, item.envelope)
                persons[key] = changed[key] = decision.person
        await store.save_decided(tx.connection, list(changed.values()))

    def occasion(self, tx: Transaction, rules: Rules, txn: str) -> Occasion:
        """Return by which rules and when a decision is taken."""
        return Occasion(rules=rules, backoff=self.backoff, at=tx.now, txn=txn)


async def _select(tx: Transaction, received: Sequence[Received[M]]) -> tuple[list[Received[M]], dict[str, Rules]]:
    """Return the messages about users of jobs that are there, and the rules of those jobs."""
    users = [item for item in received if item.message.object_type is ObjectType.USER]
    rules = rules_of(await tx.jobs({item.message.job_id for item in users}))
    return [item for item in users if item.message.job_id in rules], rules


def rules_of(jobs: Mapping[str, Job]) -> dict[str, Rules]:
    """Return the rules of those jobs that are not deleted."""
    return {job_id: Rules.of(job.definition, job.template) for job_id, job in jobs.items() if not job.deleted}


def _key(message: Message) -> Key:
    return message.job_id, message.object_id


def emit(tx: Transaction, decision: Decision, cause: Envelope | None) -> None:
    """Put what a decision says into the outbox."""
    for emission in decision.emissions:
        tx.emit(emission.message, event_id=emission.event_id, cause=cause)


def _envelope_of(stored: Stored, tx: Transaction) -> Envelope:
    """Return the flow of a person's newest assignment as a cause: a timer has no message of its own."""
    assignment = stored.person.assignment
    return Envelope(
        id=derived_id("assignment", assignment.job_id, assignment.object_id, assignment.sequence),
        source=_SOURCE,
        type=assignment.type,
        subject=assignment.key,
        time=tx.now,
        sequence=assignment.sequence,
        correlation_id=stored.flow.correlation_id,
        traceparent=stored.flow.traceparent,
    )
