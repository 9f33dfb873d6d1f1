"""The plan of one command: which requests go out, in which order, and what the answers mean for it. Pure.

A plan is a generator: it yields a ``ScimRequest``, is sent the ``Verdict`` on its answer, and returns a ``Finish``. It never waits and
never repeats a write by itself: what is to be tried again later ends this plan, and the next one looks before it writes.
"""

from collections.abc import Mapping
from typing import Any

from services.scim_writer import requests, resources
from services.scim_writer.answers import Verdict
from services.scim_writer.comparing import compare
from services.scim_writer.requests import ScimRequest
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
    wanted_values,
    with_values,
)
from shared.contracts.changes import ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus


def plan(work: Work, profile: Profile) -> Plan:
    """Return the plan of a command. A delete becomes a disable where the target cannot delete."""
    trail = Trail(work, profile)
    match work.command.operation:
        case Operation.CREATE:
            return _create(trail)
        case Operation.COMPARE:
            return compare(trail)
        case Operation.UPDATE:
            return _update(trail)
        case Operation.DELETE if profile.can_delete:
            return _remove(trail, disable=False)
        case Operation.DISABLE | Operation.DELETE:
            return _remove(trail, disable=True)
        case Operation.ADD_MEMBERS | Operation.REMOVE_MEMBERS | Operation.NONE:
            return _nothing(trail)


def _nothing(trail: Trail) -> Plan:
    yield from ()
    return trail.done("Nothing was to be written.")


def _create(trail: Trail) -> Plan:
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from _adopt(trail, found.account))
    return (yield from _post(trail))


def _post(trail: Trail) -> Plan:
    verdict = yield requests.create(trail.command.resource)
    if verdict.outcome is Result.DONE:
        trail.note(EXPORT, StepStatus.SUCCESS, "The account was created.", verdict)
        return trail.written_whole(
            verdict.content["id"], Result.DONE, "The account was created.", modified=trail.command.modified
        )
    trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
    if not verdict.conflicts:
        if verdict.outcome is Result.FAILED:
            trail.ambiguous = False  # looked for, not there, and now refused for good: nothing of ours is there
        return trail.end(verdict)
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from _adopt(trail, found.account))
    if trail.ambiguous:
        # Most likely our own account, which the target's search does not show yet.
        message = "The target says that the account exists, but does not find it yet."
        return trail.end(
            Verdict(outcome=Result.RETRY_LATER, code=Code.CONFLICT, message=message, status=verdict.status)
        )
    return trail.end(verdict)


def _adopt(trail: Trail, account: dict[str, Any]) -> Plan:
    """Link the account that was found, and write only what differs."""
    target_id: str = account["id"]
    ours = trail.ambiguous or target_id in (trail.work.target_id, trail.command.target_id)
    result = Result.DONE if ours else Result.ADOPTED
    reason = "The account that we had created was found." if ours else "An existing account was adopted."
    return (yield from _level(trail, account, result, reason))


def _level(trail: Trail, account: dict[str, Any], result: Result, reason: str) -> Plan:
    target_id: str = account["id"]
    changes = resources.differences(wanted_values(trail), account)
    if not changes:
        trail.note(EXPORT, StepStatus.SKIPPED, "The account already has every wanted value.")
        return trail.written_whole(target_id, result, reason)
    operations = resources.operations(changes, trail.profile.dialect, account)
    verdict = yield requests.patch(target_id, operations)
    if verdict.outcome is not Result.DONE:
        trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(_later(verdict) if verdict.gone else verdict)
    trail.note(EXPORT, StepStatus.SUCCESS, f"Attributes written: {', '.join(changes)}.", verdict)
    modified = tuple(
        ModifiedAttribute(path=path, old=resources.read(account, path), new=value) for path, value in changes.items()
    )
    return trail.written_whole(target_id, result, reason, modified=modified)


def _update(trail: Trail) -> Plan:
    if trail.target_id is None or trail.command.relinked:
        return (yield from _find_and_level(trail, trail.target_id))
    changes = _changes(trail)
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


def _changes(trail: Trail) -> dict[str, Any]:
    """Return what to write: what the command says is modified, and whatever we wrote otherwise since that was worked out."""
    resource = trail.command.resource
    changes = {item.path: item.new for item in trail.command.modified}
    for path, mark in trail.work.written.items():
        if path not in changes and mark != resources.fingerprint(resource.get(path)):
            changes[path] = resource.get(path)
    return {**changes, **resource} if trail.ambiguous else changes


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
    return (yield from _level(trail, account, Result.DONE, "The account was updated."))


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
    return (yield from _level(trail, account, Result.DONE, "The account was linked on request."))


def _find_and_level(trail: Trail, relinked: str | None) -> Plan:
    if relinked is not None:
        return (yield from _level_relinked(trail, relinked))
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from _adopt(trail, found.account))
    return (yield from _create_anew(trail))


def _create_anew(trail: Trail) -> Plan:
    if trail.command.resource.get(ACTIVE) is False:
        return _nothing_left(trail, "The account does not exist and is to be inactive: nothing was to be written.")
    return (yield from _post(trail))


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
    if found.account is None:
        return (yield from _create_anew(trail))
    if found.account["id"] == lost:
        return trail.end(_later(gone))
    return (
        yield from _level(trail, found.account, Result.DONE, "The account was found under another id and linked anew.")
    )


def _later(gone: Verdict) -> Verdict:
    message = "The target finds the account, but says that it does not exist."
    return Verdict(
        outcome=Result.RETRY_LATER, code=Code.INVALID_ANCHOR, message=message, status=gone.status, broken=True
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
    return trail.end(_later(Verdict(outcome=Result.FAILED, status=404)))


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
