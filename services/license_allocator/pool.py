"""The values of the ledger: a pool of licenses, and where one user stands in it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shared.contracts.changes import Change, License
from shared.contracts.job import WhenExhausted


class State(StrEnum):
    """Where a user stands. ``none``: known, but never asked for a license or got out without one."""

    NONE = "none"
    WAITING = "waiting"
    RESERVED = "reserved"
    GRANTED = "granted"
    RELEASED = "released"


HELD: Final = frozenset({State.RESERVED, State.GRANTED})
"""The states that count against the capacity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """The licenses of one application instance and license type in one job.

    ``in_use`` counts reserved and granted licenses, ``waiting`` the users in line, ``next_ticket`` is the ticket of the next request.
    ``closed``: the job was deleted, nothing is handed out any more.
    """

    job_id: str
    application_instance: str
    license_type: str
    auto_assign: bool
    when_exhausted: WhenExhausted
    capacity: int
    in_use: int = 0
    waiting: int = 0
    next_ticket: int = 1
    closed: bool = False

    @property
    def free(self) -> int:
        """Return how many licenses can be handed out: none while the capacity lies below the use."""
        return 0 if self.closed else max(0, self.capacity - self.in_use)

    @property
    def may_leave_line(self) -> int:
        """Return how many users at the head of the line may go out now."""
        if self.closed:
            return 0
        if not self.auto_assign or self.when_exhausted is WhenExhausted.PROVISION_WITHOUT_LICENSE:
            return self.waiting
        return min(self.free, self.waiting)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Where one user stands in the pool of one job.

    ``generation`` is the newest change known, ``settled`` the newest generation with a final outcome, ``sequence`` the number of facts
    told about the entry. ``let_out``: a command went out at some time, so that the target may know the user.
    ``change`` is what a waiting user waits with.
    """

    object_id: str
    state: State = State.NONE
    ticket: int | None = None
    generation: int = 0
    settled: int = 0
    sequence: int = 0
    let_out: bool = False
    change: Change | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """One step of an entry, with the pool right after it. ``announced`` steps are told to others as a license fact."""

    pool: Pool
    entry: Entry
    before: State
    reason: str
    announced: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """A change that may go out, and its license decision."""

    change: Change
    license: License


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What was decided and why. ``entry`` is nothing when the ledger keeps no row; ``changed`` tells whether it is to be saved."""

    reason: str
    pool: Pool
    entry: Entry | None
    changed: bool = True
    passage: Passage | None = None
    withdrawn: Change | None = None
    move: Move | None = None
