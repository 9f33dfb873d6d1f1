"""Who is in scope: an account is created or found for them, and kept as the mapping says."""

from collections.abc import Mapping
from typing import Any

from services.diff.mapping import kept_back, notes_of
from services.diff.person import Account
from services.diff.references.values import reference_values, unresolved
from services.diff.rules import Rules
from services.diff.wanted import (
    Case,
    Kind,
    Wanted,
    answered,
    carries,
    does_not_create,
    holds,
    modified,
    nothing,
    skip,
    uncertain,
)
from shared.contracts.changes import Operation
from shared.contracts.failure_codes import Code
from shared.contracts.synchronization_schema import FlowType
from shared.schema.conversion import is_empty
from shared.schema.mapping import Mapped


def create(case: Case) -> Wanted:
    """Want an account; the writer looks for one by the matching values before it makes one."""
    person, rules = case.person, case.rules
    notes = notes_of(case.mapped)
    if not rules.creates:
        return _find_only(case)
    resource = case.mapped.for_create()
    if (
        person.in_flight
        and person.sent
        and person.sent.operation is Operation.CREATE
        and carries(person, resource, rules)
    ):
        return nothing("The creation under way carries what is wanted", notes=notes)
    return Wanted(
        kind=Kind.CREATE,
        reason=_noted("In scope, and not linked to an account at the target", notes),
        in_scope=True,
        resource=resource,
        matching=case.mapped.matching,
        notes=notes,
    )


def _find_only(case: Case) -> Wanted:
    """Look for an account and link it; with the Create action off none is made."""
    person = case.person
    resource = {item.attribute: item.value for item in case.mapped.matching}
    asked = person.sent is not None and person.sent.operation is Operation.UPDATE and person.sent.resource == resource
    if asked and person.in_flight:
        return nothing("The account is being looked for")
    if asked and answered(person):
        return skip((does_not_create(),))
    return Wanted(
        kind=Kind.UPDATE,
        reason="In scope, and not linked: an account is looked for, and none is created (the Create action is off)",
        in_scope=True,
        resource=resource,
        matching=case.mapped.matching,
        only_matching=True,
    )


def keep_back(case: Case) -> Wanted:
    """Create nobody for whom values are missing; what is under way comes to its end."""
    if case.person.in_flight:
        return nothing("A change is under way, and values for another are missing")
    return skip(kept_back(case.mapped, case.rules))


def refuse_double(case: Case) -> Wanted:
    """Create nobody, and link nobody, whose account another user of the job has."""
    if case.person.in_flight:
        return nothing("A change is under way, and another user has the matching value by now")
    names = " or ".join(item.attribute for item in case.mapped.matching)
    return Wanted(
        kind=Kind.FAIL,
        reason=f"Another user of this job has the same {names}; nothing was written",
        in_scope=True,
        resource={},
        failure=Code.DUPLICATE_SOURCE_ENTRIES,
    )


def keep_in_step(case: Case) -> Wanted:
    """Want the linked account to hold what the mapping says, and nothing when it does."""
    person, rules, account = case.person, case.rules, case.person.account
    assert account is not None, "the table asks for a linked account"
    notes = notes_of(case.mapped)
    if case.mapped.references:
        notes += unresolved(person, case.mapped)
    if not rules.updates:
        return nothing("The account is left as it is (the Update action is off)", notes=notes)
    wanted = values_for(account, case.mapped, rules)
    if rules.references:
        wanted = {**wanted, **reference_values(person, case.mapped, rules)}
    if enough := _what_is_enough(case, account, wanted):
        return nothing(enough, notes=notes)
    confirmed = account.resource
    base = person.sent.resource if person.in_flight and person.sent else confirmed
    resource = {**base, **{path: value for path, value in wanted.items() if _is_new(path, value, base, rules)}}
    changes = modified(resource, confirmed, uncertain(person), rules)
    if not changes:
        return nothing("What may still differ has no value in the directory", notes=notes)
    if rules.always:
        named = {item.path for item in changes}
        again = {path: wanted[path] for path in rules.always if path not in named and wanted.get(path) is not None}
        changes += modified(again, confirmed, frozenset(again), rules)
    names = ", ".join(item.path for item in changes)
    back = comes_back(account, resource, rules)
    reason = f"In scope again; the account is enabled ({names})" if back else f"Attributes differ: {names}"
    return Wanted(
        kind=Kind.UPDATE,
        reason=_noted(reason, notes),
        in_scope=True,
        resource={path: value for path, value in resource.items() if value is not None},
        modified=changes,
        matching=case.mapped.matching,
        notes=notes,
    )


def comes_back(account: Account, resource: Mapping[str, Any], rules: Rules) -> bool:
    """Return whether an account that was out of use is in use when it holds ``resource``."""
    path = rules.active_path
    return account.resource.get(path) is False and resource.get(path) is not False


def _is_new(path: str, value: Any, base: dict[str, Any], rules: Rules) -> bool:
    """Return whether a value is to take the place of the one that is there: what differs in nothing that counts stays as it is."""
    return value is None or path not in base or rules.differs(path, base[path], value)


def values_for(account: Account, mapped: Mapped, rules: Rules) -> dict[str, Any]:
    """Return what an account that exists is to hold, None for what is to be removed: flow types decide what flows to it."""
    wanted: dict[str, Any] = mapped.values
    if mapped.cleared:
        # A reference is written, and removed, when the object that it names is known at the target: not with the values.
        cleared = [path for path in mapped.cleared if path not in rules.references]
        wanted = {**wanted, **dict.fromkeys(cleared)}
    if not rules.flows:
        return wanted
    flowing = {path: _flowing(path, value, account, rules) for path, value in wanted.items()}
    return {path: value for path, value in flowing.items() if value is not _STAYS}


_STAYS: Any = object()


def _flowing(path: str, value: Any, account: Account, rules: Rules) -> Any:
    row = rules.flows.get(path)
    held = account.resource.get(path)
    match row.flow_type if row else FlowType.ALWAYS:
        case FlowType.OBJECT_ADD_ONLY:
            return _STAYS
        case FlowType.ATTRIBUTE_ADD_ONLY:
            return value if is_empty(held) and value is not None else _STAYS
        case FlowType.VALUE_ADD_ONLY:
            return _STAYS if value is None else value
        case FlowType.MULTI_VALUE_ADD_ONLY:
            return _joined(held, value)
        case _:
            return value


def _joined(held: Any, value: Any) -> Any:
    """Return the values that are held with those that are new; a single value is only ever added where there is none."""
    if not isinstance(value, list):
        return value if is_empty(held) and value is not None else _STAYS
    known = held if isinstance(held, list) else []
    added = [item for item in value if item not in known]
    return [*known, *added] if added else _STAYS


def _what_is_enough(case: Case, account: Account, wanted: dict[str, Any]) -> str | None:
    """Return why nothing is to be written to a linked account, or nothing when something is."""
    person, rules = case.person, case.rules
    if person.in_flight:
        return "The change under way carries what is wanted" if carries(person, wanted, rules) else None
    if person.doubtful:
        return None
    if holds(account.resource, wanted, rules):
        return "The target holds what is wanted"
    if case.trust_done and answered(person) and carries(person, wanted, rules):
        return "The target took what is wanted and keeps it in its own form"
    return None


def _noted(reason: str, notes: tuple[str, ...]) -> str:
    return f"{reason}. {'. '.join(notes)}" if notes else reason
