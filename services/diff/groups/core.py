"""What happens to one group when something arrives: the new state, the reason, and the messages to emit. No clock, no I/O.

A group has one change under way at a time. So nothing that is sent is ever taken over by something newer, and an outcome is about the
change under way or about nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from services.diff.backoff import Backoff
from services.diff.emissions import Emission, Fact, refused, skipped
from services.diff.escrow import NO_FAILURE, escrowed, forgotten
from services.diff.groups.emissions import change_of, publish
from services.diff.groups.group import Group, SentChange
from services.diff.groups.membership import Need
from services.diff.groups.rules import GroupRules
from services.diff.groups.wanted import decide
from services.diff.wanted import Kind, Wanted
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import Operation
from shared.contracts.public import EventName, UserStatus

OPERATION_OF = {Need.ADD: Operation.ADD_MEMBERS, Need.REMOVE: Operation.REMOVE_MEMBERS}
NEED_OF = {operation: need for need, operation in OPERATION_OF.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDecision:
    """What was decided about one group: why, the new state, and what is to be published in this order."""

    reason: str
    group: Group
    emissions: tuple[Emission, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupOccasion:
    """By which rules, when, and in whose flow a decision is taken.

    ``gathering``: how long members are waited for, so that they go out together. ``taken``: another group of the job has the name, or the
    object at the target, of this one. ``cycle`` and ``rejected`` are as for a person: a deletion waits with the removals of its cycle.
    """

    rules: GroupRules
    backoff: Backoff
    at: datetime
    txn: str
    gathering: timedelta
    taken: bool = False
    cycle: str | None = None
    rejected: frozenset[str] = frozenset()


def unchanged(group: Group, reason: str) -> GroupDecision:
    """Return the decision that nothing is to be done, not even noted."""
    return GroupDecision(reason=reason, group=group)


def with_assignment(group: Group | None, assignment: DirectoryAssignment) -> Group:
    """Return the group as the directory says it now."""
    if group is None:
        return Group(job_id=assignment.job_id, object_id=assignment.object_id, assignment=assignment)
    return replace(group, assignment=assignment)


def assignment_arrived(group: Group | None, assignment: DirectoryAssignment, occasion: GroupOccasion) -> GroupDecision:
    """Decide on a new state of the directory. A change of the source is tried at once, whatever waits for its next attempt."""
    if group is not None and assignment.sequence <= group.assignment.sequence:
        return unchanged(group, "An assignment at least as new is known")
    return settle(group, with_assignment(group, assignment), occasion, afresh=True)


def retry_due(group: Group, occasion: GroupOccasion) -> GroupDecision:
    """Decide anew, with the newest assignment, when the time of the next attempt has come."""
    if group.next_attempt_at is None or group.in_flight or group.next_attempt_at > occasion.at:
        return unchanged(group, "No attempt is due")
    return settle(group, group, occasion)


def look_again(group: Group, occasion: GroupOccasion) -> GroupDecision:
    """Decide anew by the newest rules and the newest assignment; a change under way is waited for."""
    if group.in_flight:
        return unchanged(group, "A change of the group is under way; its end decides")
    # Members may go out by other rules too.
    current = replace(group, members_at=occasion.at) if group.link is not None else group
    return settle(group, current, occasion)


def forget_link(group: Group, occasion: GroupOccasion) -> GroupDecision:
    """Forget the group at the target and match it anew by its name; one that is out of scope is left alone."""
    if group.link is None and not group.doubtful:
        return unchanged(group, "There is no link")
    return settle(group, unlinked(group), occasion)


def forget_escrow(group: Group, occasion: GroupOccasion) -> GroupDecision:
    """Stop trying what failed. The failure stays shown until something changes."""
    if group.failing_since is None and group.next_attempt_at is None:
        return unchanged(group, "Nothing is escrowed")
    return finish(forgotten(group), occasion, reason="The escrow was cleared by a restart")


def deletion_let_out(group: Group, occasion: GroupOccasion) -> GroupDecision:
    """Decide on a deletion whose cycle lets it out: it goes, or is dropped when it became void."""
    if group.staged_in is None:
        return unchanged(group, "No deletion waits")
    return settle(group, replace(group, staged_in=None, released=True), occasion)


def unlinked(group: Group) -> Group:
    """Return the group without its link: whoever was a member belongs to nothing any more."""
    return replace(group, link=None, doubtful=False, members_left=group.members_left or group.link_number > 0)


def settle(
    before: Group | None,
    current: Group,
    occasion: GroupOccasion,
    *,
    facts: Sequence[Fact] = (),
    afresh: bool = False,
) -> GroupDecision:
    """Carry out what is wanted: send a change, explain a skip, or note that all is well. ``afresh`` forgets earlier failures."""
    wanted = decide(current, occasion.rules, taken=occasion.taken)
    if wanted.in_scope and not current.entered:
        facts = (*facts, Fact(event=EventName.FEED_ADD))
    if current.in_flight:
        # Which leaves while a change is under way is told to have left when that has come to its end.
        after = replace(current, entered=current.entered or wanted.in_scope)
        return finish(after, occasion, reason=wanted.reason, facts=facts)
    cycle = _waits_for(current, wanted, occasion)
    if cycle is not None:
        return _stage(current, wanted, cycle, occasion, facts)
    deletes = wanted.kind is Kind.DELETE
    current = replace(current, staged_in=None, released=deletes or (current.released and not wanted.in_scope))
    if wanted.failure is not None:
        return _refuse(before, current, wanted, occasion, facts=facts)
    if wanted.writes:
        return _send(replace(current, **NO_FAILURE) if afresh else current, wanted, occasion, facts)
    return _rest(before, current, wanted, occasion, facts)


def _waits_for(current: Group, wanted: Wanted, occasion: GroupOccasion) -> str | None:
    """Return the cycle with which a deletion has to wait, as for a person, or nothing."""
    if wanted.kind is not Kind.DELETE or current.released:
        return None
    if current.staged_in is None:
        return occasion.cycle
    rejected = current.staged_in in occasion.rejected and current.reasons != wanted.reasons
    return occasion.cycle if rejected and occasion.cycle else current.staged_in


def _stage(current: Group, wanted: Wanted, cycle: str, occasion: GroupOccasion, facts: Sequence[Fact]) -> GroupDecision:
    """Note that the deletion waits for its cycle; the group and its members stay as they are until then."""
    after = replace(
        current,
        staged_in=cycle,
        released=False,
        status=UserStatus.PROVISIONED if current.link is not None else UserStatus.PENDING,
        reason_code=None,
        reasons=wanted.reasons,
        **NO_FAILURE,
    )
    reason = "The deletion waits until its cycle is complete and its removals are counted"
    return finish(after, occasion, reason=reason, facts=facts)


def _send(current: Group, wanted: Wanted, occasion: GroupOccasion, facts: Sequence[Fact]) -> GroupDecision:
    sent = SentChange(generation=current.generation + 1, operation=wanted.kind.operation, resource=wanted.resource)
    after = replace(
        current,
        sent=sent,
        in_flight=True,
        # Leaving is told by the deletion.
        entered=current.entered or wanted.in_scope,
        status=UserStatus.PENDING,
        reason_code=wanted.code,
        reasons=wanted.reasons,
        next_attempt_at=None,
    )
    reason = f"{wanted.reason} (attempt {current.attempts + 1})" if current.attempts else wanted.reason
    change = change_of(
        after,
        reason=reason,
        attempt=current.attempts + 1,
        at=occasion.at,
        modified=wanted.modified,
        matching=wanted.matching,
        redacted=occasion.rules.redacted,
    )
    return finish(after, occasion, reason=reason, emissions=[change], facts=facts)


def _rest(
    before: Group | None, current: Group, wanted: Wanted, occasion: GroupOccasion, facts: Sequence[Fact]
) -> GroupDecision:
    """Note that nothing is under way and nothing is to be written."""
    left = current.entered and not wanted.in_scope
    told = any(fact.event is EventName.DELETE for fact in facts)
    if left and not told:
        facts = (*facts, Fact(event=EventName.FEED_REMOVE, code=wanted.code))
    here = wanted.in_scope and current.link is not None
    after = replace(current, entered=wanted.in_scope, **NO_FAILURE)
    if here and not _was_open(before, current):
        after = replace(after, members_at=occasion.at)  # its members may have been waiting for it
    if not (here and current.member_attempts):
        status = UserStatus.PROVISIONED if here else UserStatus.SKIPPED
        after = replace(after, status=status, reason_code=wanted.code, reasons=wanted.reasons)
    emissions = []
    if wanted.kind is Kind.SKIP and _tells_something_new(before, after):
        emissions.append(skipped(after, wanted, occasion.at))
        if not (left or told):
            facts = (*facts, Fact(event=EventName.SKIPPED, code=wanted.code))
    return finish(after, occasion, reason=wanted.reason, emissions=emissions, facts=facts)


def _was_open(before: Group | None, current: Group) -> bool:
    """Return whether members could go out before, so that none has waited for the group."""
    return (
        before is not None
        and before.entered
        and before.link == current.link
        and before.status is UserStatus.PROVISIONED
        and before.staged_in is None
    )


def _tells_something_new(before: Group | None, after: Group) -> bool:
    return before is None or before.status is not UserStatus.SKIPPED or before.reasons != after.reasons


def _refuse(
    before: Group | None, current: Group, wanted: Wanted, occasion: GroupOccasion, *, facts: Sequence[Fact]
) -> GroupDecision:
    """Note a failure that needs no word with the target, and try again later; it is told when it begins."""
    code = wanted.failure
    assert code is not None, "only a failure is refused"
    after = escrowed(current, occasion.backoff, occasion.at, passes=False)
    after = replace(after, entered=True, status=UserStatus.FAILED, reason_code=code, reasons=(wanted.reason,))
    emissions = []
    if before is None or (before.status, before.reason_code) != (after.status, after.reason_code):
        emissions.append(refused(after, wanted, code, occasion.at))
        facts = (*facts, Fact(event=EventName.FAILED, code=code))
    return finish(after, occasion, reason=wanted.reason, emissions=emissions, facts=facts)


def members_picked(group: Group, need: Need, members: Sequence[str], occasion: GroupOccasion) -> GroupDecision:
    """Send one change of members, by their ids at the target; the caller has seen that the group takes members now."""
    assert group.link is not None, "only a linked group takes members"
    sent = SentChange(generation=group.generation + 1, operation=OPERATION_OF[need], resource=group.link.resource)
    after = replace(group, sent=sent, in_flight=True, members_at=None)
    number = "1 member is" if len(members) == 1 else f"{len(members)} members are"
    reason = f"{number} to be {'added' if need is Need.ADD else 'removed'}"
    change = change_of(after, reason=reason, attempt=group.member_attempts + 1, at=occasion.at, members=tuple(members))
    return finish(after, occasion, reason=reason, emissions=[change])


def finish(
    after: Group,
    occasion: GroupOccasion,
    *,
    reason: str,
    emissions: Sequence[Emission] = (),
    facts: Sequence[Fact] = (),
) -> GroupDecision:
    """Return the decision with its public messages behind its own."""
    group, public = publish(after, facts, txn=occasion.txn, at=occasion.at)
    return GroupDecision(reason=reason, group=group, emissions=(*emissions, *public))
