"""What one person's removal waits for. Pure: who is staged, in which cycle, and what happens when the cycle lets the removal out."""

from dataclasses import replace

from services.diff.core import Decision, Occasion, settle, unchanged
from services.diff.decision_table import decide
from services.diff.person import Person


def removal_let_out(person: Person, occasion: Occasion) -> Decision:
    """Decide on a removal whose cycle lets it out: it goes with what is wanted by now, or is dropped when it became void."""
    if person.staged_in is None:
        return unchanged(person, "No removal waits")
    current = replace(person, staged_in=None, released=True)
    return settle(person, current, decide(current, occasion.rules, taken=occasion.taken), occasion)
