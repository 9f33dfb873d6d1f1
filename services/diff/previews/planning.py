"""What a decision comes to in a plan: one row for each user or group that would be changed. Pure.

Decisions are those of ``core`` and of ``groups.core``, made for persons and groups that are never saved.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any, Final

import orjson

from services.diff.core import Decision, Occasion, by_other_rules, is_removal
from services.diff.decision_table import decide_case
from services.diff.groups.core import GroupDecision, GroupOccasion, look_again
from services.diff.groups.group import Group
from services.diff.groups.wanted import decide as decide_group
from services.diff.groups.wanted import look_at as look_at_group
from services.diff.in_scope import comes_back
from services.diff.mapping import notes_of
from services.diff.person import Person
from services.diff.wanted import Case, Kind, Wanted
from shared.contracts.assignments import DirectoryAssignment
from shared.contracts.changes import ModifiedAttribute, redact
from shared.contracts.message import ObjectType
from shared.contracts.preview import COUNTED_ONLY, PlannedAction, PlanRow
from shared.contracts.public import UserStatus
from shared.schema.mapping import Mapped

PLAN: Final = "Preview"
"""The cycle that the removals of a plan would wait with; no cycle of the directory has this id."""
LONGEST_SHOWN: Final = 300
"""How many characters of a value a row shows."""

_WRITES: Final = {
    Kind.CREATE: PlannedAction.CREATE,
    Kind.UPDATE: PlannedAction.UPDATE,
    Kind.DISABLE: PlannedAction.DISABLE,
    Kind.DELETE: PlannedAction.DELETE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Planned:
    """What would become of one user or group.

    ``row`` tells the values whole. ``waits``: a removal that waits already, so the plan does not bring it. ``errors``: an attribute cannot
    be made. ``forgets``: nobody at the target has or gets its matching values.
    """

    row: PlanRow
    waits: bool = False
    errors: bool = False
    in_flight: bool = False
    forgets: bool = False


def plan_person(case: Case, occasion: Occasion) -> Planned:
    """Return what would become of a person of whom everything was found out; ``occasion`` is that of a pass over everybody."""
    person = case.person
    wanted = decide_case(case, taken=occasion.taken)
    counted = waits = forgets = False
    # What is written and takes nobody's account away waits for nothing and keeps its values: its message need not be made.
    if is_removal(wanted) or not wanted.writes:
        decision = by_other_rules(person, wanted, replace(occasion, cycle=PLAN))
        counted, waits = _staged(wanted, decision, person)
        after = decision.person
        changed = after != person or bool(decision.emissions)
        forgets = changed and not after.may_exist and not after.entered
    row = PlanRow(
        object_type=ObjectType.USER,
        object_id=person.object_id,
        name=_name(person.assignment, "userPrincipalName"),
        action=PlannedAction.UNCHANGED if waits else _action(case, wanted),
        reason=wanted.reason,
        reasons=wanted.reasons,
        code=wanted.code,
        attributes=() if waits else _attributes(wanted, case.rules.redacted),
        counted=counted,
    )
    return Planned(
        row=row,
        waits=waits,
        errors=bool(case.mapped.failures),
        in_flight=person.in_flight,
        forgets=forgets,
    )


def plan_group(group: Group, occasion: GroupOccasion) -> Planned:
    """Return what would become of a group. One whose change is under way is decided about at its end."""
    wanted = decide_group(group, occasion.rules, taken=occasion.taken)
    decision = look_again(group, replace(occasion, cycle=PLAN))
    _, mapped = look_at_group(group, occasion.rules)
    counted, waits = _staged(wanted, decision, group)
    row = PlanRow(
        object_type=ObjectType.GROUP,
        object_id=group.object_id,
        name=_name(group.assignment, "displayName"),
        action=PlannedAction.UNCHANGED if waits else _group_action(group, wanted, mapped),
        reason=wanted.reason,
        reasons=wanted.reasons,
        code=wanted.code,
        attributes=() if waits else _attributes(wanted, occasion.rules.redacted),
        counted=counted,
    )
    return Planned(row=row, waits=waits, errors=bool(mapped.failures), in_flight=group.in_flight)


def _staged(wanted: Wanted, decision: Decision | GroupDecision, before: Person | Group) -> tuple[bool, bool]:
    """Return whether a removal would be counted with the plan, and whether it waits already with another cycle."""
    after = decision.person if isinstance(decision, Decision) else decision.group
    if not is_removal(wanted):
        return False, False
    return after.staged_in == PLAN, before.staged_in is not None and after.staged_in == before.staged_in


def _action(case: Case, wanted: Wanted) -> PlannedAction:
    person = case.person
    if wanted.only_matching:
        return PlannedAction.MATCH
    if (
        wanted.kind is Kind.UPDATE
        and person.account is not None
        and comes_back(person.account, wanted.resource, case.rules)
    ):
        return PlannedAction.ENABLE
    if wanted.kind is Kind.NOTHING and wanted.in_scope and _new_failure(case.mapped, person.reasons):
        return PlannedAction.FAIL
    return _besides(wanted, case.mapped, person.status)


def _group_action(group: Group, wanted: Wanted, mapped: Mapped) -> PlannedAction:
    if wanted.kind is Kind.NOTHING and wanted.in_scope and _new_failure(mapped, group.reasons) and not group.in_flight:
        return PlannedAction.FAIL
    return _besides(wanted, mapped, group.status)


def _besides(wanted: Wanted, mapped: Mapped, status: UserStatus) -> PlannedAction:
    if wanted.kind in _WRITES:
        return _WRITES[wanted.kind]
    if wanted.kind is Kind.NOTHING:
        return PlannedAction.UNCHANGED if wanted.in_scope else PlannedAction.OUT_OF_SCOPE
    if wanted.kind is Kind.SKIP:
        if status is UserStatus.SKIPPED and not wanted.forgets:
            return PlannedAction.OUT_OF_SCOPE
        needed = {item.path for item in mapped.failures} & set(mapped.missing)
        return PlannedAction.FAIL if needed else PlannedAction.SKIP
    return PlannedAction.FAIL


def _new_failure(mapped: Mapped, known: Iterable[str]) -> bool:
    """Return whether an attribute cannot be made of which that is not known yet."""
    return not set(notes_of(mapped)) <= set(known)


def _attributes(wanted: Wanted, redacted: Iterable[str]) -> tuple[ModifiedAttribute, ...]:
    """Return what would be written; of a create, and of a search for an account, everything that it carries."""
    if wanted.kind is Kind.CREATE or wanted.only_matching:
        found = tuple(ModifiedAttribute(path=path, new=value) for path, value in wanted.resource.items())
    else:
        found = wanted.modified
    hidden = frozenset(redacted)
    return tuple(
        ModifiedAttribute(path=item.path, old=redact(item.old), new=redact(item.new)) if item.path in hidden else item
        for item in found
    )


def _name(assignment: DirectoryAssignment, attribute: str) -> str | None:
    name = assignment.attributes.get(attribute)
    return name if isinstance(name, str) else None


def shown(row: PlanRow) -> PlanRow:
    """Return a row whose values are short enough to be told by thousands."""
    attributes = tuple(
        ModifiedAttribute(path=item.path, old=_short(item.old), new=_short(item.new)) for item in row.attributes
    )
    return row.model_copy(update={"attributes": attributes})


def _short(value: Any) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    text = value if isinstance(value, str) else orjson.dumps(value).decode()
    return value if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"


def is_change(row: PlanRow) -> bool:
    """Return whether anything at the target, or the standing of the object, would be another."""
    return row.action not in COUNTED_ONLY
