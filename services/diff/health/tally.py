"""What one object adds to the counts of its job. Pure: a batch sums the differences, so that nobody ever counts all objects."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from services.diff.groups.group import Group
from services.diff.person import Person
from shared.contracts.public import UserStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """Counts of one job, or how a batch changes them.

    ``failing``: objects that failed and are escrowed; ``references``: failures of references alone (managers, members); ``ok``: objects
    that are as wanted; ``scope``: objects in scope. ``recovered``: objects that failed and then did not, which only ever grows.
    """

    failing: int = 0
    references: int = 0
    ok: int = 0
    scope: int = 0
    recovered: int = 0

    def __add__(self, other: Self) -> "Tally":
        return Tally(
            failing=self.failing + other.failing,
            references=self.references + other.references,
            ok=self.ok + other.ok,
            scope=self.scope + other.scope,
            recovered=self.recovered + other.recovered,
        )

    def __bool__(self) -> bool:
        return bool(self.failing or self.references or self.ok or self.scope or self.recovered)


NOTHING = Tally()


def difference(before: Person | Group | None, after: Person | Group) -> Tally:
    """Return how the counts of the job change when an object does."""
    failed, fails = _fails(before), _fails(after)
    well, is_well = _is_well(before), _is_well(after)
    return Tally(
        failing=fails - failed,
        ok=is_well - well,
        scope=after.entered - (before is not None and before.entered),
        recovered=int(failed and not fails and is_well),
    )


def by_job(changes: Iterable[tuple[Person | Group | None, Person | Group]]) -> dict[str, Tally]:
    """Return how the counts of each job change, without those that stay as they are."""
    sums: dict[str, Tally] = {}
    for before, after in changes:
        if changed := difference(before, after):
            sums[after.job_id] = sums.get(after.job_id, NOTHING) + changed
    return {job_id: total for job_id, total in sums.items() if total}


def _fails(person: Person | Group | None) -> bool:
    """While an attempt is under way the failure still stands: it has not succeeded yet."""
    return person is not None and person.failing_since is not None


def _is_well(person: Person | Group | None) -> bool:
    return person is not None and person.failing_since is None and person.status is UserStatus.PROVISIONED
