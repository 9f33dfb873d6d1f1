"""The plan of a comparison: one reading of the account by its id, and what differs from what was confirmed. Nothing is written. Pure."""

from services.scim_writer import requests, resources
from services.scim_writer.trail import EXPORT, MATCHING, Plan, Trail
from shared.contracts.changes import ModifiedAttribute
from shared.contracts.outcomes import Result, StepStatus


def compare(trail: Trail) -> Plan:
    """Return the plan. An account that is gone fails with ``InvalidAnchor``; it is for diff to say what follows.

    ``modified`` of a success names what differs: ``old`` is what the target holds, ``new`` what was confirmed.
    """
    if trail.target_id is None:
        yield from ()
        return trail.done("There is no link: nothing to compare.")
    verdict = yield requests.read(trail.target_id)
    if verdict.outcome is not Result.DONE:
        trail.note(MATCHING, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(verdict)
    trail.note(MATCHING, StepStatus.SUCCESS, "The account was read.", verdict)
    confirmed = {path: value for path, value in trail.command.resource.items() if value is not None}
    differing = resources.differences(confirmed, verdict.content)
    held = {path: resources.read(verdict.content, path) for path in differing}
    reason = "The target holds what was confirmed."
    if differing:
        reason = f"The target differs from what was confirmed: {', '.join(differing)}."
    trail.note(EXPORT, StepStatus.SKIPPED, reason)
    return trail.done(
        reason,
        modified=tuple(ModifiedAttribute(path=path, old=held[path], new=value) for path, value in differing.items()),
        resource={path: held.get(path, value) for path, value in confirmed.items()},
    )
