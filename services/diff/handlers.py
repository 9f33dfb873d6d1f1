"""What diff does with each message type and when attempts are due: load the batch, decide in memory, save the batch."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TypeVar

from services.diff import matching_values, store
from services.diff.backoff import Backoff
from services.diff.core import (
    Decision,
    Occasion,
    assignment_arrived,
    license_arrived,
    retry_due,
    with_assignment,
)
from services.diff.demands import demanded
from services.diff.flows import envelope_of
from services.diff.following import move_of
from services.diff.groups import members
from services.diff.groups.handlers import GroupHandlers
from services.diff.health.store import add_deltas
from services.diff.health.tally import by_job
from services.diff.job_rules import job_rules
from services.diff.outcomes import outcome_arrived
from services.diff.person import Person
from services.diff.references import store as references
from services.diff.references.resolving import resolved
from services.diff.removals import cycles
from services.diff.removals.staging import removal_let_out
from services.diff.rules import Rules
from services.diff.store import Flow, Key, Stored, key_of
from shared.contracts.assignments import CycleKind, DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.cloudevents import Envelope
from shared.contracts.message import Message, ObjectType
from shared.contracts.outcomes import LicenseFact, ProvisioningOutcome, Result
from shared.runtime.jobs import Job
from shared.runtime.transaction import Received, Transaction

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Handlers:
    """The handlers of one process; they keep nothing between batches."""

    backoff: Backoff
    retry_batch: int
    gathering: timedelta = timedelta(seconds=1)

    @property
    def groups(self) -> GroupHandlers:
        """Return the handlers of groups."""
        return GroupHandlers(backoff=self.backoff, batch=self.retry_batch, gathering=self.gathering)

    async def assignments(self, tx: Transaction, received: Sequence[Received[DirectoryAssignment]]) -> None:
        """Decide on new states of the directory. Raises ``JobUnknownError`` while a job's definition has not arrived."""
        await self.groups.assignments(tx, received)
        batch, rules = await _select(tx, received)
        known = await store.lock_persons(tx.connection, {key_of(item.message) for item in batch})
        loaded = {key: stored.person for key, stored in known.items()}
        rejected = await cycles.rejected(tx.connection, cycles.staged_among(loaded.values()))
        taken = await matching_values.note(tx.connection, _newest(batch, known, rules), rules)
        changed: dict[Key, Stored] = {}
        opening = [item.message for item in batch if item.message.cycle_kind is CycleKind.INITIAL]
        for item in batch:
            key = key_of(item.message)
            stored = known.get(key)
            before = stored.person if stored else None
            occasion = self.occasion(
                tx,
                rules[key[0]],
                item.envelope.correlation_id,
                taken=key in taken,
                # Whoever was asked for waits for no cycle: no mark follows.
                cycle=None if item.message.request_id else item.message.cycle_id,
                rejected=rejected,
            )
            arrived = demanded if item.message.request_id else assignment_arrived
            decision = arrived(before, item.message, occasion)
            emit(tx, decision, item.envelope)
            if decision.person is before:
                continue
            if decision.person.staged_in == item.message.cycle_id:
                opening.append(item.message)
            flow = Flow(correlation_id=item.envelope.correlation_id, traceparent=item.envelope.traceparent)
            known[key] = changed[key] = Stored(person=decision.person, flow=flow)
        seen = {
            key: one
            for key, one in changed.items()
            if key in loaded and one.person.differs_in_its_assignment_only(loaded[key])
        }
        await store.save_seen(tx.connection, list(seen.values()))
        await store.save_assigned(tx.connection, [one for key, one in changed.items() if key not in seen])
        after = {key: stored.person for key, stored in changed.items()}
        await cycles.open_cycles(tx.connection, opening)
        await cycles.join(tx.connection, cycles.staged_among(after.values()))
        await _tell(tx, loaded, after)

    async def outcomes(self, tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        """Decide on what became of changes; what diff itself said about skips, and comparisons, are passed over."""
        theirs = [
            item
            for item in received
            if item.message.result is not Result.SKIPPED and item.message.operation is not Operation.COMPARE
        ]
        await self.groups.outcomes(tx, theirs)
        await self._decide(tx, theirs, outcome_arrived)

    async def licenses(self, tx: Transaction, received: Sequence[Received[LicenseFact]]) -> None:
        """Note who waits for a license and who no longer does."""
        await self._decide(tx, received, license_arrived)

    async def retries(self, tx: Transaction) -> int:
        """Try again whatever is due at ``tx.now``, at most one batch of it; return how many persons were due."""
        due = await store.lock_due(tx.connection, tx.now, self.retry_batch)
        rules = rules_of(await tx.jobs({job_id for job_id, _ in due}))
        await self.decide_anew(tx, due, rules, retry_due)
        return len(due)

    async def resolve(self, tx: Transaction) -> int:
        """Look at references of persons who refer to somebody else, or have another account; return how many words there were about it.

        A piece of it at a time: somebody to whom thousands refer is gone on with in the next transaction.
        """
        words = await references.take_changed(tx.connection, self.retry_batch)
        if not words:
            return 0
        found = await references.out_of_step(tx.connection, words, self.retry_batch)
        if len(found) == self.retry_batch:
            await references.note_changed(tx.connection, words)
        targets = {
            (one.job_id, one.object_id): {one.referenced_id: one.target_id} if one.target_id else {} for one in found
        }
        persons = await store.lock_persons(tx.connection, targets)
        rules = rules_of(await tx.jobs({job_id for job_id, _ in persons}))
        await self.decide_anew(
            tx,
            persons,
            rules,
            lambda person, occasion: resolved(person, targets[person.job_id, person.object_id], occasion),
        )
        return len(words)

    async def release(self, tx: Transaction, job_id: str, cycle_id: str) -> int:
        """Send removals of persons that their cycle lets out, at most one batch of them; return how many there were."""
        members = await store.lock_staged(tx.connection, job_id, cycle_id, self.retry_batch)
        await self.decide_anew(tx, members, rules_of(await tx.jobs([job_id])), removal_let_out)
        return len(members)

    async def decide_anew(
        self,
        tx: Transaction,
        stored: Mapping[Key, Stored],
        rules: Mapping[str, Rules],
        decide: Callable[[Person, Occasion], Decision],
        *,
        cycle: str | None = None,
    ) -> None:
        """Decide about locked persons without a message as the cause, in the flow of their newest assignment, and save what changed.

        Those whose job was deleted in this very moment are passed over.
        """
        there = {key: one for key, one in stored.items() if key[0] in rules}
        taken = await matching_values.note(tx.connection, (one.person for one in there.values()), rules)
        changed: dict[Key, Person] = {}
        for key, one in there.items():
            occasion = self.occasion(tx, rules[key[0]], one.flow.correlation_id, taken=key in taken, cycle=cycle)
            decision = decide(one.person, occasion)
            if decision.person != one.person or decision.emissions:
                emit(tx, decision, envelope_of(one.person.assignment, one.flow, tx.now))
                changed[key] = decision.person
        await save_decided(tx, {key: one.person for key, one in stored.items()}, changed, rules)

    async def _decide(
        self,
        tx: Transaction,
        received: Sequence[Received[M]],
        decide: Callable[[Person, M, Occasion], Decision],
    ) -> None:
        if not received:
            return
        batch, rules = await _select(tx, received)
        known = await store.lock_persons(tx.connection, {key_of(item.message) for item in batch})
        owners = matching_values.Owners()
        await owners.read(tx.connection, (item.message for item in batch))
        loaded = {key: stored.person for key, stored in known.items()}
        persons = loaded.copy()
        changed: dict[Key, Person] = {}
        for item in batch:
            key = key_of(item.message)
            person = persons.get(key)
            if person is None:
                continue  # a change is sent with the person's row in the same transaction: this one was never ours
            occasion = self.occasion(
                tx, rules[key[0]], item.envelope.correlation_id, taken=owners.another(item.message)
            )
            decision = decide(person, item.message, occasion)
            if decision.person is not person:
                emit(tx, decision, item.envelope)
                persons[key] = changed[key] = decision.person
        await save_decided(tx, loaded, changed, rules)

    def occasion(
        self,
        tx: Transaction,
        rules: Rules,
        txn: str,
        *,
        taken: bool = False,
        cycle: str | None = None,
        rejected: frozenset[str] = frozenset(),
    ) -> Occasion:
        """Return by which rules, when, and because of which cycle a decision is taken."""
        return Occasion(
            rules=rules, backoff=self.backoff, at=tx.now, txn=txn, taken=taken, cycle=cycle, rejected=rejected
        )


def _newest(
    batch: Sequence[Received[DirectoryAssignment]], known: dict[Key, Stored], rules: Mapping[str, Rules]
) -> list[Person]:
    """Return the persons as they are by the newest assignment of the batch, of jobs where it matters whose a matching value is.

    Those who keep the values that they have are left out: most of a cycle without changes.
    """
    newest: dict[Key, Person] = {}
    if not any(one.shared_values for one in rules.values()):
        return []
    for item in batch:
        key = key_of(item.message)
        before = newest.get(key) or (known[key].person if key in known else None)
        if before is None or item.message.sequence > before.assignment.sequence:
            newest[key] = with_assignment(before, item.message)
    return [
        person
        for key, person in newest.items()
        if key not in known or not matching_values.keeps(known[key].person, person.assignment)
    ]


async def _select(tx: Transaction, received: Sequence[Received[M]]) -> tuple[list[Received[M]], dict[str, Rules]]:
    """Return the messages about users of jobs that are there, and the rules of those jobs."""
    users = [item for item in received if item.message.object_type is ObjectType.USER]
    rules = rules_of(await tx.jobs({item.message.job_id for item in users}))
    return [item for item in users if item.message.job_id in rules], rules


def rules_of(jobs: Mapping[str, Job]) -> dict[str, Rules]:
    """Return the rules of those jobs that are not deleted."""
    return {job_id: job_rules(job) for job_id, job in jobs.items() if not job.deleted}


async def save_decided(
    tx: Transaction, before: Mapping[Key, Person], changed: Mapping[Key, Person], rules: Mapping[str, Rules]
) -> None:
    """Save locked persons that were decided about, and tell everything that follows them."""
    await store.save_decided(tx.connection, list(changed.values()))
    await _forget_values(tx, changed, rules)
    await _tell(tx, before, changed)


async def _forget_values(tx: Transaction, changed: Mapping[Key, Person], rules: Mapping[str, Rules]) -> None:
    """Let others have the matching values of those who have no account and get none."""
    gone = [
        key
        for key, person in changed.items()
        if rules[key[0]].shared_values and not person.may_exist and not person.entered
    ]
    await matching_values.forget(tx.connection, gone)


async def _tell(tx: Transaction, before: Mapping[Key, Person], after: Mapping[Key, Person]) -> None:
    """Let everything that follows persons follow: the counts, memberships, references."""
    await add_deltas(tx.connection, by_job((before.get(key), person) for key, person in after.items()))
    moves = [move for key, person in after.items() if (move := move_of(before.get(key), person)) is not None]
    if moves:
        await members.follow(tx, moves)
        await references.follow(tx.connection, moves)


def emit(tx: Transaction, decision: Decision, cause: Envelope | None) -> None:
    """Put what a decision says into the outbox."""
    for emission in decision.emissions:
        tx.emit(emission.message, event_id=emission.event_id, cause=cause)
