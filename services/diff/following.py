"""What others follow of a person: the groups, the manager, the account. Pure."""

from dataclasses import dataclass

from services.diff.person import Person
from shared.schema.source_attributes import MANAGER


@dataclass(frozen=True, slots=True, kw_only=True)
class Followed:
    """What memberships and references depend on. ``groups``: assigned groups of which the person is a direct member."""

    groups: frozenset[str] = frozenset()
    manager: str | None = None
    target_id: str | None = None


NOBODY = Followed()


def followed(person: Person | None) -> Followed:
    """Return what is followed of a person; of nobody, nothing."""
    if person is None:
        return NOBODY
    assignment = person.assignment
    manager = assignment.attributes.get(MANAGER)
    return Followed(
        groups=frozenset(path.group_id for path in assignment.paths if path.group_id and not path.nested),
        manager=manager if isinstance(manager, str) and manager else None,
        target_id=person.target_id,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A person of whom something that is followed has changed."""

    job_id: str
    object_id: str
    before: Followed
    after: Followed


def move_of(before: Person | None, after: Person) -> Move | None:
    """Return what has changed, or nothing."""
    if before is not None and before.assignment is after.assignment and before.account is after.account:
        return None
    old, new = followed(before), followed(after)
    return None if old == new else Move(job_id=after.job_id, object_id=after.object_id, before=old, after=new)
