"""What becomes of a link that an operator deletes or points at another account. No clock, no I/O.

The account at the target is not touched by that alone: what is wanted is decided anew, and the writer finds, or reads, the account before
it writes.
"""

from dataclasses import replace

from services.diff.core import Decision, Occasion, settle
from services.diff.decision_table import decide
from services.diff.emissions import Emission
from services.diff.person import Account, Person, Sent
from services.diff.wanted import Kind
from shared.contracts.changes import Operation
from shared.contracts.control import OperatorRequest, RequestKind
from shared.contracts.ids import derived_id
from shared.contracts.links import LinkFact, LinkState
from shared.contracts.message import ObjectType


def link_asked(person: Person, request: OperatorRequest, occasion: Occasion) -> Decision:
    """Delete or repair the link of ``person`` and decide anew; the fact that says what became of it comes first.

    The decision about the link takes a generation of its own: whatever a change that is still under way says of the old account no longer
    counts, and what is sent next takes its place. A request that finds nothing to do changes nothing.
    """
    if request.kind is RequestKind.DELETE_LINK:
        return _delete(person, request, occasion)
    if not request.target_id:
        return _unmoved(person, request, occasion, "The request names no account to point the link at")
    return _repair(person, request, request.target_id, occasion)


def _delete(person: Person, request: OperatorRequest, occasion: Occasion) -> Decision:
    if person.account is None:
        return _unmoved(person, request, occasion, "There is no link to delete")
    current = replace(_turned(person), account=None, doubtful=frozenset())
    reason = "The link was deleted on request; the account at the target is as it was"
    return _decided(person, current, request, occasion, state=LinkState.DELETED, reason=reason)


def _repair(person: Person, request: OperatorRequest, target_id: str, occasion: Occasion) -> Decision:
    known = person.account
    if known is not None and known.target_id == target_id:
        return _unmoved(person, request, occasion, "The link points at that account already")
    # Nothing is known of that account, so everything is in doubt; in doubt alone, a person who is out of scope is disabled there.
    current = replace(
        _turned(person),
        account=Account(target_id=target_id, resource={}),
        doubtful=frozenset({occasion.rules.active_path}),
    )
    reason = "The link was pointed at another account on request"
    return _decided(person, current, request, occasion, state=LinkState.REPAIRED, reason=reason)


def _turned(person: Person) -> Person:
    """Return the person with one generation more, nothing under way and no removal waiting: it was about another account."""
    generation = person.generation + 1
    sent = Sent(generation=generation, operation=Operation.NONE, resource={}, touched=frozenset())
    return replace(
        person,
        sent=sent,
        in_flight=False,
        settled=generation,
        attempts=0,
        next_attempt_at=None,
        staged_in=None,
        released=False,
    )


def _decided(
    person: Person, current: Person, request: OperatorRequest, occasion: Occasion, *, state: LinkState, reason: str
) -> Decision:
    decision = settle(person, current, decide(current, occasion.rules, taken=occasion.taken), occasion, afresh=True)
    fact = _fact(person, current, request, occasion, state=state, reason=reason)
    return replace(decision, emissions=(fact, *decision.emissions))


def _unmoved(person: Person, request: OperatorRequest, occasion: Occasion, reason: str) -> Decision:
    fact = _fact(person, person, request, occasion, state=LinkState.UNCHANGED, reason=reason)
    return Decision(kind=Kind.NOTHING, reason=reason, person=person, emissions=(fact,))


def _fact(
    before: Person, after: Person, request: OperatorRequest, occasion: Occasion, *, state: LinkState, reason: str
) -> Emission:
    fact = LinkFact(
        job_id=after.job_id,
        object_type=ObjectType.USER,
        object_id=after.object_id,
        sequence=after.generation,
        state=state,
        reason=reason,
        generation=after.generation,
        target_id=after.target_id,
        previous_target_id=before.target_id,
        request_id=request.idempotency_key,
        requested_by=request.requested_by,
        request_reason=request.reason,
        at=occasion.at,
    )
    event_id = derived_id("link-fact", after.job_id, after.object_id, request.kind, request.idempotency_key)
    return Emission(message=fact, event_id=event_id)
