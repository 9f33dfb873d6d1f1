"""The table ``cycle``: which removals wait with which cycle, whether all of its marks are there, and what was decided about them.

A cycle is decided once, under the lock of its row, by whoever notes the last of its marks: every assignment stands before the mark of its
partition, so whoever holds the lock then sees all removals that the cycle caused, also those that other processes staged.
"""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from services.diff.groups.group import Group
from services.diff.person import Person
from services.diff.removals.judging import CycleState, judge
from shared.contracts.assignments import CycleMark, DirectoryAssignment
from shared.contracts.ids import derived_id
from shared.contracts.job import DeletionThreshold
from shared.contracts.message import ObjectType
from shared.contracts.source import DELETION_HOLD, MOST_NAMED, Guard, HoldFact, HoldReason, HoldState
from shared.runtime.database import Connection
from shared.runtime.log import logger
from shared.runtime.queries import Queries
from shared.runtime.transaction import Received, Transaction

QUERIES = Queries("services.diff.removals")

_log = logger(__name__)

_KEPT: Final = timedelta(days=1)
_HOLD_STATES: Final = {
    CycleState.HELD: HoldState.HELD,
    CycleState.APPROVED: HoldState.APPROVED,
    CycleState.REJECTED: HoldState.REJECTED,
    CycleState.DROPPED: HoldState.DROPPED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycle:
    """One row: the removals of one cycle of one job. ``removals`` and ``managed`` are as they were last said."""

    job_id: str
    cycle_id: str
    state: CycleState
    draining: bool
    removals: int
    managed: int
    reason: HoldReason | None
    detail: str | None
    held_at: datetime | None
    decided_by: str | None
    decision_reason: str | None
    sequence: int

    @property
    def hold_id(self) -> str:
        """Return the id of the hold that the cycle has, or would have."""
        return f"{DELETION_HOLD}{self.cycle_id}"


def cycle_of(row: Any) -> Cycle:
    """Return the cycle of a row."""
    names = (
        "job_id",
        "cycle_id",
        "draining",
        "removals",
        "managed",
        "detail",
        "held_at",
        "decided_by",
        "decision_reason",
        "sequence",
    )
    reason = HoldReason(row["reason"]) if row["reason"] else None
    return Cycle(**{name: row[name] for name in names}, state=CycleState(row["state"]), reason=reason)


def staged_among(objects: Iterable[Person | Group]) -> set[tuple[str, str]]:
    """Return job and cycle of every removal that waits among these persons or groups."""
    return {(one.job_id, one.staged_in) for one in objects if one.staged_in is not None}


async def open_cycles(connection: Connection, assignments: Iterable[DirectoryAssignment]) -> None:
    """Note the cycles of these assignments; those that are known stay as they are."""
    found = {(item.job_id, item.cycle_id): item for item in assignments}
    if found:
        rows = [found[key] for key in sorted(found)]
        await connection.execute(
            QUERIES.open_cycles,
            [item.job_id for item in rows],
            [item.cycle_id for item in rows],
            [item.cycle_kind for item in rows],
            [item.observed_at for item in rows],
        )


async def join(connection: Connection, staged: Collection[tuple[str, str]]) -> bool:
    """Let removals out that join a cycle after it was decided; ``staged`` are job and cycle. Return whether there was such a cycle."""
    if not staged:
        return False
    ordered = sorted(set(staged))
    columns = [job_id for job_id, _ in ordered], [cycle_id for _, cycle_id in ordered]
    return bool(await connection.fetch(QUERIES.join_late, *columns))


async def rejected(connection: Connection, staged: Collection[tuple[str, str]]) -> frozenset[str]:
    """Return which of these cycles had their removals rejected."""
    if not staged:
        return frozenset()
    columns = [job_id for job_id, _ in staged], [cycle_id for _, cycle_id in staged]
    return frozenset(row["cycle_id"] for row in await connection.fetch(QUERIES.rejected_cycles, *columns))


async def note_mark(connection: Connection, mark: CycleMark) -> bool:
    """Note that a cycle is closed on one partition, and lock its row; return whether it is closed on all of them."""
    complete: bool = await connection.fetchval(
        QUERIES.note_mark, mark.job_id, mark.cycle_id, mark.cycle_kind, mark.started_at, mark.partition, mark.partitions
    )
    return complete


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """What came of a complete cycle. ``now``: it was not decided before; ``goes``: there are removals that go out."""

    now: bool
    goes: bool


async def decide_cycles(tx: Transaction, mark: CycleMark, threshold: DeletionThreshold) -> Ended:
    """Decide about the removals of a cycle that is complete, and of older ones whose marks never came.

    What an older cycle said stands before the marks of a newer one on every partition, so its removals are all there too.
    """
    now = goes = False
    for row in await tx.connection.fetch(QUERIES.lock_undecided, mark.job_id, mark.started_at, mark.cycle_id):
        now |= row["cycle_id"] == mark.cycle_id
        goes |= await _decide(tx, cycle_of(row), threshold)
    await tx.connection.execute(QUERIES.forget_cycles, mark.job_id, mark.started_at - _KEPT)
    return Ended(now=now, goes=goes)


async def open_pass(connection: Connection, job_id: str, cycle_id: str, at: datetime) -> None:
    """Note that a pass over all objects of a job begins: removals that follow from it are counted as those of a cycle are."""
    await connection.execute(QUERIES.open_pass, job_id, cycle_id, at)


async def close_pass(tx: Transaction, job_id: str, cycle_id: str, threshold: DeletionThreshold) -> None:
    """Decide about the removals of a pass that has come to its end."""
    cycle = await lock_cycle(tx.connection, job_id, cycle_id)
    if cycle is not None:
        await _decide(tx, cycle, threshold)


async def _decide(tx: Transaction, cycle: Cycle, threshold: DeletionThreshold) -> bool:
    removals = await count_staged(tx.connection, cycle)
    managed = await count_managed(tx.connection, cycle.job_id) if removals else 0
    verdict = judge(removals, managed, threshold)
    if verdict is not None:
        held = replace(cycle, state=CycleState.HELD, reason=verdict.reason, detail=verdict.detail, held_at=tx.now)
        await say_hold(tx, replace(held, removals=removals, managed=managed))
        return False
    if cycle.state is not CycleState.OPEN:  # it was held because its end did not come: now it has, and all is well
        if cycle.state is not CycleState.HELD and not removals:
            return False
        state = CycleState.APPROVED if removals else CycleState.DROPPED
        ended = "its cycle came to its end, and it is within the deletion threshold"
        over = replace(cycle, state=state, draining=removals > 0, removals=removals, decision_reason=ended)
        await say_hold(tx, over)
        return removals > 0
    passed = replace(cycle, state=CycleState.PASSED, draining=removals > 0, removals=removals, managed=managed)
    await save(tx.connection, passed)
    return removals > 0


async def count_staged(connection: Connection, cycle: Cycle) -> int:
    """Return how many objects wait with the cycle."""
    removals: int = await connection.fetchval(QUERIES.count_staged, cycle.job_id, cycle.cycle_id)
    return removals


async def count_managed(connection: Connection, job_id: str) -> int:
    """Return how many objects at the target are kept active by the job."""
    managed: int = await connection.fetchval(QUERIES.count_managed, job_id)
    return managed


async def say_hold(tx: Transaction, cycle: Cycle) -> None:
    """Save the cycle, and say where its hold stands and who is in it."""
    assert cycle.reason is not None
    assert cycle.held_at is not None
    cycle = replace(cycle, sequence=cycle.sequence + 1)
    await save(tx.connection, cycle)
    named = await tx.connection.fetch(QUERIES.name_staged, cycle.job_id, cycle.cycle_id, MOST_NAMED)
    fact = HoldFact(
        job_id=cycle.job_id,
        object_type=ObjectType.HOLD,
        object_id=cycle.hold_id,
        sequence=cycle.sequence,
        guard=Guard.DELETION,
        state=_HOLD_STATES[cycle.state],
        reason=cycle.reason,
        removals=cycle.removals,
        object_ids=tuple(row["object_id"] for row in named),
        active=cycle.managed,
        detail=cycle.detail or "",
        decided_by=cycle.decided_by,
        decision_reason=cycle.decision_reason,
        held_at=cycle.held_at,
        at=tx.now,
    )
    tx.emit(fact, event_id=derived_id("hold-fact", cycle.job_id, cycle.hold_id, cycle.sequence))
    _log.warning(
        "removals held" if cycle.state is CycleState.HELD else "hold changed",
        action="hold",
        job_id=cycle.job_id,
        hold_id=cycle.hold_id,
        state=cycle.state,
        removals=cycle.removals,
    )


async def save(connection: Connection, cycle: Cycle) -> None:
    """Write a cycle whose row is locked."""
    await connection.execute(
        QUERIES.save_cycle,
        cycle.job_id,
        cycle.cycle_id,
        cycle.state,
        cycle.draining,
        cycle.removals,
        cycle.managed,
        cycle.reason,
        cycle.detail,
        cycle.held_at,
        cycle.decided_by,
        cycle.decision_reason,
        cycle.sequence,
    )


async def lock_cycle(connection: Connection, job_id: str, cycle_id: str) -> Cycle | None:
    """Return a cycle, locked until the commit."""
    row = await connection.fetchrow(QUERIES.lock_cycle, job_id, cycle_id)
    return cycle_of(row) if row is not None else None


def in_locking_order(received: Sequence[Received[CycleMark]]) -> list[CycleMark]:
    """Return marks in the order in which their cycles are locked: by job and age, so that two batches never wait in a circle."""
    return sorted((item.message for item in received), key=lambda mark: (mark.job_id, mark.started_at, mark.cycle_id))


async def runs_initial(connection: Connection, job_id: str) -> bool:
    """Return whether an initial cycle of the job is under way."""
    found: bool = await connection.fetchval(QUERIES.runs_initial, job_id)
    return found
