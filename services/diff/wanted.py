"""The decision about one person: what is wanted of the target now, given what was sent and what was confirmed."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.diff.mapping import Mapped, map_user
from services.diff.person import Account, Person
from services.diff.rules import Rules
from services.diff.scope import ACTIVE, IN_SCOPE, FailedCondition, Scope, SkipCode, decide_scope, numbered
from shared.contracts.changes import MatchingValue, ModifiedAttribute, Operation


class Kind(StrEnum):
    """What is to be done about a person."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    SKIP = "skip"
    NOTHING = "nothing"

    @property
    def operation(self) -> Operation:
        """Return the operation at the target, ``none`` when nothing is to be written."""
        return _OPERATIONS.get(self, Operation.NONE)


_OPERATIONS: Final = {
    Kind.CREATE: Operation.CREATE,
    Kind.UPDATE: Operation.UPDATE,
    Kind.DISABLE: Operation.DISABLE,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted, and why.

    ``failed``: the conditions that keep the person out. ``in_scope`` is false for a skip of any kind.
    ``resource``, ``modified`` and ``matching`` belong to a write.
    """

    kind: Kind
    reason: str
    in_scope: bool
    failed: tuple[FailedCondition, ...] = ()
    resource: dict[str, Any]
    modified: tuple[ModifiedAttribute, ...] = ()
    matching: tuple[MatchingValue, ...] = ()

    @property
    def writes(self) -> bool:
        """Return whether the target is to be written to."""
        return self.kind in _OPERATIONS

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return one sentence for each failed condition."""
        return tuple(str(condition) for condition in self.failed)

    @property
    def code(self) -> SkipCode | None:
        """Return the code of the condition that has to be mended first."""
        return self.failed[0].code if self.failed else None


def decide(person: Person, rules: Rules, *, trust_done: bool = True) -> Wanted:
    """Return what is wanted for the assignment that the person has.

    While a change is under way it is compared with what that one carries, otherwise with what the target confirmed. With ``trust_done`` a
    change that the target has already answered with *done* is not sent again, even if the target keeps the values in another form.
    """
    scope = decide_scope(person.assignment, rules)
    mapped = map_user(rules, person.object_id, person.assignment.attributes)
    if scope.in_scope:
        if person.account is None:
            return _when_not_linked(person, mapped)
        return _when_linked(person, person.account, rules, mapped, trust_done=trust_done)
    if not scope.certain and person.may_exist:
        return _nothing("Nothing is taken away while the directory cannot tell", scope, in_scope=person.entered)
    return _when_out_of_scope(person, rules, mapped, scope)


def _when_not_linked(person: Person, mapped: Mapped) -> Wanted:
    if mapped.failed:
        if person.in_flight:
            return _nothing("A change is under way, and values for another are missing", IN_SCOPE, in_scope=True)
        return _skip(mapped.failed)
    if person.in_flight and _carries(person, mapped.resource, Operation.CREATE):
        return _nothing("The creation under way carries what is wanted", IN_SCOPE, in_scope=True)
    return Wanted(
        kind=Kind.CREATE,
        reason="In scope, and not linked to an account at the target",
        in_scope=True,
        resource=mapped.resource,
        matching=mapped.matching,
    )


def _when_linked(person: Person, account: Account, rules: Rules, mapped: Mapped, *, trust_done: bool) -> Wanted:
    confirmed = account.resource
    if content := _what_is_enough(person, confirmed, mapped.resource, trust_done=trust_done):
        return _nothing(content, IN_SCOPE, in_scope=True)
    base = person.sent.resource if person.in_flight and person.sent else confirmed
    resource = {**base, **mapped.resource}
    modified = _modified(resource, confirmed, _uncertain(person))
    if not modified:
        return _nothing("What may still differ has no value in the directory", IN_SCOPE, in_scope=True)
    again = confirmed.get(rules.active_path) is not True
    names = ", ".join(item.path for item in modified)
    return Wanted(
        kind=Kind.UPDATE,
        reason=f"In scope again; the account is enabled ({names})" if again else f"Attributes differ: {names}",
        in_scope=True,
        resource=resource,
        modified=modified,
        matching=mapped.matching,
    )


def _what_is_enough(
    person: Person, confirmed: dict[str, Any], resource: dict[str, Any], *, trust_done: bool
) -> str | None:
    """Return why nothing is to be written to a linked account, or nothing when something is."""
    if person.in_flight:
        return "The change under way carries what is wanted" if _carries(person, resource) else None
    if person.doubtful:
        return None
    if _holds(confirmed, resource):
        return "The target holds what is wanted"
    if trust_done and _answered(person) and _carries(person, resource):
        return "The target took what is wanted and keeps it in its own form"
    return None


def _when_out_of_scope(person: Person, rules: Rules, mapped: Mapped, scope: Scope) -> Wanted:
    active = rules.active_path
    if not person.may_exist:
        return _skip(scope.failed)
    if person.in_flight:
        if person.sent is not None and person.sent.operation is Operation.DISABLE:
            return _nothing("The account is being disabled", scope, in_scope=False)
    elif person.account is not None and active not in person.doubtful and not person.is_active(active):
        return _nothing("The account is disabled", scope, in_scope=False)
    if rules.skip_out_of_scope_deletions and person.is_active(active) and not _left_as_inactive(scope):
        if person.in_flight:
            return _nothing("The account is left as it is (skipOutOfScopeDeletions)", scope, in_scope=False)
        return _skip(scope.failed)
    base = person.account.resource if person.account else {}
    if person.sent is not None and (person.in_flight or person.account is None):
        base = person.sent.resource
    old = person.account.resource.get(active) if person.account else None
    return Wanted(
        kind=Kind.DISABLE,
        reason=numbered("The account is disabled", scope.reasons),
        in_scope=False,
        failed=scope.failed,
        resource={**base, active: False},
        modified=(ModifiedAttribute(path=active, old=old, new=False),),
        matching=mapped.matching,
    )


def _left_as_inactive(scope: Scope) -> bool:
    """Return whether the account state alone is against the person: that is no loss of scope, and the account is disabled."""
    return len(scope.failed) == 1 and scope.fails(ACTIVE)


def _carries(person: Person, resource: dict[str, Any], operation: Operation | None = None) -> bool:
    sent = person.sent
    return sent is not None and operation in {None, sent.operation} and _holds(sent.resource, resource)


def _answered(person: Person) -> bool:
    return person.settled == person.generation


def _holds(held: dict[str, Any], wanted: dict[str, Any]) -> bool:
    """Return whether every wanted value is held; what is held beyond that is left alone: null is not provisioned."""
    return all(path in held and held[path] == value for path, value in wanted.items())


def _uncertain(person: Person) -> frozenset[str]:
    touched = person.sent.touched if person.sent and person.in_flight else frozenset()
    return touched | person.doubtful


def _modified(
    resource: dict[str, Any], confirmed: dict[str, Any], uncertain: frozenset[str]
) -> tuple[ModifiedAttribute, ...]:
    """Return what differs from the confirmed values, and everything that an unsettled change may have altered."""
    return tuple(
        ModifiedAttribute(path=path, old=confirmed.get(path), new=value)
        for path, value in resource.items()
        if path in uncertain or path not in confirmed or confirmed[path] != value
    )


def _skip(failed: tuple[FailedCondition, ...]) -> Wanted:
    reason = numbered("The user was skipped", [str(condition) for condition in failed])
    return Wanted(kind=Kind.SKIP, reason=reason, in_scope=False, failed=failed, resource={})


def _nothing(reason: str, scope: Scope, *, in_scope: bool) -> Wanted:
    return Wanted(kind=Kind.NOTHING, reason=reason, in_scope=in_scope, failed=scope.failed, resource={})
