"""The plan of one command: which requests go out, in which order, and what the answers mean for it. Pure.

A plan is a generator: it yields a ``ScimRequest``, is sent the ``Verdict`` on its answer, and returns a ``Finish``. It never waits and
never repeats a write by itself: what is to be tried again later ends this plan, and the next one looks before it writes.
"""

from collections.abc import Mapping
from typing import Any

from services.scim_writer import requests, resources
from services.scim_writer.answers import Verdict
from services.scim_writer.comparing import compare
from services.scim_writer.creation import adopt, changed_values, create, later, level, nothing, post
from services.scim_writer.group_plans import plan_group
from services.scim_writer.requests import Endpoint, ScimRequest
from services.scim_writer.trail import (
    ACTIVE,
    EXPORT,
    MATCHING,
    Finish,
    Plan,
    Profile,
    Trail,
    Work,
    look,
    with_values,
)
from shared.contracts.changes import ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus


def plan(work: Work, profile: Profile) -> Plan:
    """Return the plan of a command. A delete of an account becomes a disable where the target cannot delete."""
    trail = Trail(work, profile)
    if trail.endpoint is Endpoint.GROUPS:
        return plan_group(trail)
    match work.command.operation:
        case Operation.CREATE:
            return create(trail)
        case Operation.COMPARE:
            return compare(trail)
        case Operation.UPDATE:
            return _update(trail)
        case Operation.DISABLE | Operation.DELETE:
            deletes = work.command.operation is Operation.DELETE and profile.can_delete
            return _remove(trail, disable=not deletes)
        case Operation.ADD_MEMBERS | Operation.REMOVE_MEMBERS | Operation.NONE:
            return nothing(trail)


def _update(trail: Trail) -> Plan:
    if trail.target_id is None or trail.command.relinked:
        return (yield from _find_and_level(trail, trail.target_id))
    changes = changed_values(trail)
    if not changes:  # asked for all the same (an operator's retry): then see what is there
        return (yield from _read_and_level(trail, trail.target_id))
    verdict = yield requests.patch(trail.target_id, resources.operations(changes, trail.profile.dialect))
    if verdict.outcome is Result.DONE:
        trail.note(EXPORT, StepStatus.SUCCESS, f"Attributes written: {', '.join(changes)}.", verdict)
        return trail.written_whole(
            trail.target_id, Result.DONE, "The account was updated.", modified=trail.command.modified
        )
    if verdict.gone:
        return (yield from _relink(trail, verdict))
    trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
    if verdict.scim_type == "noTarget":  # it has no element that a value path names
        return (yield from _read_and_level(trail, trail.target_id))
    return trail.end(verdict)


