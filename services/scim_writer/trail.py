"""What a plan is made of: the work, the way it ends, what it has learned on the way, and the search that comes before a write. Pure."""

from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from services.scim_writer import requests, resources
from services.scim_writer.answers import Verdict, hits
from services.scim_writer.dialects import RFC7644, Dialect
from services.scim_writer.requests import Endpoint, ScimRequest
from shared.contracts.changes import Command, MatchingValue, ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code, failure
from shared.contracts.message import ObjectType
from shared.contracts.outcomes import Failure, Result, Step, StepStatus, StepType

ACTIVE = "active"
Written = Mapping[str, str]
NOTHING_KEPT: Final[Mapping[str, Any]] = {}


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
        """Return the id of the linked account: ours is newer than the one that came with the command, unless that was linked anew."""
        if self.command.relinked:
            return self.command.target_id
        return self.target_id or self.command.target_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What the plan has to know of the target. ``group_filters``: attributes that groups can be searched by."""

    can_delete: bool = False
    dialect: Dialect = RFC7644
    groups: bool = False
    group_filters: tuple[str, ...] = ("displayName",)


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
    refused_members: tuple[str, ...] = ()
    failure: Failure | None = None
    wait: float | None = None


MEMBERSHIP: Final = frozenset({Operation.ADD_MEMBERS, Operation.REMOVE_MEMBERS})
"""Operations that write no attribute: only who belongs to a group."""
UNKNOWN = "?"
"""In the place of a fingerprint: a write of this path may or may not have been carried out. It equals no fingerprint."""


def uncertain(command: Command, written: Written) -> dict[str, str]:
    """Return what is known of the written values after an attempt at ``command`` whose end nobody saw."""
    if command.operation in MEMBERSHIP or command.operation is Operation.COMPARE:
        return dict(written)
    paths = [*command.resource, *(item.path for item in command.modified)]
    return {**written, **dict.fromkeys(paths, UNKNOWN)}


Plan = Generator[ScimRequest, Verdict, Finish]


class Trail:
    """What a plan has learned so far."""

    def __init__(self, work: Work, profile: Profile) -> None:
        self.command = work.command
        self.work = work
        self.profile = profile
        self.ambiguous = work.ambiguous
        self.target_id = work.known_id
        self.endpoint = Endpoint.GROUPS if work.command.object_type is ObjectType.GROUP else Endpoint.USERS
        self.noun = self.endpoint.noun
        self.steps: list[Step] = []

    def note(
        self, step: tuple[StepType, str], status: StepStatus, description: str, verdict: Verdict | None = None
    ) -> None:
        """Add a step to the explanation."""
        kind, name = step
        duration = verdict.duration_ms if verdict is not None else None
        self.steps.append(
            Step(name=name.format(self.noun), type=kind, status=status, description=description, duration_ms=duration)
        )

    def end(self, problem: Verdict) -> Finish:
        """End without success: the verdict says how. A write without a clear answer leaves the account or group ambiguous."""
        # Members are written again as a whole, which is harmless; their write leaves no attribute in doubt.
        unclear = problem.maybe_done and self.command.operation not in MEMBERSHIP
        self.ambiguous = self.ambiguous or unclear
        code = problem.code or Code.INTERNAL_ERROR
        return Finish(
            result=problem.outcome,
            reason=problem.message,
            steps=tuple(self.steps),
            target_id=self.work.target_id,
            written=uncertain(self.command, self.work.written) if unclear else self.work.written,
            ambiguous=self.ambiguous,
            modified=self.command.modified,
            failure=failure(code, problem.message, http_status=problem.status, about=self.command.object_type),
            wait=problem.wait,
        )

    def written_whole(
        self, target_id: str, result: Result, reason: str, *, kept: Mapping[str, Any] = NOTHING_KEPT, **more: Any
    ) -> Finish:
        """End well: every attribute of the command is now at the target as wanted, but for those that it ``kept`` as they were."""
        return Finish(
            result=result,
            reason=reason,
            steps=tuple(self.steps),
            target_id=target_id,
            written=resources.fingerprints({**wanted_values(self), **kept}),
            ambiguous=False,
            resource=with_values({**self.command.resource, **kept}),
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


MATCHING = (StepType.MATCHING, "Find the {} at the target")
EXPORT = (StepType.EXPORT, "Write the {} at the target")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The one account that has a matching value, or none, or why that cannot be said."""

    account: dict[str, Any] | None = None
    problem: Verdict | None = None


def look(trail: Trail) -> Generator[ScimRequest, Verdict, Found]:
    """Search by each matching value in order of precedence until one finds an account or group."""
    matching = matching_values(trail)
    if not matching:
        message = f"The change carries no matching value, so the {trail.noun} cannot be looked for."
        trail.note(MATCHING, StepStatus.FAILURE, message)
        return Found(problem=Verdict(outcome=Result.FAILED, code=Code.MISSING_VALUES, message=message))
    for value in matching:
        verdict = yield requests.look(value, trail.endpoint)
        if verdict.outcome is not Result.DONE:
            trail.note(MATCHING, StepStatus.FAILURE, verdict.message, verdict)
            return Found(problem=verdict)
        accounts = hits(verdict.content, value)
        if len(accounts) > 1:
            message = f"{len(accounts)} {trail.noun}s have this {value.attribute}."
            trail.note(MATCHING, StepStatus.FAILURE, message, verdict)
            return Found(problem=Verdict(outcome=Result.FAILED, code=Code.DUPLICATE_TARGET_ENTRIES, message=message))
        if accounts:
            trail.note(MATCHING, StepStatus.SUCCESS, f"One {trail.noun} has this {value.attribute}.", verdict)
            return Found(account=accounts[0])
        trail.note(MATCHING, StepStatus.SUCCESS, f"No {trail.noun} has this {value.attribute}.", verdict)
    return Found()


def matching_values(trail: Trail) -> tuple[MatchingValue, ...]:
    """Return the values to search by; without any in the command, those of its resource. Groups only by what the target can search."""
    if trail.endpoint is Endpoint.USERS:
        return trail.command.matching or _held(trail.command, "externalId")
    filters = trail.profile.group_filters
    given = tuple(value for value in trail.command.matching if value.attribute in filters)
    return given or tuple(value for attribute in filters for value in _held(trail.command, attribute))


def _held(command: Command, attribute: str) -> tuple[MatchingValue, ...]:
    value = command.resource.get(attribute)
    return (MatchingValue(attribute=attribute, value=value),) if isinstance(value, str) and value else ()


def wanted_values(trail: Trail) -> dict[str, Any]:
    """Return every path that is to have (or, with None, not to have) a value at the target."""
    cleared = {item.path: None for item in trail.command.modified if item.new is None}
    forgotten = dict.fromkeys(trail.work.written, None)
    return {**forgotten, **cleared, **trail.command.resource}


def with_values(resource: Mapping[str, Any]) -> dict[str, Any]:
    """Return the resource without the paths that have no value."""
    return {path: value for path, value in resource.items() if value is not None}
