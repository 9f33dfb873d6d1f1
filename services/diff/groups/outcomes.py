"""What an outcome changes: what the target is known to hold of a group, and whether and when the next attempt is made. Pure."""

from dataclasses import replace
from typing import Any, Final

from services.diff.emissions import Fact
from services.diff.error_classes import Retrying, kind_of
from services.diff.escrow import EXPIRED, escrowed
from services.diff.groups.core import (
    NEED_OF,
    GroupDecision,
    GroupOccasion,
    finish,
    settle,
    unchanged,
    unlinked,
)
from services.diff.groups.group import Group, TargetGroup
from services.diff.groups.membership import Membership, Need, carried_out, refused, unsettled
from services.diff.groups.wanted import decide
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.ids import message_key
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result
from shared.contracts.public import EventName, UserStatus

MEMBERS: Final = "members"
_SUCCESSES: Final = frozenset({Result.DONE, Result.ADOPTED})
_ENDINGS: Final = _SUCCESSES | {Result.FAILED, Result.RETRY_LATER, Result.SUPERSEDED, Result.WITHDRAWN}


def ends_change(group: Group, outcome: ProvisioningOutcome) -> bool:
    """Return whether the outcome ends the change that is under way; any other is late or was told before."""
    return group.in_flight and outcome.result in _ENDINGS and outcome.generation == group.generation


def outcome_arrived(group: Group, outcome: ProvisioningOutcome, occasion: GroupOccasion) -> GroupDecision:
    """Decide on what became of a change; then it is decided anew, so that nothing that arrived meanwhile is lost."""
    sent = group.sent
    if sent is None or not ends_change(group, outcome):
        return unchanged(group, "Nothing that concerns the change under way")
    current = replace(group, in_flight=False)
    if sent.operation in NEED_OF:
        return _members_ended(group, current, outcome, occasion)
    if outcome.result not in _SUCCESSES:
        return _after_failure(group, current, outcome, occasion)
    if sent.operation is Operation.DELETE:
        facts = [Fact(event=EventName.DELETE, operation=sent.operation)]
        return settle(group, unlinked(current), occasion, facts=facts, afresh=True)
    known = group.link
    target_id = outcome.target_id or (known.target_id if known else None)
    if target_id is None or occasion.taken:
        return _after_failure(group, current, _not_linked(outcome, taken=occasion.taken), occasion)
    link = TargetGroup(target_id=target_id, resource=sent.resource)
    fact = _fact_of(known, link, sent.operation)
    if known is None or known.target_id != target_id:
        current = replace(unlinked(current), link_number=group.link_number + 1)
    current = replace(current, link=link, doubtful=False)
    return settle(group, current, occasion, facts=[fact], afresh=True)


def _not_linked(outcome: ProvisioningOutcome, *, taken: bool) -> ProvisioningOutcome:
    """Return what follows when the object that was found is another group's of this job, or when it has no id: it is not linked."""
    code = Code.DUPLICATE_SOURCE_ENTRIES if taken else Code.INTERNAL_ERROR
    message = "The group that was found is linked to another group of this job" if taken else "The outcome names no id"
    told = failure(code, message, about=ObjectType.GROUP)
    return outcome.model_copy(update={"result": Result.FAILED, "failure": told})


def _fact_of(known: TargetGroup | None, link: TargetGroup, operation: Operation) -> Fact:
    before: dict[str, Any] = known.resource if known else {}
    names = tuple(path for path, value in link.resource.items() if before.get(path) != value)
    event = EventName.CREATE if known is None else EventName.PATCH
    return Fact(event=event, operation=operation, attributes=names)


