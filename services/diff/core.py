"""What happens to one person when something arrives: the new state, the reason, and the messages to emit. No clock, no I/O.

Every function takes the state and the event as values and returns a ``Decision``. An event older than what is known changes nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from services.diff.backoff import Backoff
from services.diff.decision_table import decide
from services.diff.emissions import Emission, Fact, change_of, publish, refused, skipped
from services.diff.escrow import NO_FAILURE, escrowed
from services.diff.person import Person, Sent, altered
from services.diff.rules import Rules
from services.diff.wanted import Kind, Wanted
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code
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
    """By which rules, when, and in whose flow a decision is taken. ``txn`` is the correlation id of what caused it.

    ``taken``: another user of the job has a matching value, or the account, of this one.
    ``cycle``: the cycle that is the cause; a removal waits until it is complete and its removals are counted. Without one a removal
    goes out at once. ``rejected``: the cycles whose removals an operator rejected.
    """

    rules: Rules
    backoff: Backoff
    at: datetime
    txn: str
    taken: bool = False
    cycle: str | None = None
    rejected: frozenset[str] = frozenset()


def unchanged(person: Person, reason: str) -> Decision:
    """Return the decision that nothing is to be done, not even noted."""
    return Decision(kind=Kind.NOTHING, reason=reason, person=person)


def assignment_arrived(person: Person | None, assignment: DirectoryAssignment, occasion: Occasion) -> Decision:
    """Decide on a new state of the directory. A change of the source is tried at once, whatever waits for its next attempt."""
    if person is not None and assignment.sequence <= person.assignment.sequence:
        return unchanged(person, "An assignment at least as new is known")
    current = with_assignment(person, assignment)
    return settle(person, current, decide(current, occasion.rules, taken=occasion.taken), occasion, afresh=True)


def with_assignment(person: Person | None, assignment: DirectoryAssignment) -> Person:
    """Return the person as the directory says it now."""
    if person is None:
        return Person(job_id=assignment.job_id, object_id=assignment.object_id, assignment=assignment)
    return replace(person, assignment=assignment)


def retry_due(person: Person, occasion: Occasion) -> Decision:
    """Decide anew, with the newest assignment, when the time of the next attempt has come."""
    if person.next_attempt_at is None or person.in_flight or person.next_attempt_at > occasion.at:
        return unchanged(person, "No attempt is due")
    return settle(person, person, decide(person, occasion.rules, taken=occasion.taken), occasion)


def rules_changed(person: Person, occasion: Occasion) -> Decision:
    """Decide anew by other rules than those of the last decision. When they come to the same, nothing changes, not even what is stored."""
    return by_other_rules(person, decide(person, occasion.rules, taken=occasion.taken), occasion)


def by_other_rules(person: Person, wanted: Wanted, occasion: Occasion) -> Decision:
    """Carry out what other rules want of a person."""
    if wanted.kind is Kind.NOTHING and person.next_attempt_at is None and wanted.in_scope is person.entered:
        return unchanged(person, wanted.reason)
    decision = settle(person, person, wanted, occasion, afresh=True)
    return unchanged(person, wanted.reason) if decision.person == person else decision


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
    cycle = _waits_for(current, wanted, occasion)
    if cycle is not None:
        return _stage(before, current, wanted, cycle, occasion, facts=facts)
    released = is_removal(wanted) or (current.released and not wanted.in_scope)
    if current.staged_in is not None or current.released is not released:
        current = replace(current, staged_in=None, released=released)
    if wanted.failure is not None:
        return _refuse(before, current, wanted, wanted.failure, occasion, facts=facts)
    if wanted.writes:
        return _send(before, current, wanted, occasion, facts=facts, afresh=afresh)
    if current.in_flight:
        # Who leaves while a change is under way is told to have left when that has come to its end.
        after = replace(current, entered=current.entered or wanted.in_scope)
        return finish(before, after, occasion, kind=wanted.kind, reason=wanted.reason, facts=facts)
    return _rest(before, current, wanted, occasion, facts=facts)


def is_removal(wanted: Wanted) -> bool:
    """Return whether an account is to be taken out of use: that is what the deletion guard counts."""
    return wanted.kind.operation in _REMOVALS


_REMOVALS = frozenset({Operation.DISABLE, Operation.DELETE})


def _waits_for(current: Person, wanted: Wanted, occasion: Occasion) -> str | None:
    """Return the cycle with which a removal has to wait, or nothing when there is no removal or it may go out.

    Once staged it stays with its cycle, however often the directory says the same again. A rejected one begins anew when other conditions
    fail than those that were rejected. Who only waits in the line for a license has no account to lose.
    """
    if not is_removal(wanted) or current.released:
        return None
    if current.staged_in is not None:
        rejected = current.staged_in in occasion.rejected and current.reasons != wanted.reasons
        return occasion.cycle if rejected and occasion.cycle else current.staged_in
    return None if current.account is None and current.license_waiting else occasion.cycle


def _stage(
    before: Person | None, current: Person, wanted: Wanted, cycle: str, occasion: Occasion, *, facts: Sequence[Fact]
) -> Decision:
    """Note that the removal waits for its cycle; what is at the target stays, and so does a change that is under way."""
    status = current.status
    if not current.in_flight:
        status = UserStatus.PENDING
        if current.account is not None:
            status = _status_at_rest(current, wanted, occasion.rules)
    after = replace(
        current,
        staged_in=cycle,
        released=False,
        status=status,
        reason_code=None,
        reasons=wanted.reasons,
        **NO_FAILURE,
    )
    reason = "The removal waits until its cycle is complete and its removals are counted"
    return finish(before, after, occasion, reason=reason, facts=facts)


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
    touched = frozenset(wanted.resource if wanted.kind is Kind.DELETE else written)
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
        failing_since=None if afresh else current.failing_since,
        escrows=0 if afresh else current.escrows,
    )
    reason = f"{wanted.reason} (attempt {attempts + 1})" if attempts else wanted.reason
    change = change_of(after, wanted, occasion.rules, reason=reason, at=occasion.at)
    return finish(before, after, occasion, kind=wanted.kind, reason=reason, emissions=[change], facts=facts)


def _rest(
    before: Person | None, current: Person, wanted: Wanted, occasion: Occasion, *, facts: Sequence[Fact]
) -> Decision:
    """Note that nothing is under way and nothing is to be written."""
    if current.entered and not wanted.in_scope and not any(fact.event in _LEAVINGS for fact in facts):
        facts = (*facts, Fact(event=EventName.FEED_REMOVE, code=wanted.code))
    if wanted.forgets:
        current = replace(current, account=None)
    after = altered(
        current,
        entered=wanted.in_scope,
        status=_status_at_rest(current, wanted, occasion.rules),
        reason_code=wanted.code,
        reasons=wanted.reasons,
        **NO_FAILURE,
    )
    emissions = []
    if wanted.kind is Kind.SKIP and _tells_something_new(before, after):
        emissions.append(skipped(after, wanted, occasion.at))
        if not any(fact.event in _LEAVINGS for fact in facts):
            facts = (*facts, Fact(event=EventName.SKIPPED, code=wanted.code))
    return finish(before, after, occasion, kind=wanted.kind, reason=wanted.reason, emissions=emissions, facts=facts)


def _refuse(
    before: Person | None, current: Person, wanted: Wanted, code: Code, occasion: Occasion, *, facts: Sequence[Fact]
) -> Decision:
    """Note a failure that needs no word with the target, and try again later; it is told when it begins."""
    after = escrowed(current, occasion.backoff, occasion.at, passes=False)
    after = replace(after, entered=True, status=UserStatus.FAILED, reason_code=code, reasons=(wanted.reason,))
    emissions = []
    if before is None or (before.status, before.reason_code) != (after.status, after.reason_code):
        emissions.append(refused(after, wanted, code, occasion.at))
        facts = (*facts, Fact(event=EventName.FAILED, code=code))
    return finish(before, after, occasion, kind=wanted.kind, reason=wanted.reason, emissions=emissions, facts=facts)


_LEAVINGS = frozenset({EventName.FEED_REMOVE, EventName.DEACTIVATE, EventName.DELETE, EventName.WITHDRAWN})


_LICENSED = frozenset({Operation.CREATE, Operation.UPDATE})


def _status_of_sent(sent: Sent, rules: Rules, *, license_waiting: bool) -> UserStatus:
    wants_license = sent.operation in _LICENSED and sent.resource.get(rules.active_path) is not False
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
