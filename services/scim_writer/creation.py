"""The part of a plan that brings an account or a group into being, or finds it and writes what differs. Pure."""

from collections.abc import Mapping
from typing import Any

from services.scim_writer import requests, resources
from services.scim_writer.answers import Verdict
from services.scim_writer.trail import EXPORT, Plan, Trail, look, wanted_values
from shared.contracts.changes import ModifiedAttribute
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus


def create(trail: Trail) -> Plan:
    """Look first; adopt what is there, or create it."""
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from adopt(trail, found.account))
    return (yield from post(trail))


def post(trail: Trail) -> Plan:
    """Create what was looked for and not found; what conflicts is looked for again."""
    verdict = yield requests.create(trail.command.resource, trail.endpoint)
    if verdict.outcome is Result.DONE:
        reason = f"The {trail.noun} was created."
        trail.note(EXPORT, StepStatus.SUCCESS, reason, verdict)
        return trail.written_whole(verdict.content["id"], Result.DONE, reason, modified=trail.command.modified)
    trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
    if not verdict.conflicts:
        if verdict.outcome is Result.FAILED:
            trail.ambiguous = False  # looked for, not there, and now refused for good: nothing of ours is there
        return trail.end(verdict)
    found = yield from look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from adopt(trail, found.account))
    if trail.ambiguous:
        # Most likely our own account, which the target's search does not show yet.
        message = f"The target says that the {trail.noun} exists, but does not find it yet."
        return trail.end(
            Verdict(outcome=Result.RETRY_LATER, code=Code.CONFLICT, message=message, status=verdict.status)
        )
    return trail.end(verdict)


def adopt(trail: Trail, account: dict[str, Any]) -> Plan:
    """Link the account or group that was found, and write only what differs."""
    target_id: str = account["id"]
    ours = trail.ambiguous or target_id in (trail.work.target_id, trail.command.target_id)
    result = Result.DONE if ours else Result.ADOPTED
    reason = f"The {trail.noun} that we had created was found." if ours else f"An existing {trail.noun} was adopted."
    return (yield from level(trail, account, result, reason))


def level(trail: Trail, account: dict[str, Any], result: Result, reason: str) -> Plan:
    """Write what differs from the account or group as it was read; when that went well, end with ``result`` and ``reason``."""
    target_id: str = account["id"]
    kept = kept_values(trail, account)
    wanted = {path: value for path, value in wanted_values(trail).items() if path not in kept}
    changes = resources.differences(wanted, account)
    if not changes:
        trail.note(EXPORT, StepStatus.SKIPPED, f"The {trail.noun} already has every wanted value.")
        return trail.written_whole(target_id, result, reason, kept=kept)
    operations = resources.operations(changes, trail.profile.dialect, account)
    verdict = yield requests.patch(target_id, operations, trail.endpoint)
    if verdict.outcome is not Result.DONE:
        trail.note(EXPORT, StepStatus.FAILURE, verdict.message, verdict)
        return trail.end(later(trail, verdict) if verdict.gone else verdict)
    trail.note(EXPORT, StepStatus.SUCCESS, f"Attributes written: {', '.join(changes)}.", verdict)
    modified = tuple(
        ModifiedAttribute(path=path, old=resources.read(account, path), new=value) for path, value in changes.items()
    )
    return trail.written_whole(target_id, result, reason, kept=kept, modified=modified)


def kept_values(trail: Trail, account: Mapping[str, Any]) -> dict[str, Any]:
    """Return the paths that an account which exists keeps, with the values that it has there."""
    command = trail.command
    kept = {path: resources.read(account, path) for path in command.only_on_create}
    for path in command.only_if_absent:
        value = resources.read(account, path)
        if value not in (None, "", [], {}):
            kept[path] = value
    return kept


def changed_values(trail: Trail) -> dict[str, Any]:
    """Return what to write: what the command says is modified, and whatever we wrote otherwise since that was worked out."""
    resource = trail.command.resource
    changes = {item.path: item.new for item in trail.command.modified}
    for path, mark in trail.work.written.items():
        if path not in changes and mark != resources.fingerprint(resource.get(path)):
            changes[path] = resource.get(path)
    return {**changes, **resource} if trail.ambiguous else changes


def later(trail: Trail, gone: Verdict) -> Verdict:
    """Return what to make of a 404 for something that the search finds: the target contradicts itself, so it is tried again."""
    message = f"The target finds the {trail.noun}, but says that it does not exist."
    return Verdict(
        outcome=Result.RETRY_LATER, code=Code.INVALID_ANCHOR, message=message, status=gone.status, broken=True
    )


def nothing(trail: Trail) -> Plan:
    """Send nothing and end well."""
    yield from ()
    return trail.done("Nothing was to be written.")
