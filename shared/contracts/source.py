"""What is said of the source of a job, and of removals that a guard holds back until somebody approves them."""

from datetime import datetime
from enum import StrEnum
from typing import Annotated, ClassVar, Final

from pydantic import Field

from shared.contracts.message import Message, Part


class StreamPhase(StrEnum):
    """Where one stream of a source stands."""

    READING = "reading"
    """It is read from its beginning for the first time."""
    LIVE = "live"
    """It is followed by its changes, or listed anew in each cycle."""
    RESYNCING = "resyncing"
    """Its link died or became too old: it is read from its beginning aside, while the old state goes on serving."""


class StreamState(Part):
    """One stream. ``generation`` rises with each full read; ``link_issued_at`` is when the link in use was given: its age kills it.

    ``pages`` and ``records`` are those of the last round, or of the full read under way. ``resync_reason`` tells why the last full read was
    necessary.
    """

    stream: str
    phase: StreamPhase
    generation: int = 1
    rounds: int = 0
    pages: int = 0
    records: int = 0
    link_issued_at: datetime | None = None
    last_round_at: datetime | None = None
    resync_started_at: datetime | None = None
    resync_reason: str | None = None


class ReadProgress(Part):
    """How far the initial cycle is, in users read; ``expected`` and ``seconds_left`` are estimates and may be missing."""

    users_read: int
    expected: int | None = None
    seconds_left: int | None = None
    started_at: datetime


class SourceRequests(Part):
    """Requests to the source in the last cycle by what was asked for, how many of them were throttled, and the seconds waited for that."""

    by_kind: dict[str, int] = Field(default_factory=dict)
    throttled: int = 0
    waited_seconds: float = 0


class SourceState(Message):
    """The whole state of the source of one job; the newest sequence is the one that counts.

    ``assigned`` counts the users who are assigned, ``assigned_groups`` the groups.
    ``suspects`` are assignments and memberships that were absent once and are not believed gone yet; ``unknown_references`` users that an
    assignment names and the directory does not give; ``ignored`` counts what does not count, by reason; ``drift_total`` what only a
    re-read found. ``reason`` says why the source is not read, when it is not.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.source.state.v1"

    kind: str
    streams: tuple[StreamState, ...] = ()
    progress: ReadProgress | None = None
    assigned: int = 0
    assigned_groups: int = 0
    suspects: int = 0
    held_removals: int = 0
    unknown_references: int = 0
    ignored: dict[str, int] = Field(default_factory=dict)
    requests: SourceRequests = SourceRequests()
    drift_total: int = 0
    reason: str | None = None
    at: datetime


class HoldState(StrEnum):
    """What became of held removals."""

    HELD = "held"
    APPROVED = "approved"
    REJECTED = "rejected"
    DROPPED = "dropped"
    """The directory turned out well again: nothing is left in the hold."""


class HoldReason(StrEnum):
    """Why removals are held: the first three by the source guard, the others by the deletion guard."""

    TOO_MANY = "tooManyRemovals"
    EMPTY_LISTING = "emptyListing"
    RESYNC = "resync"
    DELETION_THRESHOLD = "deletionThreshold"
    CYCLE_NOT_CLOSED = "cycleNotClosed"


class Guard(StrEnum):
    """Whose hold it is. The source guard (assignment-watcher) judges readings, the deletion guard (diff) judges effects."""

    SOURCE = "source"
    DELETION = "deletion"


DELETION_HOLD: Final = "deletion."
"""What the id of a hold of the deletion guard begins with; no id of the source guard does."""
MOST_NAMED: Final = 1000
"""How many objects a hold names at most, so that no message grows with a tenant."""


def guard_of(hold_id: str) -> Guard:
    """Return whose hold this is, so that each guard acts on its own only."""
    return Guard.DELETION if hold_id.startswith(DELETION_HOLD) else Guard.SOURCE


class HoldFact(Message):
    """Removals of one cycle that wait for an operator; ``object_id`` is the hold id. ``removals`` counts the objects still in it.

    ``active`` is how many objects were assigned (source guard) or managed (deletion guard) when the hold was made.
    ``object_ids`` names those in it, at most 1,000. ``detail`` says in one sentence what happened and what to do.
    """

    topic: ClassVar[str] = "provisioning.outcomes.v1"
    type: ClassVar[str] = "seatkeeper.hold.fact.v1"

    guard: Guard = Guard.SOURCE
    state: HoldState
    reason: HoldReason
    removals: int
    object_ids: Annotated[tuple[str, ...], Field(max_length=MOST_NAMED)] = ()
    active: int
    detail: str
    decided_by: str | None = None
    decision_reason: str | None = None
    held_at: datetime
    at: datetime
