"""The loop that sends the removals that were let out, and keeps the holds true. One process of the service does it at a time."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta

from services.diff.removals import cycles
from services.diff.removals.cycles import QUERIES, Cycle
from services.diff.removals.judging import CycleState, unfinished
from shared.runtime.transaction import Transaction

Release = Callable[[Transaction, str, str], Awaitable[int]]
"""Sends the next removals of one kind of object of job and cycle, and returns how many there were that nobody else had locked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Releasing:
    """What is done with cycles that are decided.

    ``releases``: one for each kind of object. ``patience``: how long the end of a cycle is awaited.
    """

    releases: Sequence[Release]
    patience: timedelta

    async def release(self, tx: Transaction) -> int:
        """Send removals that were let out, one batch of each cycle; return how many were sent or dropped."""
        sent = 0
        for row in await tx.connection.fetch(QUERIES.draining_cycles):
            found = 0
            for release in self.releases:
                found += await release(tx, row["job_id"], row["cycle_id"])
            sent += found
            if not found:
                await self._settle(tx, row["job_id"], row["cycle_id"])
        return sent

    async def _settle(self, tx: Transaction, job_id: str, cycle_id: str) -> None:
        """Note that nobody is left in a cycle, unless somebody is whom another transaction has locked."""
        cycle = await cycles.lock_cycle(tx.connection, job_id, cycle_id)
        if cycle is not None and not await cycles.count_staged(tx.connection, cycle):
            await cycles.save(tx.connection, replace(cycle, draining=False))

    async def refresh(self, tx: Transaction) -> None:
        """Say who is left in each hold, drop those with nobody left, and hold what has waited too long for the end of its cycle."""
        rows = await tx.connection.fetch(QUERIES.waiting_cycles, tx.now - self.patience)
        for row in rows:
            cycle = await cycles.lock_cycle(tx.connection, row["job_id"], row["cycle_id"])
            if cycle is not None:
                await self._refresh(tx, cycle)

    async def _refresh(self, tx: Transaction, cycle: Cycle) -> None:
        removals = await cycles.count_staged(tx.connection, cycle)
        if cycle.state is CycleState.OPEN and removals:
            managed = await cycles.count_managed(tx.connection, cycle.job_id)
            verdict = unfinished(removals, managed, int(self.patience.total_seconds() // 60))
            held = replace(cycle, state=CycleState.HELD, reason=verdict.reason, detail=verdict.detail, held_at=tx.now)
            await cycles.say_hold(tx, replace(held, removals=removals, managed=managed))
        elif cycle.state in {CycleState.HELD, CycleState.REJECTED} and not removals:
            await cycles.say_hold(tx, replace(cycle, state=CycleState.DROPPED, removals=0))
        elif cycle.state in {CycleState.HELD, CycleState.REJECTED} and removals != cycle.removals:
            await cycles.say_hold(tx, replace(cycle, removals=removals))
