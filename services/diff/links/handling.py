"""What diff does when operators ask about links, and with the answers to comparisons: load the batch, decide in memory, save the batch."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from prometheus_client import Counter

from services.diff import matching_values, store
from services.diff.handlers import Handlers, emit, rules_of, save_decided
from services.diff.links import store as links
from services.diff.links.changing import link_asked
from services.diff.links.comparing import comparable, compare, compared
from services.diff.person import Person
from services.diff.store import Key, key_of
from shared.contracts.changes import Operation
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.job import DriftMode
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome
from shared.runtime.jobs import Job
from shared.runtime.log import logger
from shared.runtime.transaction import Received, Transaction

_log = logger(__name__)
FINDINGS: Final = Counter(
    "seatkeeper_comparisons_total", "Comparisons of links with the target, by what they found.", ["finding"]
)
_CHANGES: Final = frozenset({RequestKind.DELETE_LINK, RequestKind.REPAIR_LINK})
_ABOUT_LINKS: Final = _CHANGES | {RequestKind.COMPARE_LINKS}


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkHandlers:
    """The handlers of one process; they keep nothing between batches."""

    handlers: Handlers

    async def requests(self, tx: Transaction, received: Sequence[Received[OperatorRequest]]) -> None:
        """Delete and repair links, compare one, or begin to compare all of a job; other requests are for others."""
        batch = [item for item in received if item.message.kind in _ABOUT_LINKS]
        if not batch:
            return
        jobs = await tx.jobs({item.message.job_id for item in batch})
        rules = rules_of(jobs)
        batch = [item for item in batch if item.message.job_id in rules]
        keys = {key_of(item.message) for item in batch if item.message.object_type is ObjectType.USER}
        known = await store.lock_persons(tx.connection, keys)
        loaded = {key: stored.person for key, stored in known.items()}
        taken = await matching_values.note(tx.connection, loaded.values(), rules)
        persons = loaded.copy()
        changed: dict[Key, Person] = {}
        asked: list[tuple[Key, int, bool]] = []
        for item in batch:
            request, key = item.message, key_of(item.message)
            correct = wants_correction(jobs[request.job_id])
            if request.object_type is ObjectType.JOB:
                if request.kind is RequestKind.COMPARE_LINKS:
                    await links.begin_sweep(tx.connection, request.job_id, correct=correct, at=tx.now)
                continue
            person = persons.get(key)
            if person is None:
                _log.info("link not changed", action=request.kind, job_id=key[0], reason="the person is not known")
                continue
            occasion = self.handlers.occasion(tx, rules[key[0]], item.envelope.correlation_id, taken=key in taken)
            decision = link_asked(person, request, occasion) if request.kind in _CHANGES else compare(person, occasion)
            emit(tx, decision, item.envelope)
            if decision.person is not person:
                persons[key] = changed[key] = decision.person
                if request.kind is RequestKind.COMPARE_LINKS:
                    asked.append((key, decision.person.generation, correct))
        await save_decided(tx, loaded, changed, rules)
        await links.save_asked(tx.connection, asked, tx.now)

    async def answers(self, tx: Transaction, received: Sequence[Received[ProvisioningOutcome]]) -> None:
        """Decide on what comparisons found."""
        answers = [item for item in received if item.message.operation is Operation.COMPARE]
        if not answers:
            return
        rules = rules_of(await tx.jobs({item.message.job_id for item in answers}))
        answers = [item for item in answers if item.message.job_id in rules]
        keys = {(item.message.job_id, item.message.object_id) for item in answers}
        known = await store.lock_persons(tx.connection, keys)
        loaded = {key: stored.person for key, stored in known.items()}
        taken = await matching_values.note(tx.connection, loaded.values(), rules)
        persons = loaded.copy()
        asked = await links.load_asked(tx.connection, keys)
        changed: dict[Key, Person] = {}
        ended: list[links.Ended] = []
        for item in answers:
            outcome, key = item.message, (item.message.job_id, item.message.object_id)
            if key not in persons or key not in asked or asked[key].generation != outcome.generation:
                continue
            occasion = self.handlers.occasion(tx, rules[key[0]], item.envelope.correlation_id, taken=key in taken)
            found = compared(
                persons[key], outcome, occasion, correct=asked[key].correct, corrected=asked[key].corrected
            )
            emit(tx, found.decision, item.envelope)
            if found.decision.person is not persons[key]:
                persons[key] = changed[key] = found.decision.person
            FINDINGS.labels(found.finding).inc()
            ended.append(
                links.Ended(key=key, generation=outcome.generation, finding=found.finding, corrected=found.corrected)
            )
        await save_decided(tx, loaded, changed, rules)
        await links.save_ended(tx.connection, ended, tx.now)

    async def sweep(self, tx: Transaction, job: Job, limit: int) -> bool:
        """Compare the next links of a job, at most ``limit``; return whether the sweep goes on. The caller holds the sweep's lock."""
        state = await links.lock_sweep(tx.connection, job.job_id)
        if state is None or state.finished_at is not None:
            return False
        found = await links.lock_linked(tx.connection, job.job_id, state.position, limit)
        rules = rules_of({job.job_id: job})[job.job_id]
        changed: list[Person] = []
        for stored in found.values():
            if not comparable(stored.person):
                continue  # what is under way is confirmed by its own outcome
            decision = compare(stored.person, self.handlers.occasion(tx, rules, ""))
            emit(tx, decision, None)
            changed.append(decision.person)
        await store.save_decided(tx.connection, changed)
        asked = [((person.job_id, person.object_id), person.generation, state.correct) for person in changed]
        await links.save_asked(tx.connection, asked, tx.now)
        more = len(found) == limit
        position = max((object_id for _, object_id in found), default=state.position)
        await links.move_sweep(tx.connection, job.job_id, position, None if more else tx.now)
        return more


def wants_correction(job: Job) -> bool:
    """Return whether differences of a job are to be written again, instead of only reported."""
    return job.definition.settings.drift_check.mode is DriftMode.CORRECT
