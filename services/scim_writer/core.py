"""The plan of one command: which requests go out, in which order, and what the answers mean for it. Pure.

A plan is a generator: it yields a ``ScimRequest``, is sent the ``Verdict`` on its answer, and returns a ``Finish``. It never waits and
never repeats a write by itself: what is to be tried again later ends this plan, and the next one looks before it writes.
"""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any

from services.scim_writer import requests, resources
from services.scim_writer.answers import Verdict, hits
from services.scim_writer.dialects import RFC7644, Dialect
from services.scim_writer.requests import ScimRequest
from shared.contracts.changes import Command, MatchingValue, ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.outcomes import Failure, Result, Step, StepStatus, StepType

ACTIVE = "active"
Written = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A command, and what is known of its object from earlier work.

    ``target_id`` is the account that we wrote last. ``written`` holds fingerprints of the values that we wrote, by path. ``ambiguous``:
    an earlier write of ours may or may not have been carried out, so the account may be ours and its values unknown.
    """

    command: Command
    ambiguous: bool = False
    target_id: str | None = None
    written: Written = field(default_factory=dict)

    @property
    def known_id(self) -> str | None:
        """Return the id of the linked account: ours is newer than the one that came with the command."""
        return self.target_id or self.command.target_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the plan has to know of the target."""

    can_delete: bool = False
    dialect: Dialect = RFC7644


@dataclass(frozen=True, slots=True, kw_only=True)
class Finish:
    """How a plan ended. ``target_id``, ``written`` and ``ambiguous`` are what is known of the account from now on."""

    result: Result
    reason: str
    steps: tuple[Step, ...]
    target_id: str | None
    written: Written
    ambiguous: bool
    modified: tuple[ModifiedAttribute, ...] = ()
    resource: dict[str, Any] | None = None
    failure: Failure | None = None
    wait: float | None = None


Plan = Generator[ScimRequest, Verdict, Finish]


def plan(work: Work, profile: Profile) -> Plan:
    """Return the plan of a command. A delete becomes a disable where the target cannot delete."""
    trail = _Trail(work, profile)
    match work.command.operation:
        case Operation.CREATE:
            return _create(trail)
        case Operation.UPDATE:
            return _update(trail)
        case Operation.DELETE if profile.can_delete:
            return _remove(trail, disable=False)
        case Operation.DISABLE | Operation.DELETE:
            return _remove(trail, disable=True)
        case Operation.NONE:
            return _nothing(trail)


class _Trail:
    """What a plan has learned so far."""

    def __init__(self, work: Work, profile: Profile) -> None:
        self.command = work.command
        self.work = work
        self.profile = profile
        self.ambiguous = work.ambiguous
        self.target_id = work.known_id
        self.steps: list[Step] = []

    def note(
        self, step: tuple[StepType, str], status: StepStatus, description: str, verdict: Verdict | None = None
    ) -> None:
        """Add a step to the explanation."""
        kind, name = step
        duration = verdict.duration_ms if verdict is not None else None
        self.steps.append(Step(name=name, type=kind, status=status, description=description, duration_ms=duration))

    def end(self, problem: Verdict) -> Finish:
        """End without success: the verdict says how. A write without a clear answer leaves the account ambiguous."""
        self.ambiguous = self.ambiguous or problem.maybe_done
        code = problem.code or Code.INTERNAL_ERROR
        return Finish(
            result=problem.outcome,
            reason=problem.message,
            steps=tuple(self.steps),
            target_id=self.work.target_id,
            written=self.work.written,
            ambiguous=self.ambiguous,
            modified=self.command.modified,
            failure=failure(code, problem.message, http_status=problem.status),
            wait=problem.wait,
        )

    def written_whole(self, target_id: str, result: Result, reason: str, **more: Any) -> Finish:
        """End well: every attribute of the command's resource is now at the target as wanted."""
        return Finish(
            result=result,
            reason=reason,
            steps=tuple(self.steps),
            target_id=target_id,
            written=resources.fingerprints(_wanted(self)),
            ambiguous=False,
            resource=_with_values(self.command.resource),
            **more,
        )

    def done(self, reason: str, **more: Any) -> Finish:
        """End well with nothing more known of the account than before, but for what ``more`` says."""
        known: dict[str, Any] = {
            "target_id": self.target_id,
            "written": self.work.written,
            "ambiguous": self.ambiguous,
            **more,
        }
        return Finish(result=Result.DONE, reason=reason, steps=tuple(self.steps), **known)


MATCHING = (StepType.MATCHING, "Find the account at the target")
EXPORT = (StepType.EXPORT, "Write the account at the target")


def _nothing(trail: _Trail) -> Plan:
    yield from ()
    return trail.done("Nothing was to be written.")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    account: dict[str, Any] | None = None
    problem: Verdict | None = None


