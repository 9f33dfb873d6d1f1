"""What a reference comes to at the target. Pure.

The account that a reference names may be made later than the one that refers to it, be made anew, or never be made. So a reference is never
part of a create: it is written by an update once both are there, and written again when the other account is another one.
"""

from typing import Any, Final

from services.diff.person import Person
from services.diff.rules import Rules
from shared.contracts.synchronization_schema import FlowType
from shared.schema.mapping import Mapped

UNRESOLVED: Final = "UnableToResolveReferenceAttributeValue"
_ONCE: Final = frozenset({FlowType.OBJECT_ADD_ONLY, FlowType.ATTRIBUTE_ADD_ONLY, FlowType.MULTI_VALUE_ADD_ONLY})


def reference_values(person: Person, mapped: Mapped, rules: Rules) -> dict[str, Any]:
    """Return what a linked account is to hold at the paths of references: ids at the target, None for one that is to be removed.

    A reference that cannot be resolved is left as it is. One that the source has emptied is removed if the mapping lets nulls flow,
    and if there is anything of ours to remove.
    """
    wanted: dict[str, Any] = {}
    for path, referenced in mapped.references.items():
        target_id = person.resolved.get(referenced)
        row = rules.mapping.attributes.get(path)
        once = row is not None and row.flow_type in _ONCE
        if target_id is not None and not (once and _may_hold(person, path)):
            wanted[path] = target_id
    for path in mapped.cleared:
        if path in rules.references and _may_hold(person, path):
            wanted[path] = None
    return wanted


def unresolved(person: Person, mapped: Mapped) -> tuple[str, ...]:
    """Return one sentence for each reference that cannot be written yet. It is no failure of the person."""
    return tuple(
        f"{UNRESOLVED}: {path} refers to somebody without an account at the target; it is written when there is one"
        for path, referenced in mapped.references.items()
        if person.resolved.get(referenced) is None
    )


def _may_hold(person: Person, path: str) -> bool:
    held = person.account is not None and person.account.resource.get(path) is not None
    sent = person.in_flight and person.sent is not None and person.sent.resource.get(path) is not None
    return held or sent or path in person.doubtful
