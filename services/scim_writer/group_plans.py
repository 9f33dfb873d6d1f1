"""The plans of commands about groups: create, rename, delete. Who belongs to a group is in ``member_plans``. Pure.

A group is matched by its name, so another one may have it: what is found is written to, but deleted only when it is surely ours.
"""

from collections.abc import Callable
from typing import Any, Final

from services.scim_writer import requests, resources
from services.scim_writer.answers import Verdict
from services.scim_writer.creation import changed_values, create, level, nothing
from services.scim_writer.member_plans import write_members
from services.scim_writer.missing_groups import missing
from services.scim_writer.trail import EXPORT, MATCHING, Plan, Trail, look
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus

_MEMBERS = "members"


def plan_group(trail: Trail) -> Plan:
    """Return the plan of a command about a group; where the target takes no groups, it fails with ``NotImplemented``."""
    if not trail.profile.groups:
        return _unsupported(trail, "The template of the job says that the target does not take groups.")
    _leave_members_out(trail)
    return _PLANS[trail.command.operation](trail)


def _unsupported(trail: Trail, message: str) -> Plan:
    yield from ()
    trail.note(EXPORT, StepStatus.FAILURE, message)
    return trail.end(Verdict(outcome=Result.FAILED, code=Code.NOT_IMPLEMENTED, message=message))


def _leave_members_out(trail: Trail) -> None:
    """Members go out in changes of their own: a mapping of them is no attribute to write."""
    command = trail.command
    resource = {path: value for path, value in command.resource.items() if path != _MEMBERS}
    modified = tuple(item for item in command.modified if item.path != _MEMBERS)
    trail.command = command.model_copy(update={"resource": resource, "modified": modified})


def _update(trail: Trail) -> Plan:
    """Write what is modified, mostly the name. A group that is gone fails: only diff knows the members that a new one must have."""
    target_id = trail.target_id
    if target_id is None:
        return (yield from missing(trail, None))
    changes = changed_values(trail)
    if not changes:  # asked for all the same (an operator's retry): then see what is there
        return (yield from _read_and_level(trail, target_id))
    verdict = yield requests.patch(target_id, resources.operations(changes, trail.profile.dialect), trail.endpoint)
    if verdict.outcome is Result.DONE:
        trail.note(EXPORT, StepStatus.SUCCESS, f"Attributes written: {', '.join(changes)}.", verdict)
        modified = trail.command.modified
        return trail.written_whole(target_id, Result.DONE, "The group was updated.", modified=modified)
    if verdict.gone:
        return (yield from missing(trail, verdict))
    trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
    if verdict.scim_type == "noTarget":  # what is to be removed is not there
        return (yield from _read_and_level(trail, target_id))
    return trail.end(verdict)


def _read_and_level(trail: Trail, target_id: str) -> Plan:
    verdict = yield requests.read(target_id, trail.endpoint)
    if verdict.gone:
        return (yield from missing(trail, verdict))
    if verdict.outcome is not Result.DONE:
        trail.note(MATCHING, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(verdict)
    trail.note(MATCHING, StepStatus.SUCCESS, "The group was read.", verdict)
    group = {**verdict.content, "id": target_id}
    return (yield from level(trail, group, Result.DONE, "The group was updated."))


def _delete(trail: Trail) -> Plan:
    target_id = trail.target_id
    if target_id is None:
        found = yield from look(trail)
        if found.problem is not None:
            return trail.end(found.problem)
        if found.account is None or not _ours(trail, found.account):
            reason = "There is no group of ours: nothing to delete."
            trail.note(EXPORT, StepStatus.SKIPPED, reason)
            return trail.done(reason, target_id=None, written={}, ambiguous=False)
        target_id = str(found.account["id"])
    verdict = yield requests.delete(target_id, trail.endpoint)
    if verdict.outcome is not Result.DONE and not verdict.gone:
        trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(verdict)
    reason = "The group was gone already." if verdict.gone else "The group was deleted."
    trail.note(EXPORT, StepStatus.SUCCESS, reason, verdict)
    return trail.done(reason, target_id=None, written={}, ambiguous=False)


def _ours(trail: Trail, group: dict[str, Any]) -> bool:
    """Return whether a group that only its name was found by is ours: by its external id, or because a create of ours ended unclear."""
    external_id = resources.read(group, "externalId")
    if external_id:
        return bool(external_id == trail.command.resource.get("externalId"))
    return trail.ambiguous


def _disable(trail: Trail) -> Plan:
    return _unsupported(trail, "A group cannot be disabled, only deleted.")


_PLANS: Final[dict[Operation, Callable[[Trail], Plan]]] = {
    Operation.CREATE: create,
    Operation.UPDATE: _update,
    Operation.DELETE: _delete,
    Operation.ADD_MEMBERS: write_members,
    Operation.REMOVE_MEMBERS: write_members,
    Operation.DISABLE: _disable,
    Operation.NONE: nothing,
}
