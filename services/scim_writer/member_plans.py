"""The plan of a command that adds or removes members of a group, by their ids at the target. Pure.

Members are never read: adding one who is there and removing one who is not change nothing, so a write without a clear answer is simply
repeated. When the target refuses a write because of some of its members, it is halved until they are found.
"""

from collections.abc import Generator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from services.scim_writer import requests
from services.scim_writer.answers import Verdict
from services.scim_writer.missing_groups import missing
from services.scim_writer.requests import ScimRequest
from services.scim_writer.trail import EXPORT, MATCHING, Finish, Plan, Trail
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code
from shared.contracts.outcomes import Result, StepStatus

MOST_REFUSALS: Final = 100
"""How many refusals one command may meet; what is still in doubt then counts as refused. "Not there to be removed" is none."""

_ABOUT_MEMBERS: Final = frozenset(
    {Code.SERVICE_INCOMPATIBLE, Code.INVALID_ANCHOR, Code.CONFLICT, Code.UNPROCESSABLE_ENTITY}
)
"""Codes of a refusal that may be about some of the members, and not about the group or the secret token."""


@dataclass(slots=True)
class _Tally:
    """What has become of the members so far."""

    settled: int = 0
    refused: list[str] = field(default_factory=list)
    refusal: Verdict | None = None
    problem: Verdict | None = None
    gone: Verdict | None = None
    group_asked: bool = False


def write_members(trail: Trail) -> Plan:
    """Write the members of the command. One that the target does not take never holds up the others (``refused_members``)."""
    members = list(dict.fromkeys(trail.command.members))
    if not members:
        return trail.done("Nothing was to be written.")
    target_id = trail.target_id
    if target_id is None:
        return (yield from missing(trail, None))
    tally = _Tally()
    yield from _write(trail, target_id, members, tally)
    if tally.gone is not None:
        return (yield from missing(trail, tally.gone))
    if tally.problem is not None:
        trail.note(EXPORT, StepStatus.FAILURE, tally.problem.message, tally.problem)
        return trail.end(tally.problem)
    return _finish(trail, tally)


def _finish(trail: Trail, tally: _Tally) -> Finish:
    done = "added to" if trail.command.operation is Operation.ADD_MEMBERS else "removed from"
    reason = f"{_counted(tally.settled)} {done} the group."
    if tally.settled:
        trail.note(EXPORT, StepStatus.SUCCESS, reason)
    if not tally.refused or tally.refusal is None:  # a refusal that none of the halves met again is over
        return trail.done(reason)
    message = f"{_counted(len(tally.refused))} refused. {tally.refusal.message}"
    trail.note(EXPORT, StepStatus.WARNING if tally.settled else StepStatus.FAILURE, message, tally.refusal)
    if tally.settled:
        return trail.done(f"{reason} {message}", refused_members=tuple(tally.refused))
    return replace(trail.end(tally.refusal), refused_members=tuple(tally.refused))


def _counted(number: int) -> str:
    return "1 member was" if number == 1 else f"{number} members were"


def _write(
    trail: Trail, target_id: str, members: Sequence[str], tally: _Tally
) -> Generator[ScimRequest, Verdict, None]:
    """Write the members together, and the halves of what is refused, until a problem or the bound ends it."""
    left = [list(members)]
    refusals = 0
    while left:
        batch = left.pop()
        if refusals == MOST_REFUSALS:
            tally.refused += batch
            continue
        verdict = yield requests.patch(target_id, _operations(trail, batch), trail.endpoint)
        as_wanted = _as_wanted(trail, verdict)
        if verdict.outcome is Result.DONE or (len(batch) == 1 and as_wanted):
            tally.settled += len(batch)
            continue
        if verdict.outcome is not Result.FAILED or verdict.code not in _ABOUT_MEMBERS:
            tally.problem = verdict
            return
        if verdict.gone and not tally.group_asked and not (yield from _is_there(trail, target_id, tally)):
            return
        refusals += not as_wanted
        tally.refusal = tally.refusal if as_wanted else verdict
        if len(batch) == 1:
            tally.refused += batch
        else:
            middle = len(batch) // 2
            left += [batch[middle:], batch[:middle]]


def _operations(trail: Trail, members: Sequence[str]) -> list[dict[str, object]]:
    dialect = trail.profile.dialect
    adding = trail.command.operation is Operation.ADD_MEMBERS
    return dialect.add_members(members) if adding else dialect.remove_members(members)


def _as_wanted(trail: Trail, verdict: Verdict) -> bool:
    """Return whether a refusal says of members that they are as wanted: there when adding, not there when removing."""
    if trail.command.operation is Operation.ADD_MEMBERS:
        return verdict.scim_type == "uniqueness"
    return verdict.scim_type == "noTarget"


def _is_there(trail: Trail, target_id: str, tally: _Tally) -> Generator[ScimRequest, Verdict, bool]:
    """Ask whether the 404 was about the group itself; say so in ``tally`` when it was, or when that cannot be told."""
    tally.group_asked = True
    verdict = yield requests.read(target_id, trail.endpoint)
    if verdict.gone:
        tally.gone = verdict
    elif verdict.outcome is not Result.DONE:
        tally.problem = verdict
    else:
        trail.note(MATCHING, StepStatus.SUCCESS, "The group is there: a member is not.", verdict)
    return verdict.outcome is Result.DONE
