"""Saying what a cycle found: each touched user and group is decided, removals pass the guard first, and what was said is remembered."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Final

from services.assignment_watcher import facts, holds
from services.assignment_watcher.core import Decision, Job, decide
from services.assignment_watcher.guard import judge
from services.assignment_watcher.mirror.deriving import Derived, save_emitted, touched_objects
from services.assignment_watcher.mirror.staging import QUERIES as MIRROR
from services.assignment_watcher.queries import QUERIES
from shared.contracts.assignments import Lifecycle
from shared.contracts.message import ObjectType
from shared.runtime.transaction import Transaction

_TYPES: Final = (ObjectType.GROUP, ObjectType.USER)
"""Groups first: whoever reads in order knows a group before its members."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guarding:
    """What the guard has to know beside the number of removals.

    ``listed``: assignments were listed in this cycle; ``without_rows``: and there was none, whether or not one was expected.
    """

    listed: bool
    without_rows: bool
    listing_empty: bool
    resynced: bool
    count: int
    percent: int


@dataclass(slots=True)
class _Sorted:
    news: list[tuple[str, Decision]] = field(default_factory=list)
    removals: list[str] = field(default_factory=list)
    leaving: list[str] = field(default_factory=list)
    settled: list[str] = field(default_factory=list)
    let_go: list[str] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)
    moved: list[tuple[str, bool]] = field(default_factory=list)


class Saying:
    """Says the touched groups and users of one cycle."""

    def __init__(self, tx: Transaction, said: facts.CycleMessages, job: Job, *, nested: bool, chunk: int) -> None:
        self._tx = tx
        self._said = said
        self._job = job
        self._nested = nested
        self._chunk = chunk
        self._approved: frozenset[str] = frozenset()
        self._unassigned = False
        self.held = False
        """Whether a hold was made or may have changed."""
        self.leaving = False
        """Whether anything is said to have left only if the next listing agrees."""

    async def say(self, guarding: Guarding) -> int:
        """Say everything that may be said, hold what may not; return how many users and groups were said."""
        connection, job_id = self._tx.connection, self._said.job_id
        await connection.execute(MIRROR.create_removal)
        open_holds = await connection.fetch(QUERIES.open_holds, job_id)
        self._approved = frozenset(row["hold_id"] for row in open_holds if row["state"] == "approved")
        active = await connection.fetchval(QUERIES.count_effective, job_id)
        emitted, removals = 0, 0
        async for object_type, touched in self._touched():
            found = self._sort(touched, guarding)
            self.leaving |= bool(found.leaving)
            emitted += await self._keep(object_type, found)
            removals += len(found.removals)
        if removals:
            emitted += await self._remove(guarding, removals, active)
        self.held |= bool(open_holds)
        if open_holds:
            await holds.update(self._tx, job_id)
        return emitted

    async def _touched(self) -> AsyncIterator[tuple[ObjectType, list[Derived]]]:
        for object_type in _TYPES:
            async for touched in touched_objects(
                self._tx.connection, self._said.job_id, object_type, nested=self._nested, chunk=self._chunk
            ):
                yield object_type, touched

    def _sort(self, touched: list[Derived], guarding: Guarding) -> _Sorted:
        found = _Sorted()
        for derived in touched:
            known, last = derived.known, derived.last
            decision = decide(known, last, self._job)
            waiting = derived.hold_id is not None and derived.hold_id not in self._approved
            if decision.removal and derived.hold_id is None and self._must_wait(derived, decision, guarding):
                found.leaving.append(known.object_id)
                continue
            if derived.leaving_since is not None:
                found.settled.append(known.object_id)
            if decision.removal and derived.hold_id is None:
                found.removals.append(known.object_id)
                self._unassigned |= known.lifecycle is Lifecycle.LIVE
                continue
            if decision.removal and waiting:
                continue
            if derived.hold_id is not None:
                found.let_go.append(known.object_id)
            if decision.state is not None:
                found.news.append((known.object_id, decision))
            elif decision.unknown:
                found.unknown.append(known.object_id)
            elif last is not None and last.effective != decision.effective:
                found.moved.append((known.object_id, decision.effective))
        return found

    def _must_wait(self, derived: Derived, decision: Decision, guarding: Guarding) -> bool:
        """Assignments are listed before changes of groups are read: whoever moved from a group to an assignment of its own in between has
        lost the one and not shown the other yet. Deletions are no moves, and what is held anyway waits there. A group waits even when it
        was deleted: it leaves together with its members, so that the guard counts and holds them together.
        """
        deleted = decision.state is None or decision.state.lifecycle is not Lifecycle.LIVE
        if deleted and derived.known.object_type is ObjectType.USER:
            return False
        if guarding.listing_empty or guarding.resynced:
            return False
        since = derived.leaving_since
        return since is None or since >= self._said.number or not guarding.listed

    async def _keep(self, object_type: ObjectType, found: _Sorted) -> int:
        connection, job_id = self._tx.connection, self._said.job_id
        await self._emit(object_type, found.news)
        if found.removals:
            await connection.execute(MIRROR.note_removals, found.removals)
        if found.leaving:
            await connection.execute(MIRROR.note_leaving, job_id, found.leaving, self._said.number)
        if found.settled:
            await connection.execute(MIRROR.forget_leaving, job_id, found.settled)
        if found.let_go:
            await connection.execute(QUERIES.let_go, job_id, found.let_go)
        if found.unknown and object_type is ObjectType.USER:
            await connection.execute(QUERIES.queue_rechecks, job_id, "user", found.unknown, "unknown", self._tx.now)
        if found.moved:
            ids, effective = [one for one, _ in found.moved], [now for _, now in found.moved]
            await connection.execute(MIRROR.save_effective, job_id, ids, effective)
        return len(found.news)

    async def _emit(self, object_type: ObjectType, news: list[tuple[str, Decision]]) -> None:
        for object_id, decision in news:
            if decision.state is not None:
                self._said.assignment(self._tx, object_type, object_id, decision.version, decision.state)
        if news:
            await save_emitted(self._tx.connection, self._said.job_id, object_type, news)
            await self._tx.flush()

    async def _unexplained(self) -> bool:
        """Whoever lost a group may have an assignment of its own that an empty listing does not show, however often it is read.

        Nothing is hidden when no assignment is expected: all are gone, or those who hold them are deleted.
        """
        return self._unassigned and await self._tx.connection.fetchval(QUERIES.expects_assignments, self._said.job_id)

    async def _remove(self, guarding: Guarding, removals: int, active: int) -> int:
        connection, job_id = self._tx.connection, self._said.job_id
        verdict = judge(
            removals,
            active,
            listing_empty=guarding.listing_empty or (guarding.without_rows and await self._unexplained()),
            resynced=guarding.resynced,
            count=guarding.count,
            percent=guarding.percent,
        )
        if verdict is not None:
            self.held = True
            await holds.hold(self._tx, job_id, self._said.number, verdict, removals=removals, active=active)
            return 0
        await connection.execute(MIRROR.keep_only_removals)
        emitted = 0
        async for object_type, touched in self._touched():
            news = [(one.known.object_id, decide(one.known, one.last, self._job)) for one in touched]
            await self._emit(object_type, news)
            emitted += len(news)
        return emitted
