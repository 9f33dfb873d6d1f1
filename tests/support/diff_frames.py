"""diff on a real PostgreSQL without Kafka: batches are given to its consumer, and the steps of its loop are made one by one."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from services.diff.app import build
from services.diff.handlers import Handlers
from services.diff.health.judging import Judging
from services.diff.health.quarantine import Policy
from services.diff.removals.releasing import Releasing
from services.diff.restarts.resetting import Resetting
from services.diff.settings import DiffSettings
from shared.contracts.assignments import CycleKind
from shared.contracts.changes import Change, Operation
from shared.contracts.control import JobRecord, OperatorRequest, RequestKind
from shared.contracts.message import Message, ObjectType
from shared.contracts.source import HoldFact
from shared.runtime.consume import BatchConsumer
from shared.runtime.frame import Frame
from shared.runtime.jobs import store_jobs
from shared.runtime.transaction import Transaction
from tests.support.builders_diff import AT, BACKOFF, JOB, assignment, job_record, marks, outcome, received, records
from tests.support.frames import opened_frame, outbox, settings_for

M = TypeVar("M", bound=Message)

HANDLERS = Handlers(backoff=BACKOFF, retry_batch=500)
JUDGING = Judging(policy=Policy(), probe_users=500)
RELEASING = Releasing(releases=(HANDLERS.release,), patience=timedelta(minutes=15))


@dataclass
class Diff:
    """diff without its loops. ``batch``: how many persons a restart goes through in one step."""

    frame: Frame
    batch: int = 3
    cycles: int = 0

    async def give(self, *messages: Message) -> None:
        """Handle one batch as the consumer loop does."""
        await self.handle([received(message) for message in messages])

    async def handle(self, batch: list[Any]) -> None:
        service = build(self.frame.settings)  # type: ignore[arg-type] # it was made of DiffSettings
        await BatchConsumer(self.frame, "test", service.subscriptions).handle(records(*batch))

    async def define(self, record: JobRecord) -> None:
        async with self.frame.transaction() as tx:
            await store_jobs(tx, [received(record)])

    async def within(self, act: Callable[[Transaction], Awaitable[Any]], *, after: timedelta = timedelta(0)) -> Any:
        async with self.frame.transaction() as tx:
            tx.now = datetime.now(UTC) + after
            return await act(tx)

    async def release(self) -> int:
        """Send all removals that are let out, as the loop does; return how many."""
        sent = 0
        while found := await self.within(RELEASING.release):
            sent += found
        await self.within(RELEASING.refresh)
        return sent

    async def judge(self, *, after: timedelta = timedelta(0)) -> None:
        await self.within(JUDGING.judge, after=after)

    async def restart(self) -> int:
        """Carry out what restarts ask for; return in how many steps."""
        resetting = Resetting(handlers=HANDLERS, judging=JUDGING, batch=self.batch)
        steps = 0
        while await self.within(resetting.advance):
            steps += 1
        return steps

    async def provision(self, names: Iterable[str]) -> None:
        """Bring users to an account each, in a cycle of their own that is closed."""
        cycle = self.next_cycle()
        people = [assignment(object_id=name, cycle_id=cycle) for name in names]
        await self.give(*people, *marks(cycle, number=self.cycles))
        for name in names:
            await self.answer(name)

    async def answer(self, name: str, *args: Any, **values: Any) -> None:
        """Let the writer answer the newest change of a user."""
        await self.give(outcome((await self.changes(name))[-1], *args, **values))

    def next_cycle(self) -> str:
        self.cycles += 1
        return f"cycle-{self.cycles}"

    async def leave(self, names: Iterable[str], *, sequence: int = 2, close: bool = True, **values: Any) -> str:
        """Let users leave in one incremental cycle; return its id."""
        cycle = self.next_cycle()
        gone = {"assigned": False, "cycle_id": cycle, "cycle_kind": CycleKind.INCREMENTAL} | values
        await self.give(*(assignment(sequence, object_id=name, **gone) for name in names))
        if close:
            await self.close(cycle)
        return cycle

    async def close(self, cycle: str, kind: CycleKind = CycleKind.INCREMENTAL) -> None:
        at = AT + timedelta(minutes=self.cycles)
        await self.give(*marks(cycle, number=self.cycles, kind=kind, started_at=at))

    async def ask(self, kind: RequestKind, hold: HoldFact, reason: str = "looked at") -> None:
        await self.give(request(kind, ObjectType.HOLD, hold.object_id, reason=reason))

    async def said(self, kind: type[M]) -> list[M]:
        """Return every message of a kind that was emitted, in order."""
        rows = await outbox(self.frame)
        return [kind.model_validate(row["payload"]) for row in rows if row["headers"]["ce_type"] == kind.type]

    async def changes(self, name: str) -> list[Change]:
        return [change for change in await self.said(Change) if change.object_id == name]

    async def disabled(self) -> list[str]:
        """Return whose disabling was sent, sorted."""
        return sorted(item.object_id for item in await self.said(Change) if item.operation is Operation.DISABLE)

    async def row(self, name: str) -> Any:
        async with self.frame.connection() as connection:
            return await connection.fetchrow("SELECT * FROM person WHERE object_id = $1", name)


def request(kind: RequestKind, object_type: ObjectType, object_id: str, *, reason: str = "") -> OperatorRequest:
    """What an operator asks for."""
    return OperatorRequest(
        job_id=JOB,
        object_type=object_type,
        object_id=object_id,
        sequence=1,
        kind=kind,
        reason=reason,
        idempotency_key=f"{kind} {object_id} {reason}",
        hold_id=object_id if object_type is ObjectType.HOLD else None,
        requested_by="an operator",
        at=AT,
    )


def people(count: int) -> list[str]:
    """Return the object ids of so many users."""
    return [f"person-{number:02}" for number in range(count)]


@asynccontextmanager
async def opened_diff(database_url: str, **settings: Any) -> AsyncIterator[Diff]:
    """diff with one job, whose settings these are."""
    async with opened_frame("diff", settings_for(database_url, kind=DiffSettings)) as frame:
        diff = Diff(frame)
        await diff.define(job_record(**settings))
        yield diff
