"""The decision about one person: link x scope x matching value, as a table (Microsoft Entra, "How provisioning works").

What the target's search finds is not known here: a creation is looked up first, and ``outcomes`` goes on with what was found.
"""

from collections.abc import Callable, Iterable
from enum import StrEnum
from itertools import product
from typing import Final

from services.diff.deprovisioning import deprovision
from services.diff.in_scope import create, keep_back, keep_in_step, refuse_double
from services.diff.mapping import digest_of, kept_back, map_user, record_of
from services.diff.person import Person
from services.diff.rules import Rules
from services.diff.scope import BELONGS, FailedCondition, Scope, SkipCode, Standing, decide_scope
from services.diff.wanted import Case, Wanted, nothing, skip


class Link(StrEnum):
    """Whether an account is linked. ``unsure``: none is, and one may exist or come to exist."""

    NONE = "none"
    UNSURE = "unsure"
    PRESENT = "present"


class Match(StrEnum):
    """What there is to look for an account by. ``taken``: another user of the job has it."""

    EMPTY = "empty"
    TAKEN = "taken"
    OPEN = "open"


Step = Callable[[Case], Wanted]
ANY_LINK: Final = tuple(Link)
ANY_MATCH: Final = tuple(Match)


def _skip(case: Case) -> Wanted:
    return skip(case.scope.failed)


def _wait(case: Case) -> Wanted:
    reason = "Nothing is taken away while the directory cannot tell"
    return nothing(reason, case.scope, in_scope=case.person.entered)


def _leave_alone(case: Case) -> Wanted:
    if case.person.in_flight:
        return nothing("The user is left alone from now on", case.scope, in_scope=case.person.entered)
    return skip(case.scope.failed, "The user is left alone")


_ROWS: Final[tuple[tuple[Iterable[Link], Standing, Iterable[Match], Step], ...]] = (
    ([Link.NONE, Link.UNSURE], Standing.IN, [Match.OPEN], create),
    ([Link.NONE, Link.UNSURE], Standing.IN, [Match.EMPTY], keep_back),
    ([Link.NONE, Link.UNSURE], Standing.IN, [Match.TAKEN], refuse_double),
    ([Link.PRESENT], Standing.IN, ANY_MATCH, keep_in_step),
    ([Link.NONE], Standing.OUT, ANY_MATCH, _skip),
    ([Link.UNSURE, Link.PRESENT], Standing.OUT, ANY_MATCH, deprovision),
    ([Link.NONE], Standing.UNTOLD, ANY_MATCH, _skip),
    ([Link.UNSURE, Link.PRESENT], Standing.UNTOLD, ANY_MATCH, _wait),
    (ANY_LINK, Standing.IGNORED, ANY_MATCH, _leave_alone),
)

DECISION_TABLE: Final[dict[tuple[Link, Standing, Match], Step]] = {
    (link, standing, match): step for links, standing, matches, step in _ROWS for link, match in product(links, matches)
}


def decide(person: Person, rules: Rules, *, taken: bool = False, trust_done: bool = True) -> Wanted:
    """Return what is wanted for the assignment that the person has.

    While a change is under way it is compared with what that one carries, otherwise with what the target confirmed. ``taken``: another
    user of the job has a matching value of this one. ``trust_done`` is that of ``Case``.
    """
    return decide_case(look_at(person, rules, trust_done=trust_done), taken=taken)


def decide_case(case: Case, *, taken: bool = False) -> Wanted:
    """Return what is wanted of somebody of whom everything was found out."""
    person, rules = case.person, case.rules
    link = link_of(person)
    match = Match.TAKEN if taken else Match.OPEN
    if link is not Link.PRESENT and kept_back(case.mapped, rules):
        match = Match.EMPTY
    return DECISION_TABLE[link, case.scope.standing, match](case)


def look_at(person: Person, rules: Rules, *, trust_done: bool = True) -> Case:
    """Return everything that is to be found out about a person before the decision."""
    record = record_of(person.assignment, rules)
    scope = decide_scope(person.assignment, record, rules, rules.mapping.filter)
    mapped = map_user(person.assignment, record, rules, in_scope=scope.in_scope)
    if mapped.ignored_object and scope.in_scope:
        scope = _ignored_by_mapping()
    return Case(person=person, rules=rules, record=record, scope=scope, mapped=mapped, trust_done=trust_done)


def digests_of(person: Person, rules: Rules) -> frozenset[str]:
    """Return what stands for the matching values that are this person's: of somebody in scope, or with an account."""
    return digests_of_case(look_at(person, rules))


def digests_of_case(case: Case) -> frozenset[str]:
    """Return what stands for the matching values of somebody of whom everything was found out."""
    if not (case.scope.in_scope or case.person.may_exist):
        return frozenset()
    return frozenset(digest_of(value) for value in case.mapped.matching)


def link_of(person: Person) -> Link:
    """Return whether the person has an account, as far as is known."""
    if person.account is not None:
        return Link.PRESENT
    return Link.UNSURE if person.may_exist else Link.NONE


def _ignored_by_mapping() -> Scope:
    reason = "an expression of the mapping leaves the user alone (IgnoreObjectFlow)"
    failed = FailedCondition(name=BELONGS, code=SkipCode.IMPORT_SKIPPED, reason=reason)
    return Scope(standing=Standing.IGNORED, failed=(failed,))