def _after_failure(
    before: Group, current: Group, outcome: ProvisioningOutcome, occasion: GroupOccasion
) -> GroupDecision:
    code = outcome.failure.code if outcome.failure else None
    gone = outcome.result is Result.FAILED and code == Code.INVALID_ANCHOR
    refused_ = outcome.result is Result.FAILED
    if gone:
        current = unlinked(current)
    elif not refused_:
        current = replace(current, doubtful=True)
    wanted = decide(current, occasion.rules)
    if not wanted.writes:
        return settle(before, current, occasion)
    passes = not refused_ or kind_of(code).retrying is Retrying.QUICKLY
    after = escrowed(current, occasion.backoff, occasion.at, passes=passes, asked=outcome.retry_at)
    failed, expired = after.escrows > current.escrows, after.next_attempt_at is None
    reasons = (outcome.failure.message,) if outcome.failure else wanted.reasons
    after = replace(
        after,
        status=UserStatus.FAILED if failed else UserStatus.PENDING,
        reason_code=code or wanted.code,
        reasons=(*reasons, EXPIRED) if expired else reasons,
    )
    facts = [Fact(event=EventName.FAILED, operation=outcome.operation, code=code)] if failed else []
    planned = EXPIRED if expired else "tried again later"
    return finish(after, occasion, reason=f"{outcome.result}: {planned}", facts=facts)


def _members_ended(
    before: Group, current: Group, outcome: ProvisioningOutcome, occasion: GroupOccasion
) -> GroupDecision:
    """Go on after a change of members. What a single member was refused for waits with that member alone."""
    code = outcome.failure.code if outcome.failure else None
    if outcome.result is Result.FAILED and code == Code.INVALID_ANCHOR:
        return _after_failure(before, current, outcome, occasion)
    if outcome.result in _SUCCESSES or outcome.refused_members:
        current = replace(current, member_attempts=0, members_at=occasion.at)
        facts = []
        if outcome.result in _SUCCESSES:
            facts.append(Fact(event=EventName.PATCH, operation=outcome.operation, attributes=(MEMBERS,)))
        if outcome.refused_members:
            facts.append(Fact(event=EventName.FAILED, operation=outcome.operation, attributes=(MEMBERS,), code=code))
        return _go_on(before, current, occasion, facts)
    attempts = current.member_attempts + 1
    backoff = occasion.backoff
    # The escrow of the group itself is another matter, and this one never expires.
    passes = outcome.result is not Result.FAILED or kind_of(code).retrying is Retrying.QUICKLY
    retry = backoff.plan(
        f"{message_key(current.job_id, current.object_id)}/{MEMBERS}",
        attempts=attempts,
        escrows=max(0, attempts - backoff.patience) if passes else attempts - 1,
        failing_since=occasion.at,
        at=occasion.at,
        passes=passes,
    )
    failed = retry.escrowed
    earliest = min(outcome.retry_at or occasion.at, occasion.at + backoff.longest)
    at = max(retry.at or occasion.at + backoff.longest, earliest)
    current = replace(current, member_attempts=attempts, members_at=at)
    facts = []
    if failed:
        facts = [Fact(event=EventName.FAILED, operation=outcome.operation, attributes=(MEMBERS,), code=code)]
        reasons = (outcome.failure.message,) if outcome.failure else ()
        current = replace(current, status=UserStatus.FAILED, reason_code=code, reasons=reasons)
    return _go_on(before, current, occasion, facts)


def members_over(group: Group, occasion: GroupOccasion) -> GroupDecision:
    """Decide anew when nothing is to be done about members any more: what a change of them was refused for is over with it."""
    return _go_on(group, replace(group, members_at=None, member_attempts=0), occasion, [])


def _go_on(before: Group, current: Group, occasion: GroupOccasion, facts: list[Fact]) -> GroupDecision:
    """Decide anew, unless an attempt at the group itself has its time still to come."""
    if current.next_attempt_at is not None and current.next_attempt_at > occasion.at:
        return finish(current, occasion, reason="The change of members has ended", facts=facts)
    return settle(before, current, occasion, facts=facts)


def membership_after(
    membership: Membership, need: Need, outcome: ProvisioningOutcome, occasion: GroupOccasion
) -> Membership:
    """Return what became of one membership of a change that has ended."""
    subject = membership.held
    if subject in outcome.refused_members or (outcome.result is Result.FAILED and outcome.refused_members):
        return refused(membership, occasion.backoff, occasion.at)
    if outcome.result in _SUCCESSES:
        return carried_out(membership, need)
    return unsettled(membership)
