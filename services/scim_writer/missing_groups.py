"""A linked group that the target says it does not have. Pure."""

from dataclasses import replace

from services.scim_writer.answers import Verdict
from services.scim_writer.creation import later
from services.scim_writer.trail import EXPORT, Plan, Trail, look, matching_values
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus


def missing(trail: Trail, gone: Verdict | None) -> Plan:
    """Fail with ``InvalidAnchor`` and without a link, so that diff creates the group anew with its members.

    ``gone`` is the 404 for the linked group, None when none was linked. It is believed only when the search agrees: a target that is half
    up also answers 404, and then it is tried again later.
    """
    state = "is not linked" if gone is None else "that was linked is gone"
    message = f"The group {state} at the target."
    status = gone.status if gone is not None else None
    trail.note(EXPORT, StepStatus.WARNING, f"{Code.INVALID_ANCHOR}: {message}", gone)
    if gone is not None and matching_values(trail):
        found = yield from look(trail)
        if found.problem is not None:
            return trail.end(found.problem)
        if found.account is not None and found.account["id"] == trail.target_id:
            return trail.end(later(trail, gone))
    finish = trail.end(Verdict(outcome=Result.FAILED, code=Code.INVALID_ANCHOR, message=message, status=status))
    return replace(finish, target_id=None, written={}, ambiguous=False)
