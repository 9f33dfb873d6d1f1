"""What happens to a person when an account that they refer to comes to be, or becomes another one. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from services.diff.core import Decision, Occasion, settle, unchanged
from services.diff.decision_table import decide
from services.diff.person import Person
from services.diff.wanted import Kind


def resolved(person: Person, targets: Mapping[str, str], occasion: Occasion) -> Decision:
    """Decide on what the references of a person come to now: an update goes out when that is all that is missing, or one is due anyway."""
    if person.resolved == targets:
        return unchanged(person, "The references are known")
    current = replace(person, resolved=targets)
    wanted = decide(current, occasion.rules, taken=occasion.taken)
    if wanted.kind is Kind.UPDATE and wanted.in_scope and not wanted.only_matching:
        return settle(person, current, wanted, occasion)
    return Decision(kind=Kind.NOTHING, reason=wanted.reason, person=current)
