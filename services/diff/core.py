"""What happens to one person when something arrives: the new state, the reason, and the messages to emit. No clock, no I/O.

Every function takes the state and the event as values and returns a ``Decision``. An event older than what is known changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.diff.backoff import Backoff
from services.diff.emissions import Emission, Fact, change_of, publish, skipped
from services.diff.person import Person, Sent
from services.diff.rules import Rules
from services.diff.wanted import Kind, Wanted, decide
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.outcomes import LicenseFact, LicenseState
from shared.contracts.public import EventName, UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided about one person: the kind, why, the new state, and what is to be published in this order."""

    kind: Kind
    reason: str
    person: Person
    emissions: tuple[Emission, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Occasion:
    """By which rules, when, and in whose flow a decision is taken. ``txn`` is the correlation id of what caused it."""

    rules: Rules
    backoff: Backoff
    at: datetime
    txn: str


def unchanged(person: Person, reason: str) -> Decision:
    """Return the decision that nothing is to be done, not even noted."""
    return Decision(kind=Kind.NOTHING, reason=reason, person=person)


def assignment_arrived(person: Person | None, assignment: DirectoryAssignment, occasion: Occasion) -> Decision:
    """Decide on a new state of the directory. A change of the source is tried at once, whatever waits for its next attempt."""
    if person is None:
        current = Person(job_id=assignment.job_id, object_id=assignment.object_id, assignment=assignment)
    elif assignment.sequence <= person.assignment.sequence:
        return unchanged(person, "An assignment at least as new is known")
    else:
        current = replace(person, assignment=assignment)
    return settle(person, current, decide(current, occasion.rules), occasion, afresh=True)


def retry_due(person: Person, occasion: Occasion) -> Decision:
    """Decide anew, with the newest assignment, when the time of the next attempt has come."""
    if person.next_attempt_at is None or person.in_flight or person.next_attempt_at > occasion.at:
        return unchanged(person, "No attempt is due")
    return settle(person, person, decide(person, occasion.rules), occasion)


def license_arrived(person: Person, fact: LicenseFact, occasion: Occasion) -> Decision:
    """Note where the person stands in the license ledger: waiting in the line, or no longer."""
    if fact.sequence <= person.license_sequence:
        return unchanged(person, "A license fact at least as new is known")
    after = replace(
        person,
        license_sequence=fact.sequence,
        license_generation=fact.generation,
        license_waiting=fact.state is LicenseState.WAITING,
    )
    facts: list[Fact] = []
    if after.in_flight and after.sent is not None and after.sent.operation is not Operation.COMPARE:
        status = _status_of_sent(after.sent, occasion.rules, license_waiting=after.license_waiting)
        if status is UserStatus.WAITING and person.status is not UserStatus.WAITING:
            facts = [Fact(event=EventName.WAITING, operation=after.sent.operation)]
        after = replace(after, status=status)
    return finish(person, after, occasion, reason=fact.reason, facts=facts)


def settle(
    before: Person | None,
    current: Person,
    wanted: Wanted,
    occasion: Occasion,
    *,
    facts: Sequence[Fact] = (),
    afresh: bool = False,
) -> Decision:
    """Carry out what is wanted: send a change, explain a skip, or note that all is well. ``afresh`` forgets earlier failures."""
    if wanted.in_scope and not current.entered:
        facts = (*facts, Fact(event=EventName.FEED_ADD))
    if wanted.writes:
        return _send(before, current, wanted, occasion, facts=facts, afresh=afresh)
    if current.in_flight:
        # Who leaves while a change is under way is told to have left when that has come to its end.
        after = replace(current, entered=current.entered or wanted.in_scope)
        return finish(before, after, occasion, kind=wanted.kind, reason=wanted.reason, facts=facts)
    return _rest(before, current, wanted, occasion, facts=facts)


def _send(
    before: Person | None,
    current: Person,
    wanted: Wanted,
    occasion: Occasion,
    *,
    facts: Sequence[Fact],
    afresh: bool,
) -> Decision:
    written = wanted.resource if wanted.kind is Kind.CREATE else [item.path for item in wanted.modified]
    touched = frozenset(written)
    if current.in_flight and current.sent:
        touched |= current.sent.touched
    attempts = 0 if afresh else current.attempts
    sent = Sent(
        generation=current.generation + 1,
        operation=wanted.kind.operation,
        resource=wanted.resource,
        touched=touched,
    )
    after = replace(
        current,
        sent=sent,
        in_flight=True,
        entered=wanted.in_scope,
        status=_status_of_sent(sent, occasion.rules, license_waiting=current.license_waiting),
        reason_code=wanted.code,
        reasons=wanted.reasons,
        attempts=attempts,
        next_attempt_at=None,
    )
    reason = f"{wanted.reason} (attempt {attempts + 1})" if attempts else wanted.reason
    change = change_of(after, wanted, active=wanted.kind is not Kind.DISABLE, reason=reason, at=occasion.at)
    return finish(before, after, occasion, kind=wanted.kind, reason=reason, emissions=[change], facts=facts)


def _rest(
    before: Person | None, current: Person, wanted: Wanted, occasion: Occasion, *, facts: Sequence[Fact]
) -> Decision:
    """Note that nothing is under way and nothing is to be written."""
    if current.entered and not wanted.in_scope and not any(fact.event in _LEAVINGS for fact in facts):
        facts = (*facts, Fact(event=EventName.FEED_REMOVE, code=wanted.code))
    after = replace(
        current,
        entered=wanted.in_scope,
        status=_status_at_rest(current, wanted, occasion.rules),
        reason_code=wanted.code,
        reasons=wanted.reasons,
        attempts=0,
        next_attempt_at=None,
    )
    emissions = []
    if wanted.kind is Kind.SKIP and _tells_something_new(before, after):
        emissions.append(skipped(after, wanted, occasion.at))
        if not any(fact.event in _LEAVINGS for fact in facts):
            facts = (*facts, Fact(event=EventName.SKIPPED, code=wanted.code))
    return finish(before, after, occasion, kind=wanted.kind, reason=wanted.reason, emissions=emissions, facts=facts)


_LEAVINGS = frozenset({EventName.FEED_REMOVE, EventName.DEACTIVATE, EventName.WITHDRAWN})


def _status_of_sent(sent: Sent, rules: Rules, *, license_waiting: bool) -> UserStatus:
    wants_license = sent.resource.get(rules.active_path) is True
    return UserStatus.WAITING if license_waiting and wants_license else UserStatus.PENDING


def _status_at_rest(person: Person, wanted: Wanted, rules: Rules) -> UserStatus:
    if wanted.kind is Kind.SKIP or person.account is None:
        return UserStatus.SKIPPED
    return UserStatus.PROVISIONED if person.is_active(rules.active_path) else UserStatus.DISABLED


def _tells_something_new(before: Person | None, after: Person) -> bool:
    return before is None or before.status is not UserStatus.SKIPPED or before.reasons != after.reasons


def finish(
    before: Person | None,
    after: Person,
    occasion: Occasion,
    *,
    kind: Kind = Kind.NOTHING,
    reason: str,
    emissions: Sequence[Emission] = (),
    facts: Sequence[Fact] = (),
) -> Decision:
    """Return the decision with its public messages behind its own."""
    active_path = occasion.rules.active_path
    person, public = publish(before, after, facts, active_path=active_path, txn=occasion.txn, at=occasion.at)
    return Decision(kind=kind, reason=reason, person=person, emissions=(*emissions, *public))
