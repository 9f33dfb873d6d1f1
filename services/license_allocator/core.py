"""Who gets a license: pure decisions on a pool and the entry of one user.

First come, first served: a request takes the next ticket of the pool; while somebody waits, nobody who comes later is served. So
the tickets of reservations rise strictly, in every pool, for ever (guarantee I3), and the use never rises above the capacity (I2).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from services.license_allocator.pool import HELD, Decision, Entry, Move, Passage, Pool, State
from shared.contracts.changes import Change, License, LicenseDecision, Operation
from shared.contracts.job import WhenExhausted
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import ProvisioningOutcome, Result

_LAST: Final = datetime.max.replace(tzinfo=UTC)
_SUCCESS: Final = frozenset({Result.DONE, Result.ADOPTED})
_REMOVALS: Final = frozenset({Operation.DISABLE, Operation.DELETE})


def arrival_order(changes: Iterable[Change]) -> list[Change]:
    """Return the changes of one batch in the order in which they are served.

    Users come by the time of their assignment, then by their place in the batch; the changes of one user keep their order.
    """
    by_user: dict[tuple[str, str], list[Change]] = {}
    for change in changes:
        by_user.setdefault((change.job_id, change.object_id), []).append(change)
    users = sorted(by_user.values(), key=lambda of_user: of_user[0].assigned_at or _LAST)
    return [change for of_user in users for change in of_user]


def decide_change(pool: Pool, entry: Entry | None, change: Change) -> Decision:
    """Decide whether a change may go out; ``entry`` is what the ledger knows of its object. Changes of groups always do, uncounted."""
    if change.object_type is ObjectType.GROUP:
        return _pass(
            pool, None, change, LicenseDecision.NOT_NEEDED, "a group takes no license; its members have their own"
        )
    if change.operation is Operation.COMPARE:
        # It reads only: no license moves, and nobody loses a place in the line.
        reason = "a comparison needs no license"
        passage = Passage(change=change, license=_license(pool, LicenseDecision.NOT_NEEDED, reason))
        return Decision(reason=reason, pool=pool, entry=entry, changed=False, passage=passage)
    if entry is not None and change.generation <= entry.generation:
        return _unmoved(pool, entry, f"generation {change.generation} was overtaken by {entry.generation}")
    if entry is not None and entry.state is State.WAITING:
        return _decide_waiting(pool, entry, change)
    if not pool.auto_assign:
        known = replace(entry, generation=change.generation) if entry else None
        return _pass(pool, known, change, LicenseDecision.NOT_COUNTED, "auto-assign is off: licenses are not counted")
    return _decide_counted(pool, entry, change)


def decide_outcome(pool: Pool, entry: Entry | None, outcome: ProvisioningOutcome) -> Decision:
    """Decide what the outcome of a command means for the license of its user."""
    if entry is None or entry.state not in HELD:
        return _unmoved(pool, entry, "no license is held")
    if outcome.generation < entry.settled:
        return _unmoved(pool, entry, f"the outcome of generation {entry.settled} is known already")
    if outcome.result in _SUCCESS:
        return _decide_success(pool, entry, outcome)
    if outcome.result is Result.FAILED and outcome.generation >= entry.generation:
        settled = replace(entry, settled=outcome.generation)
        if outcome.operation not in _REMOVALS and entry.state is State.RESERVED:
            return _release(pool, settled, "the target refused the change; the next attempt asks again")
        return Decision(reason="the license is kept: the account is as it was", pool=pool, entry=settled)
    return _unmoved(pool, entry, f"{outcome.result} leaves the license as it is")


def back_fill(pool: Pool, heads: Sequence[Entry]) -> Iterator[Decision]:
    """Let out the head of the waiting line; ``heads`` are waiting entries by rising ticket, each with its change.

    Stops at the first one for whom nothing is left.
    """
    for head in heads:
        if not pool.may_leave_line or head.change is None:
            return
        decision = _let_head_out(pool, head, head.change)
        pool = decision.pool
        yield decision


def _decide_waiting(pool: Pool, entry: Entry, change: Change) -> Decision:
    if not (change.needs_license and pool.auto_assign):
        return _leave_line(pool, entry, change)
    reason = f"still waits with ticket {entry.ticket}, now with generation {change.generation}"
    return _wait(pool, replace(_known(entry, change), change=change), State.WAITING, reason)


def _decide_counted(pool: Pool, entry: Entry | None, change: Change) -> Decision:
    if not change.needs_license:
        # The row keeps the generation, so that an older change that comes late takes no license.
        return _pass(pool, _known(entry, change), change, LicenseDecision.NOT_NEEDED, "the change needs no license")
    known = _known(entry, change)
    if known.state in HELD:
        return _pass(pool, known, change, LicenseDecision.HELD, f"the license of ticket {known.ticket} is held")
    return _request(pool, known, change)


def _decide_success(pool: Pool, entry: Entry, outcome: ProvisioningOutcome) -> Decision:
    settled = replace(entry, settled=outcome.generation)
    if outcome.operation in _REMOVALS or not _active(outcome):
        if outcome.generation >= entry.generation:
            return _release(pool, settled, "the account was disabled at the target")
        return _keep_for_newer(pool, settled)
    if entry.state is State.GRANTED:
        return Decision(reason="the license stays granted", pool=pool, entry=settled)
    granted = replace(settled, state=State.GRANTED)
    reason = "the account is active at the target"
    # Not announced: whoever reads the outcome sees it there, with its ticket.
    move = Move(pool=pool, entry=granted, before=entry.state, reason=reason, announced=False)
    return Decision(reason=reason, pool=pool, entry=granted, move=move)


def _known(entry: Entry | None, change: Change) -> Entry:
    if entry is None:
        return Entry(object_id=change.object_id, generation=change.generation)
    return replace(entry, generation=change.generation)


def _active(outcome: ProvisioningOutcome) -> bool:
    return outcome.resource is None or outcome.resource.get("active") not in {False, "False", "false"}


def _license(pool: Pool, decision: LicenseDecision, reason: str, ticket: int | None = None) -> License:
    return License(
        decision=decision,
        reason=reason,
        application_instance=pool.application_instance,
        license_type=pool.license_type,
        ticket=ticket,
    )


def _pass(
    pool: Pool,
    entry: Entry | None,
    change: Change,
    decision: LicenseDecision,
    reason: str,
    *,
    move: Move | None = None,
) -> Decision:
    ticket = entry.ticket if entry and decision in {LicenseDecision.HELD, LicenseDecision.RESERVED} else None
    passage = Passage(change=change, license=_license(pool, decision, reason, ticket))
    if entry is not None and not entry.let_out:
        entry = replace(entry, let_out=True)
    return Decision(reason=reason, pool=pool, entry=entry, changed=entry is not None, passage=passage, move=move)


def _unmoved(pool: Pool, entry: Entry | None, reason: str) -> Decision:
    return Decision(reason=reason, pool=pool, entry=entry, changed=False)


def _moved(pool: Pool, before: Entry, after: Entry, reason: str) -> Decision:
    move = Move(pool=pool, entry=after, before=before.state, reason=reason)
    return Decision(reason=reason, pool=pool, entry=after, move=move)


def _request(pool: Pool, entry: Entry, change: Change) -> Decision:
    ticket = pool.next_ticket
    if pool.free and not pool.waiting:
        reason = f"reserved with ticket {ticket}"
        taken = replace(pool, in_use=pool.in_use + 1, next_ticket=ticket + 1)
        reserved = replace(entry, state=State.RESERVED, ticket=ticket, let_out=True)
        move = Move(pool=taken, entry=reserved, before=entry.state, reason=reason, announced=False)
        return _pass(taken, reserved, change, LicenseDecision.RESERVED, reason, move=move)
    if not pool.free and pool.when_exhausted is WhenExhausted.PROVISION_WITHOUT_LICENSE:
        reason = f"all {pool.capacity} licenses are taken; the user goes out without one"
        return _pass(pool, entry, change, LicenseDecision.NONE_LEFT, reason)
    longer = replace(pool, waiting=pool.waiting + 1, next_ticket=ticket + 1)
    waiting = replace(entry, state=State.WAITING, ticket=ticket, change=change)
    reason = f"all {pool.capacity} licenses are taken" if not pool.free else "others came before"
    return _wait(longer, waiting, entry.state, f"{reason}; waits with ticket {ticket}")


def _wait(pool: Pool, entry: Entry, before: State, reason: str) -> Decision:
    told = replace(entry, sequence=entry.sequence + 1)
    return Decision(
        reason=reason, pool=pool, entry=told, move=Move(pool=pool, entry=told, before=before, reason=reason)
    )


def _leave_line(pool: Pool, entry: Entry, change: Change) -> Decision:
    """Take a user out of the line whose newest change goes out without a license."""
    shorter = replace(pool, waiting=pool.waiting - 1)
    left = replace(entry, state=State.RELEASED, generation=change.generation, change=None, sequence=entry.sequence + 1)
    reason = "left the waiting line: no license is needed any more"
    if change.needs_license:
        reason = "left the waiting line: auto-assign is off"
    move = Move(pool=shorter, entry=left, before=entry.state, reason=reason)
    if not change.needs_license and change.target_id is None and not entry.let_out:
        reason = "withdrawn: left the waiting line before anything was written"
        return Decision(reason=reason, pool=shorter, entry=left, withdrawn=change, move=move)
    decision = LicenseDecision.NOT_NEEDED if pool.auto_assign else LicenseDecision.NOT_COUNTED
    return _pass(shorter, left, change, decision, reason, move=move)


def _let_head_out(pool: Pool, head: Entry, change: Change) -> Decision:
    shorter = replace(pool, waiting=pool.waiting - 1)
    out = replace(head, change=None, let_out=True, sequence=head.sequence + 1)
    if pool.auto_assign and pool.free:
        reason = f"a license came free for ticket {head.ticket}, the first in line"
        taken = replace(shorter, in_use=pool.in_use + 1)
        reserved = replace(out, state=State.RESERVED)
        move = Move(pool=taken, entry=reserved, before=State.WAITING, reason=reason)
        return _pass(taken, reserved, change, LicenseDecision.RESERVED, reason, move=move)
    decision, reason = LicenseDecision.NOT_COUNTED, "auto-assign was turned off"
    if pool.auto_assign:
        decision, reason = LicenseDecision.NONE_LEFT, "users without a license go out too"
    gone = replace(out, state=State.RELEASED)
    reason = f"left the waiting line: {reason}"
    move = Move(pool=shorter, entry=gone, before=State.WAITING, reason=reason)
    return _pass(shorter, gone, change, decision, reason, move=move)


def _release(pool: Pool, entry: Entry, reason: str) -> Decision:
    freed = replace(pool, in_use=pool.in_use - 1)
    return _moved(freed, entry, replace(entry, state=State.RELEASED, sequence=entry.sequence + 1), reason)


def _keep_for_newer(pool: Pool, entry: Entry) -> Decision:
    """An older generation disabled the account while a newer one is under way: the license stays with the user, not yet confirmed."""
    reason = "disabled at the target; kept for the newer change that is under way"
    if entry.state is State.RESERVED:
        return Decision(reason=reason, pool=pool, entry=entry)
    return _moved(pool, entry, replace(entry, state=State.RESERVED, sequence=entry.sequence + 1), reason)
