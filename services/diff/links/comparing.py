"""Comparing what the target confirmed with what it holds: the read-only change that asks, and what its answer means. No clock, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import blake2b
from typing import Any

import orjson

from services.diff.core import Decision, Occasion, settle, unchanged
from services.diff.decision_table import decide
from services.diff.emissions import Emission
from services.diff.person import Person, Sent
from services.diff.wanted import Kind
from shared.contracts.changes import Change, Operation, change_id
from shared.contracts.failure_codes import Code
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result


class Finding(StrEnum):
    """What a comparison found."""

    SAME = "same"
    DIFFERS = "differs"
    CORRECTED = "corrected"
    GONE = "gone"
    UNKNOWN = "unknown"
    """The target could not be asked, or a newer change took the place of the question."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """The finding, the decision that follows, and the mark of the differences that were corrected (none: nothing to remember)."""

    finding: Finding
    decision: Decision
    corrected: str | None = None


def comparable(person: Person) -> bool:
    """Return whether there is a confirmed account to compare, and nothing about it is under way or planned."""
    account = person.account
    at_rest = not person.in_flight and person.next_attempt_at is None
    return account is not None and bool(account.target_id) and bool(account.resource) and at_rest


def compare(person: Person, occasion: Occasion) -> Decision:
    """Ask what the target holds of the confirmed values. It takes a generation like any change, so that a newer change takes its place."""
    account = person.account
    if account is None or not comparable(person):
        return unchanged(
            person, "There is nothing to compare: no confirmed account, or something about it is under way"
        )
    rules, generation = occasion.rules, person.generation + 1
    # A target that keeps a value in its own form took what was sent last: that is still so after the comparison.
    answered = person.sent is not None and person.settled == person.generation
    carried = person.sent.resource if person.sent is not None and answered else account.resource
    sent = Sent(generation=generation, operation=Operation.COMPARE, resource=carried, touched=frozenset())
    after = replace(person, sent=sent, in_flight=True)
    reason = "The confirmed values are compared with the target"
    change = Change(
        job_id=person.job_id,
        object_type=ObjectType.USER,
        object_id=person.object_id,
        sequence=generation,
        generation=generation,
        operation=Operation.COMPARE,
        reason=reason,
        resource={path: value for path, value in account.resource.items() if path not in rules.only_on_create},
        redacted=rules.redacted,
        target_id=account.target_id,
        needs_license=False,
        decided_at=occasion.at,
    )
    event_id = change_id(person.job_id, person.object_id, generation)
    return Decision(
        kind=Kind.NOTHING, reason=reason, person=after, emissions=(Emission(message=change, event_id=event_id),)
    )


def compared(
    person: Person, outcome: ProvisioningOutcome, occasion: Occasion, *, correct: bool, corrected: str | None
) -> Compared:
    """Decide on the answer to a comparison.

    With ``correct`` what differs is written again, and an account that is gone is looked for and made again; otherwise both are only
    reported. Differences that were ``corrected`` before and are there again unchanged are the target's own form: they are reported.
    """
    sent = person.sent
    asked = sent is not None and sent.operation is Operation.COMPARE and outcome.generation == person.generation
    if not asked or not person.in_flight or person.account is None:
        return Compared(
            finding=Finding.UNKNOWN, decision=unchanged(person, "A newer change took its place"), corrected=corrected
        )
    current = replace(person, in_flight=False, settled=outcome.generation)
    if outcome.result is Result.FAILED and outcome.failure and outcome.failure.code == Code.INVALID_ANCHOR:
        if correct:
            current = replace(current, account=None, doubtful=frozenset())
        return Compared(finding=Finding.GONE, decision=_settled(person, current, occasion))
    if outcome.result is not Result.DONE:
        return Compared(finding=Finding.UNKNOWN, decision=_settled(person, current, occasion), corrected=corrected)
    if not outcome.modified:
        return Compared(finding=Finding.SAME, decision=_settled(person, current, occasion))
    held = {item.path: item.old for item in outcome.modified}
    mark = _mark(held)
    if not correct or mark == corrected:
        return Compared(finding=Finding.DIFFERS, decision=_settled(person, current, occasion), corrected=corrected)
    known = {**person.account.resource, **held}
    resource = {path: value for path, value in known.items() if value is not None}
    current = replace(current, account=replace(person.account, resource=resource))
    wanted = decide(current, occasion.rules, taken=occasion.taken, trust_done=False)
    decision = settle(person, current, wanted, occasion, afresh=True)
    return Compared(finding=Finding.CORRECTED, decision=decision, corrected=mark)


def _settled(person: Person, current: Person, occasion: Occasion) -> Decision:
    """Decide anew: something may have arrived meanwhile that the comparison carried."""
    return settle(person, current, decide(current, occasion.rules, taken=occasion.taken), occasion, afresh=True)


def _mark(held: Mapping[str, Any]) -> str:
    """Return a digest that tells whether the same values differ again, without keeping them."""
    return blake2b(orjson.dumps(dict(held), option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()
