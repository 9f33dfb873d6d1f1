"""Who left: what is done about their account, by the event that put them out (Microsoft Entra, "How provisioning works", deprovisioning).

The matrix of event x setting is data here; docs/decisions/0036 says why the doubtful cells are as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from services.diff.mapping import disabling_value
from services.diff.rules import Rules
from services.diff.scope import numbered
from services.diff.wanted import Case, Kind, Wanted, modified, nothing, skip, uncertain
from shared.contracts.changes import ModifiedAttribute, Operation
from shared.schema.conversion import ConversionError
from shared.schema.expressions import EvaluationError
from shared.schema.options import Action, Deprovisioning, Event

LOSSES_OF_SCOPE: Final = frozenset({Event.UNASSIGNED, Event.FILTERED_OUT})
"""Events after which the person is still there and active in the directory: what skipOutOfScopeDeletions is about."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Obstacle:
    """Something that leaves an account as it is: the words for it, and when it applies."""

    words: str
    applies: Callable[[Event, Action, Rules], bool]


OBSTACLES: Final = (
    Obstacle(
        words="skipOutOfScopeDeletions",
        applies=lambda event, _, rules: rules.skip_out_of_scope_deletions and event in LOSSES_OF_SCOPE,
    ),
    Obstacle(
        words="the mapping does nothing at this event",
        applies=lambda _, action, __: action is Action.NONE,
    ),
    Obstacle(
        words="the Delete action is off",
        # A target that cannot delete is disabled in place of the deletion: that is the Delete action still.
        applies=lambda event, action, rules: (
            not rules.deletes and (action is Action.DELETE or event is Event.HARD_DELETED)
        ),
    ),
    Obstacle(
        words="the Update action is off",
        applies=lambda event, action, rules: (
            not rules.updates and action is not Action.DELETE and event is not Event.HARD_DELETED
        ),
    ),
    Obstacle(
        words="nothing is mapped from IsSoftDeleted",
        applies=lambda _, action, rules: action is Action.DISABLE and not rules.disables,
    ),
)
"""What keeps a removal from an account, the first that applies."""


def obstacle_to(event: Event, action: Action, rules: Rules) -> str | None:
    """Return why the account is left as it is, or nothing when ``action`` is taken."""
    return next((item.words for item in OBSTACLES if item.applies(event, action, rules)), None)


def deprovision(case: Case) -> Wanted:
    """Want what the matrix says for the event that put the person out."""
    event = case.scope.event
    assert event is not None, "whoever is out is out by an event"
    chosen = case.rules.deprovisioning(event)
    obstacle = obstacle_to(event, chosen.action, case.rules)
    if obstacle is not None:
        return _leave(case, obstacle)
    return _STEPS[chosen.action](case, chosen)


def _leave(case: Case, words: str) -> Wanted:
    """Leave an account in use as it is; what is not in use, or only about to be made, must not come into use now."""
    person, rules = case.person, case.rules
    if not person.is_active(rules.active_path) and rules.disables and rules.updates:
        return _disable(case, None)
    subject = f"The account is left as it is ({words})"
    if person.in_flight:
        return nothing(subject, case.scope, in_scope=False)
    return skip(case.scope.failed, subject)


def _disable(case: Case, _: Deprovisioning | None) -> Wanted:
    path = case.rules.active_path
    try:
        value = disabling_value(case.record, case.person.assignment, case.rules)
    except (EvaluationError, ConversionError) as error:
        return skip(case.scope.failed, f"The account is left as it is ({path} could not be made: {error})")
    person = case.person
    if person.in_flight:
        if person.sent is not None and person.sent.operation in _REMOVING:
            return nothing("The account is being disabled", case.scope, in_scope=False)
    elif person.account is not None and path not in person.doubtful and person.account.resource.get(path) == value:
        if case.scope.event in LOSSES_OF_SCOPE and not case.rules.keeps_links:
            return skip(case.scope.failed, "The account is disabled and no longer managed", forgets=True)
        return nothing("The account is disabled", case.scope, in_scope=False)
    return _write(case, path, value)


_REMOVING: Final = frozenset({Operation.DISABLE, Operation.DELETE})


def _write(case: Case, path: str, value: Any) -> Wanted:
    person = case.person
    old = person.account.resource.get(path) if person.account else None
    return Wanted(
        kind=Kind.DISABLE,
        reason=numbered("The account is disabled", case.scope.reasons),
        in_scope=False,
        failed=case.scope.failed,
        resource={**_base(case), path: value},
        modified=(ModifiedAttribute(path=path, old=old, new=value),),
        matching=case.mapped.matching,
    )


def _base(case: Case) -> dict[str, Any]:
    """Return what the account holds, or is to hold, as far as is known."""
    person = case.person
    if person.sent is not None and (person.in_flight or person.account is None):
        return person.sent.resource
    return person.account.resource if person.account else {}


def _set_attribute(case: Case, chosen: Deprovisioning) -> Wanted:
    """Write one value in place of disabling; the account stays in use."""
    person, path = case.person, chosen.attribute or ""
    if person.account is None:
        return _leave(case, "it is not linked yet")
    wanted = {path: chosen.value}
    if person.in_flight:
        if person.sent is not None and not person.entered and person.sent.resource.get(path) == chosen.value:
            return nothing(f"{path} is being set", case.scope, in_scope=False)
    elif path not in person.doubtful and person.account.resource.get(path) == chosen.value:
        return skip(case.scope.failed, f"{path} was set, and the account is otherwise left as it is")
    # Everything in doubt is written with it, as every update does.
    resource = {**_base(case), **wanted}
    changes = modified(resource, person.account.resource, uncertain(person), case.rules)
    return Wanted(
        kind=Kind.UPDATE,
        reason=numbered(f"{path} is set", case.scope.reasons),
        in_scope=False,
        failed=case.scope.failed,
        resource=resource,
        modified=changes,
        matching=case.mapped.matching,
    )


def _delete(case: Case, _: Deprovisioning) -> Wanted:
    person = case.person
    if person.in_flight and person.sent is not None and person.sent.operation is Operation.DELETE:
        return nothing("The account is being deleted", case.scope, in_scope=False)
    return Wanted(
        kind=Kind.DELETE,
        reason=numbered("The account is deleted", case.scope.reasons),
        in_scope=False,
        failed=case.scope.failed,
        resource=_base(case),
        matching=case.mapped.matching,
    )


_STEPS: Final[dict[Action, Callable[[Case, Deprovisioning], Wanted]]] = {
    Action.DISABLE: _disable,
    Action.SET_ATTRIBUTE: _set_attribute,
    Action.DELETE: _delete,
}