def _read_and_level(trail: Trail, target_id: str) -> Plan:
    """Read the account, and write exactly what differs."""
    verdict = yield requests.read(target_id)
    if verdict.gone:
        return (yield from _relink(trail, verdict))
    if verdict.outcome is not Result.DONE:
        trail.note(MATCHING, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(verdict)
    account = {**verdict.content, "id": target_id}
    trail.note(MATCHING, StepStatus.SUCCESS, "The account was read.", verdict)
    return (yield from level(trail, account, Result.DONE, "The account was updated."))


def _level_relinked(trail: Trail, target_id: str) -> Plan:
    """The link was pointed at this account, of which nothing is known: read it, and write exactly what differs.

    One that is not there ends the plan: it is for an operator to say another, or for the next decision to match anew.
    """
    verdict = yield requests.read(target_id)
    if verdict.outcome is not Result.DONE:
        trail.note(MATCHING, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(verdict)
    trail.note(MATCHING, StepStatus.SUCCESS, "The account that the link was pointed at was read.", verdict)
    account = {**verdict.content, "id": target_id}
    return (yield from level(trail, account, Result.DONE, "The account was linked on request."))


def _find_and_level(trail: Trail, relinked: str | None) -> Plan:
    if relinked is not None:
        return (yield from _level_relinked(trail, relinked))
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from adopt(trail, found.account))
    return (yield from _create_anew(trail))


def _create_anew(trail: Trail) -> Plan:
    if trail.command.resource.get(ACTIVE) is False:
        return _nothing_left(trail, "The account does not exist and is to be inactive: nothing was to be written.")
    if not trail.command.may_create:
        return _nothing_left(trail, "No account matches, and the mapping creates none: nothing was to be written.")
    return (yield from post(trail))


def _nothing_left(trail: Trail, reason: str) -> Finish:
    trail.note(EXPORT, StepStatus.SKIPPED, reason)
    return trail.done(reason, target_id=None, written={}, ambiguous=False)


def _relink(trail: Trail, gone: Verdict) -> Plan:
    """The linked account answers 404: believe it only when the search agrees (a target that is half up also answers 404)."""
    trail.note(EXPORT, StepStatus.WARNING, f"{Code.INVALID_ANCHOR}: the linked account is gone at the target.", gone)
    lost = trail.target_id
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is None and not trail.command.may_create:
        message = "The linked account is gone, and the mapping creates none."
        return trail.end(Verdict(outcome=Result.FAILED, code=Code.INVALID_ANCHOR, message=message, status=gone.status))
    if found.account is None:
        return (yield from _create_anew(trail))
    if found.account["id"] == lost:
        return trail.end(later(trail, gone))
    return (
        yield from level(trail, found.account, Result.DONE, "The account was found under another id and linked anew.")
    )


def _remove(trail: Trail, *, disable: bool) -> Plan:
    """Disable, or delete where the target can: an account that is not there is a success."""
    account: dict[str, Any] | None = None
    target_id = trail.target_id
    absent = f"There is no account: nothing to {'disable' if disable else 'delete'}."
    for _ in range(2):  # once with the link that is known, and once with the one that was found instead
        if target_id is None:
            found = yield from look(trail)
            if found.problem is not None:
                return trail.end(found.problem)
            if found.account is None:
                return _nothing_left(trail, absent)
            account = found.account
            target_id = account["id"]
            if account["id"] == trail.target_id:
                break
            trail.target_id = target_id
        if disable and account is not None and resources.same(resources.read(account, ACTIVE), False):
            trail.note(EXPORT, StepStatus.SKIPPED, "The account is already disabled.")
            return _disabled(trail, "The account was disabled already.", account)
        verdict = yield _removal(trail, target_id, disable=disable)
        if verdict.outcome is Result.DONE:
            reason = "The account was disabled." if disable else "The account was deleted."
            trail.note(EXPORT, StepStatus.SUCCESS, reason, verdict)
            return (
                _disabled(trail, reason, account)
                if disable
                else trail.done(reason, target_id=None, written={}, ambiguous=False)
            )
        if not verdict.gone:
            trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
            return trail.end(verdict)
        trail.note(
            EXPORT, StepStatus.WARNING, f"{Code.INVALID_ANCHOR}: the linked account is gone at the target.", verdict
        )
        target_id = None
    return trail.end(later(trail, Verdict(outcome=Result.FAILED, status=404)))


def _removal(trail: Trail, target_id: str, *, disable: bool) -> ScimRequest:
    if not disable:
        return requests.delete(target_id)
    return requests.patch(target_id, [trail.profile.dialect.operation("replace", ACTIVE, False)])


def _disabled(trail: Trail, reason: str, account: Mapping[str, Any] | None) -> Finish:
    """Only ``active`` was written: other attributes that the command would have changed are at the target as they were."""
    command = trail.command
    held = {item.path: item.old for item in command.modified}
    resource = with_values({**command.resource, **held, ACTIVE: False})
    before = resources.read(account, ACTIVE) if account is not None else held.get(ACTIVE, True)
    return trail.done(
        reason,
        written={**trail.work.written, ACTIVE: resources.fingerprint(False)},
        modified=(ModifiedAttribute(path=ACTIVE, old=before, new=False),),
        resource=resource,
    )
