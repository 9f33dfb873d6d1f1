"""Goes through everybody of a job with other rules, in one read-only snapshot: the same steps as a pass that writes, without its writes."""

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from services.diff import store
from services.diff.backoff import Backoff
from services.diff.core import Occasion
from services.diff.decision_table import digests_of_case, look_at
from services.diff.groups import names
from services.diff.groups import store as group_store
from services.diff.groups.core import GroupOccasion
from services.diff.previews.candidate import Candidate
from services.diff.previews.claims import Claims
from services.diff.previews.plan import Plan
from services.diff.previews.planning import plan_group, plan_person
from services.diff.removals import cycles
from shared.contracts.preview import PlanTotals
from shared.runtime.database import Connection
from shared.runtime.queries import Queries

QUERIES = Queries("services.diff.previews")

AT_A_TIME: Final = 50
"""How many persons are looked at before the handlers of the service have their turn: a few milliseconds."""

Between = Callable[[int, int], Awaitable[None]]
"""What is done between two batches: how many objects were looked at, of how many."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """A plan that was made, the moment of the state that it was made from, and how long it took."""

    plan: Plan
    totals: PlanTotals
    expected: int
    as_of: datetime
    seconds: float = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Looking:
    """``batch``: how many persons are decided about at once. It is that of a pass, on which it hangs who gets a value that two want."""

    job_id: str
    candidate: Candidate
    backoff: Backoff
    batch: int

    async def through(self, connection: Connection, between: Between) -> Looked:
        """Look at every group and person that ``connection`` sees; nothing is locked or written."""
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            as_of = await connection.fetchval("SELECT now()")
            expected = await connection.fetchval(QUERIES.count_objects, self.job_id)
            plan = Plan()
            await self._groups(connection, plan, as_of)
            await between(plan.looked_at, expected)
            claims, after, more = Claims(), "", True
            while more:
                rows = await connection.fetch(QUERIES.read_persons, self.job_id, after, self.batch)
                if rows:
                    after = rows[-1]["object_id"]
                    await self._persons(connection, plan, claims, as_of, rows)
                more = len(rows) == self.batch
                await between(plan.looked_at, expected)
            managed = await cycles.count_managed(connection, self.job_id)
            totals = plan.totals(managed, self.candidate.threshold, self.candidate.unread)
        return Looked(plan=plan, totals=totals, expected=expected, as_of=as_of)

    async def _persons(
        self, connection: Connection, plan: Plan, claims: Claims, as_of: datetime, rows: list[Any]
    ) -> None:
        rules = self.candidate.rules
        cases = {}
        for index, row in enumerate(rows):
            await _let_others(index)
            cases[row["object_id"]] = look_at(store.stored_of(row).person, rules)
        taken: frozenset[str] = frozenset()
        held: dict[str, set[str]] = {}
        if rules.shared_values:
            wanted = {own: sorted(digests_of_case(case)) for own, case in cases.items()}
            values = sorted({value for own in wanted.values() for value in own})
            found = await connection.fetch(store.QUERIES.owners_of_values, [self.job_id] * len(values), values)
            held = _held(await connection.fetch(QUERIES.held_values, self.job_id, list(cases)))
            taken = claims.settle(wanted, {row["digest"]: row["object_id"] for row in found}, held)
        forgets = []
        for index, (own, case) in enumerate(cases.items()):
            await _let_others(index)
            occasion = Occasion(rules=rules, backoff=self.backoff, at=as_of, txn="preview", taken=own in taken)
            planned = plan_person(case, occasion)
            plan.add(planned)
            if planned.forgets:
                forgets.append(own)
        claims.forget(forgets, held)

    async def _groups(self, connection: Connection, plan: Plan, as_of: datetime) -> None:
        rules = self.candidate.groups
        rows = await connection.fetch(QUERIES.read_groups, self.job_id)
        groups = {row["object_id"]: group_store.stored_of(row).group for row in rows}
        wanted = {own: sorted(names.digests_of(group, rules)) for own, group in groups.items()}
        held = _held(await connection.fetch(QUERIES.held_names, self.job_id))
        stored = {value: own for own, values in held.items() for value in values}
        taken = Claims().settle(wanted, stored, held)
        for own, group in groups.items():
            occasion = GroupOccasion(
                rules=rules,
                backoff=self.backoff,
                at=as_of,
                txn="preview",
                gathering=timedelta(0),
                taken=own in taken,
            )
            plan.add(plan_group(group, occasion))


async def _let_others(index: int) -> None:
    """Let the handlers of the service go on every few persons."""
    if index % AT_A_TIME == 0:
        await asyncio.sleep(0)


def _held(rows: list[Any]) -> dict[str, set[str]]:
    held: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        held[row["object_id"]].add(row["digest"])
    return held