def _look(trail: _Trail) -> Generator[ScimRequest, Verdict, _Found]:
    matching = trail.command.matching or _external_id(trail.command)
    if not matching:
        message = "The change carries no matching value, so the account cannot be looked for."
        trail.note(MATCHING, StepStatus.FAILURE, message)
        return _Found(problem=Verdict(outcome=Result.FAILED, code=Code.MISSING_VALUES, message=message))
    for value in matching:
        verdict = yield requests.look(value)
        if verdict.outcome is not Result.DONE:
            trail.note(MATCHING, StepStatus.FAILURE, verdict.message, verdict)
            return _Found(problem=verdict)
        accounts = hits(verdict.content, value)
        if len(accounts) > 1:
            message = f"{len(accounts)} accounts have this {value.attribute}."
            trail.note(MATCHING, StepStatus.FAILURE, message, verdict)
            return _Found(problem=Verdict(outcome=Result.FAILED, code=Code.DUPLICATE_TARGET_ENTRIES, message=message))
        if accounts:
            trail.note(MATCHING, StepStatus.SUCCESS, f"One account has this {value.attribute}.", verdict)
            return _Found(account=accounts[0])
        trail.note(MATCHING, StepStatus.SUCCESS, f"No account has this {value.attribute}.", verdict)
    return _Found()


def _external_id(command: Command) -> tuple[MatchingValue, ...]:
    value = command.resource.get("externalId")
    return (MatchingValue(attribute="externalId", value=value),) if isinstance(value, str) and value else ()


def _create(trail: _Trail) -> Plan:
    found = yield from _look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from _adopt(trail, found.account))
    return (yield from _post(trail))


def _post(trail: _Trail) -> Plan:
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
    found = yield from _look(trail)
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


def _adopt(trail: _Trail, account: dict[str, Any]) -> Plan:
    """Link the account that was found, and write only what differs."""
    target_id: str = account["id"]
    ours = trail.ambiguous or target_id in (trail.work.target_id, trail.command.target_id)
    result = Result.DONE if ours else Result.ADOPTED
    reason = "The account that we had created was found." if ours else "An existing account was adopted."
    return (yield from _level(trail, account, result, reason))


def _level(trail: _Trail, account: dict[str, Any], result: Result, reason: str) -> Plan:
    target_id: str = account["id"]
    changes = resources.differences(_wanted(trail), account)
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


def _wanted(trail: _Trail) -> dict[str, Any]:
    """Return every path that is to have (or, with None, not to have) a value at the target."""
    cleared = {item.path: None for item in trail.command.modified if item.new is None}
    forgotten = dict.fromkeys(trail.work.written, None)
    return {**forgotten, **cleared, **trail.command.resource}


def _update(trail: _Trail) -> Plan:
    if trail.target_id is None:
        return (yield from _find_and_level(trail))
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


def _changes(trail: _Trail) -> dict[str, Any]:
    """Return what to write: what the command says is modified, and whatever we wrote otherwise since that was worked out."""
    resource = trail.command.resource
    changes = {item.path: item.new for item in trail.command.modified}
    for path, mark in trail.work.written.items():
        if path not in changes and mark != resources.fingerprint(resource.get(path)):
            changes[path] = resource.get(path)
    return {**changes, **resource} if trail.ambiguous else changes


def _read_and_level(trail: _Trail, target_id: str) -> Plan:
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


def _find_and_level(trail: _Trail) -> Plan:
    found = yield from _look(trail)
    if found.problem is not None:
        return trail.end(found.problem)
    if found.account is not None:
        return (yield from _adopt(trail, found.account))
    return (yield from _create_anew(trail))


def _create_anew(trail: _Trail) -> Plan:
    if trail.command.resource.get(ACTIVE) is False:
        return _nothing_left(trail, "The account does not exist and is to be inactive: nothing was to be written.")
    return (yield from _post(trail))


def _nothing_left(trail: _Trail, reason: str) -> Finish:
    trail.note(EXPORT, StepStatus.SKIPPED, reason)
    return trail.done(reason, target_id=None, written={}, ambiguous=False)


def _relink(trail: _Trail, gone: Verdict) -> Plan:
    """The linked account answers 404: believe it only when the search agrees (a target that is half up also answers 404)."""
    trail.note(EXPORT, StepStatus.WARNING, f"{Code.INVALID_ANCHOR}: the linked account is gone at the target.", gone)
    lost = trail.target_id
    found = yield from _look(trail)
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


def _remove(trail: _Trail, *, disable: bool) -> Plan:
    """Disable, or delete where the target can: an account that is not there is a success."""
    account: dict[str, Any] | None = None
    target_id = trail.target_id
    absent = f"There is no account: nothing to {'disable' if disable else 'delete'}."
    for _ in range(2):  # once with the link that is known, and once with the one that was found instead
        if target_id is None:
            found = yield from _look(trail)
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


def _removal(trail: _Trail, target_id: str, *, disable: bool) -> ScimRequest:
    if not disable:
        return requests.delete(target_id)
    return requests.patch(target_id, [trail.profile.dialect.operation("replace", ACTIVE, False)])


def _disabled(trail: _Trail, reason: str, account: Mapping[str, Any] | None) -> Finish:
    """Only ``active`` was written: other attributes that the command would have changed are at the target as they were."""
    command = trail.command
    held = {item.path: item.old for item in command.modified}
    resource = _with_values({**command.resource, **held, ACTIVE: False})
    before = resources.read(account, ACTIVE) if account is not None else held.get(ACTIVE, True)
    return trail.done(
        reason,
        written={**trail.work.written, ACTIVE: resources.fingerprint(False)},
        modified=(ModifiedAttribute(path=ACTIVE, old=before, new=False),),
        resource=resource,
    )


def _with_values(resource: Mapping[str, Any]) -> dict[str, Any]:
    return {path: value for path, value in resource.items() if value is not None}
