"""What one person forgets by each scope of a restart. Pure (Microsoft Graph, "synchronizationJob: restart")."""

from dataclasses import replace

from services.diff.core import Decision, Occasion, finish, settle, unchanged
from services.diff.decision_table import decide
from services.diff.escrow import forgotten
from services.diff.person import Person


def forget_escrow(person: Person, occasion: Occasion) -> Decision:
    """Stop trying what failed; an attempt under way comes to its end. The failure stays shown until something changes."""
    if person.failing_since is None and person.next_attempt_at is None:
        return unchanged(person, "Nothing is escrowed")
    return finish(person, forgotten(person), occasion, reason="The escrow was cleared by a restart")


def forget_link(person: Person, occasion: Occasion) -> Decision:
    """Forget the account and match anew: who is in scope is looked for at the target before anything is created, others are left alone."""
    if person.account is None and not person.doubtful:
        return unchanged(person, "There is no link")
    current = replace(person, account=None, doubtful=frozenset())
    return settle(person, current, decide(current, occasion.rules, taken=occasion.taken), occasion)


def look_again(person: Person, occasion: Occasion) -> Decision:
    """Decide anew from the newest word of the directory, as an initial cycle of Entra does; a change under way is waited for."""
    if person.in_flight:
        return unchanged(person, "A change is under way; its end decides")
    return settle(person, person, decide(person, occasion.rules, taken=occasion.taken), occasion)
