"""The decision about one group object: link x scope, as for users. Who belongs to it is decided membership by membership."""

from collections.abc import Mapping
from typing import Any, Final

from services.diff.groups.group import Group, TargetGroup
from services.diff.groups.rules import GroupRules
from services.diff.scope import BELONGS, FailedCondition, Scope, SkipCode, Standing, decide_scope, numbered
from services.diff.wanted import Kind, Wanted, does_not_create, nothing, skip
from shared.contracts.changes import ModifiedAttribute
from shared.contracts.failure_codes import Code
from shared.schema.expressions import EvaluationContext
from shared.schema.mapping import Mapped
from shared.schema.source_attributes import IS_SOFT_DELETED

_SKIPPED = "The group was skipped"


def decide(group: Group, rules: GroupRules, *, taken: bool = False) -> Wanted:
    """Return what is wanted for the assignment that the group has.

    ``taken``: another group of the job has the name by which this one would be matched.
    """
    scope, mapped = look_at(group, rules)
    if group.in_flight:
        return nothing("A change of the group is under way", scope, in_scope=scope.in_scope)
    if scope.standing is Standing.IN:
        if group.link is None:
            return _when_not_linked(mapped, rules, taken=taken)
        return _when_linked(group, group.link, mapped, rules)
    if not group.may_exist:
        return skip(scope.failed, _SKIPPED)
    return _when_out(group, mapped, scope, rules)


_NOT_MAPPED: Final = Scope(
    standing=Standing.IGNORED,
    failed=(
        FailedCondition(
            name="Groups are provisioned",
            code=SkipCode.OUT_OF_SCOPE,
            reason="the job does not map groups, or its target takes none; groups are left as they are",
        ),
    ),
)


def look_at(group: Group, rules: GroupRules) -> tuple[Scope, Mapped]:
    """Return where the group stands, and what the mapping makes of it."""
    mapping, assignment = rules.mapping, group.assignment
    if mapping is None:
        return _NOT_MAPPED, Mapped(values={}, matching=())
    record: dict[str, Any] = {**assignment.attributes, "id": group.object_id}
    scope = decide_scope(assignment, record, rules, mapping.filter)
    record[IS_SOFT_DELETED] = not scope.in_scope
    context = EvaluationContext(now=assignment.observed_at, seed=f"{group.job_id}/{group.object_id}")
    mapped = mapping.evaluate(record, context)
    if mapped.ignored_object and scope.in_scope:
        reason = "an expression of the mapping leaves the group alone (IgnoreObjectFlow)"
        failed = FailedCondition(name=BELONGS, code=SkipCode.IMPORT_SKIPPED, reason=reason)
        scope = Scope(standing=Standing.IGNORED, failed=(failed,))
    return scope, mapped


def _when_not_linked(mapped: Mapped, rules: GroupRules, *, taken: bool) -> Wanted:
    if mapped.missing or not mapped.matching:
        names = ", ".join(mapped.missing) or "the attribute to match by"
        reason = f"{names} has no value in the directory; give the group one there"
        failed = FailedCondition(
            name="Required attributes have a value", code=SkipCode.ATTRIBUTE_VALIDATION_FAILED, reason=reason
        )
        return skip((failed,), _SKIPPED)
    if not rules.creates:
        return skip((does_not_create(),), _SKIPPED)
    if taken:
        names = " or ".join(item.attribute for item in mapped.matching)
        return Wanted(
            kind=Kind.FAIL,
            reason=f"Another group of this job has the same {names}; nothing was written",
            in_scope=True,
            resource={},
            failure=Code.DUPLICATE_SOURCE_ENTRIES,
        )
    return Wanted(
        kind=Kind.CREATE,
        reason="Assigned, and not linked to a group at the target",
        in_scope=True,
        resource=mapped.for_create(),
        matching=mapped.matching,
    )


def _when_linked(group: Group, link: TargetGroup, mapped: Mapped, rules: GroupRules) -> Wanted:
    if not rules.updates:
        return nothing("The group is left as it is (the Update action is off)")
    held = link.resource
    wanted = {**dict.fromkeys(mapped.cleared), **mapped.values}
    changes = tuple(
        ModifiedAttribute(path=path, old=held.get(path), new=value)
        for path, value in wanted.items()
        if _differs(path, held, value, rules) or (group.doubtful and value is not None)
    )
    if not changes:
        return nothing("The target holds what is wanted")
    resource = {**held, **{item.path: item.new for item in changes}}
    return Wanted(
        kind=Kind.UPDATE,
        reason=f"Attributes differ: {', '.join(item.path for item in changes)}",
        in_scope=True,
        resource={path: value for path, value in resource.items() if value is not None},
        modified=changes,
        matching=mapped.matching,
    )


def _differs(path: str, held: Mapping[str, Any], value: Any, rules: GroupRules) -> bool:
    if path not in held or value is None:
        return bool(held.get(path) != value)
    row = rules.mapping.attributes.get(path) if rules.mapping is not None else None
    return row.differs(held[path], value) if row is not None else bool(held[path] != value)


def _when_out(group: Group, mapped: Mapped, scope: Scope, rules: GroupRules) -> Wanted:
    if scope.standing is Standing.IGNORED:
        return skip(scope.failed, "The group is left alone")
    if scope.standing is Standing.UNTOLD:
        return nothing("Nothing is taken away while the directory cannot tell", scope, in_scope=group.entered)
    assert scope.event is not None, "whoever is out is out by an event"
    obstacle = rules.obstacle_to_deletion(scope.event)
    if obstacle is not None:
        return skip(scope.failed, f"The group and its members are left as they are ({obstacle})")
    return Wanted(
        kind=Kind.DELETE,
        reason=numbered("The group is deleted", scope.reasons),
        in_scope=False,
        failed=scope.failed,
        resource=group.link.resource if group.link else group.sent.resource if group.sent else {},
        matching=mapped.matching,
    )


def takes_members(group: Group, rules: GroupRules) -> bool:
    """Return whether a change of members may go out now: the group is linked and in scope, and no change of it is under way.

    A group that is refused another name takes members all the same.
    """
    if group.in_flight or group.link is None or not rules.writes_members:
        return False
    wanted = decide(group, rules)
    return wanted.in_scope and (wanted.kind is Kind.NOTHING or group.next_attempt_at is not None)
