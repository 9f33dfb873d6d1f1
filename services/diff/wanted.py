"""What can be wanted of the target for one person, and the comparisons by which it is found out."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.scope import IN_SCOPE, FailedCondition, Scope, SkipCode, numbered
from shared.contracts.changes import MatchingValue, ModifiedAttribute, Operation
from shared.contracts.failure_codes import Code
from shared.schema.mapping import Mapped


class Kind(StrEnum):
    """What is to be done about a person."""

    CREATE = "create"
    UPDATE = "update"
    DISABLE = "disable"
    DELETE = "delete"
    SKIP = "skip"
    FAIL = "fail"
    NOTHING = "nothing"

    @property
    def operation(self) -> Operation:
        """Return the operation at the target, ``none`` when nothing is to be written."""
        return _OPERATIONS.get(self, Operation.NONE)


_OPERATIONS: Final = {
    Kind.CREATE: Operation.CREATE,
    Kind.UPDATE: Operation.UPDATE,
    Kind.DISABLE: Operation.DISABLE,
    Kind.DELETE: Operation.DELETE,
}
_REMOVALS: Final = frozenset({Kind.DISABLE, Kind.DELETE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What is wanted, and why.

    ``failed``: the conditions that keep the person out. ``in_scope`` is false for a skip of any kind. ``notes``: attributes that could not
    be made. ``resource``, ``modified`` and ``matching`` belong to a write; one that is ``only_matching`` looks for an account and makes
    none. ``forgets``: the link to the account is given up. ``failure`` is why it fails without a word with the target.
    """

    kind: Kind
    reason: str
    in_scope: bool
    resource: dict[str, Any]
    failed: tuple[FailedCondition, ...] = ()
    notes: tuple[str, ...] = ()
    modified: tuple[ModifiedAttribute, ...] = ()
    matching: tuple[MatchingValue, ...] = ()
    only_matching: bool = False
    forgets: bool = False
    failure: Code | None = None

    @property
    def writes(self) -> bool:
        """Return whether the target is to be written to."""
        return self.kind in _OPERATIONS

    @property
    def reasons(self) -> tuple[str, ...]:
        """Return one sentence for each failed condition and each attribute that could not be made."""
        return (*(str(condition) for condition in self.failed), *self.notes)

    @property
    def code(self) -> str | None:
        """Return the code of the failure, or of the condition that has to be mended first."""
        if self.failure is not None:
            return self.failure
        return self.failed[0].code if self.failed else None

    def needs_license(self, active_path: str) -> bool:
        """Return whether the account is to be active when this was written."""
        return self.kind not in _REMOVALS and not self.only_matching and self.resource.get(active_path) is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One person to decide about, with everything that was found out: the scope, and the mapped values.

    With ``trust_done`` a change that the target has already answered with *done* is not sent again, even if the target keeps the values in
    another form.
    """

    person: Person
    rules: Rules
    record: Mapping[str, Any]
    scope: Scope
    mapped: Mapped
    trust_done: bool


def skip(
    failed: tuple[FailedCondition, ...], subject: str = "The user was skipped", *, forgets: bool = False
) -> Wanted:
    """Return that nothing is to be written, with every reason."""
    reason = numbered(subject, [str(condition) for condition in failed])
    return Wanted(kind=Kind.SKIP, reason=reason, in_scope=False, failed=failed, resource={}, forgets=forgets)


def nothing(reason: str, scope: Scope = IN_SCOPE, *, in_scope: bool = True, notes: tuple[str, ...] = ()) -> Wanted:
    """Return that all is as it is to be, or that it has to be waited for."""
    return Wanted(kind=Kind.NOTHING, reason=reason, in_scope=in_scope, failed=scope.failed, resource={}, notes=notes)


def does_not_create() -> FailedCondition:
    """Return why nobody is created when the mapping's Create action is off."""
    return FailedCondition(
        name="Target object actions",
        code=SkipCode.OUT_OF_SCOPE,
        reason="no account at the target matches, and the Create action of the mapping is off",
    )


def holds(held: Mapping[str, Any], wanted: Mapping[str, Any], rules: Rules) -> bool:
    """Return whether every wanted value is held, None meaning that none is; what is held beyond that is left alone."""
    for path, value in wanted.items():
        if value is None:
            if held.get(path) is not None:
                return False
        elif path not in held or (held[path] != value and rules.differs(path, held[path], value)):
            return False
    return True


def carries(person: Person, wanted: Mapping[str, Any], rules: Rules) -> bool:
    """Return whether the newest change that was sent carries every wanted value."""
    return person.sent is not None and holds(person.sent.resource, wanted, rules)


def answered(person: Person) -> bool:
    """Return whether the newest change was carried out."""
    return person.settled == person.generation


def uncertain(person: Person) -> frozenset[str]:
    """Return the paths whose value at the target is not known for sure."""
    touched = person.sent.touched if person.sent and person.in_flight else frozenset()
    return touched | person.doubtful


def modified(
    wanted: Mapping[str, Any], confirmed: Mapping[str, Any], doubtful: frozenset[str], rules: Rules
) -> tuple[ModifiedAttribute, ...]:
    """Return what differs from the confirmed values, and everything that an unsettled change may have altered."""
    found = []
    for path, value in wanted.items():
        old = confirmed.get(path)
        if path not in doubtful:
            if value == old and (value is not None or path not in confirmed):
                continue
            if value is not None and path in confirmed and not rules.differs(path, old, value):
                continue
            if value is None and old is None:
                continue
        found.append(ModifiedAttribute(path=path, old=old, new=value))
    return tuple(found)
