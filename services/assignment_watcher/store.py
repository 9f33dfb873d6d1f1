"""The watcher's tables: how far each job was read, the pages of the cycle under way, the mirror, and what was last said."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid4

import orjson

from services.assignment_watcher.core import Decision, Emitted, Path, User
from services.assignment_watcher.listing import AssignmentRow
from services.assignment_watcher.sources.source import ChangePage, Source, Stream
from shared.contracts.assignments import AppRole, Lifecycle
from shared.runtime.database import Connection
from shared.runtime.errors import LeaseLostError
from shared.runtime.queries import Queries

QUERIES: Final = Queries("services.assignment_watcher")

BULK_SECONDS: Final = 600.0
"""Time limit of a statement over everything that a cycle read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How far a job was read. ``round`` rises with each commit."""

    job_id: str
    round: int
    initial_completed: bool
    initial_started_at: datetime | None
    roles: tuple[AppRole, ...]
    listing_digest: bytes | None
    links: Mapping[Stream, str | None]
    reported_at: datetime | None
    condition: str | None
    condition_sequence: int
    oldest_suspicion: datetime | None


@dataclass(slots=True, kw_only=True)
class Staging:
    """What one attempt at a cycle has put aside so far, in rows; ``full`` are the streams that were read from their beginning."""

    job_id: str
    attempt: UUID = field(default_factory=uuid4)
    rows: dict[str, int] = field(default_factory=dict)
    full: set[Stream] = field(default_factory=set)

    @property
    def empty(self) -> bool:
        """Return whether nothing was put aside."""
        return not any(self.rows.values())

    async def stage_assignments(self, connection: Connection, rows: Sequence[AssignmentRow]) -> None:
        """Put a page of assignments aside."""
        await self._clear(connection, "assignments")
        columns = [list(column) for column in zip(*rows, strict=True)] or [[], [], [], [], []]
        await self._insert(connection, "assignments", *columns)

    async def stage_changes(self, connection: Connection, stream: Stream, page: ChangePage) -> None:
        """Put a page of changes aside."""
        tables = ("groups", "members") if stream is Stream.GROUPS else ("users",)
        for table in tables:
            await self._clear(connection, table)
        if page.records:
            for table in tables:
                await self._insert(connection, table, page.body)

    async def stage_user(self, connection: Connection, user_id: str, body: str | None) -> None:
        """Put the answer for one user aside: its page body, or that the directory does not have it (restorable, as far as one knows)."""
        gone = {"value": [{"id": user_id, "@removed": {"reason": "changed"}}]}
        page = ChangePage(body=body or orjson.dumps(gone).decode(), records=1, link=None)
        await self.stage_changes(connection, Stream.USERS, page)

    async def discard(self, connection: Connection, *tables: str) -> None:
        """Throw away what was put aside of these tables."""
        for table in tables:
            if self.rows.pop(table, None) is not None:
                await connection.execute(getattr(QUERIES, f"clear_{table}"), self.job_id)

    async def _clear(self, connection: Connection, table: str) -> None:
        """Before the first row of this attempt: throw away what an attempt that did not commit left behind."""
        if table not in self.rows:
            self.rows[table] = 0
            await connection.execute(getattr(QUERIES, f"clear_{table}"), self.job_id)

    async def _insert(self, connection: Connection, table: str, *values: Any) -> None:
        tag = await connection.execute(getattr(QUERIES, f"stage_{table}"), self.job_id, self.attempt, *values)
        self.rows[table] += int(tag.rpartition(" ")[2])

    async def check(self, connection: Connection) -> None:
        """Raise ``LeaseLostError`` unless everything put aside is still there: another process or a crash of PostgreSQL took it away."""
        counted = await connection.fetchrow(QUERIES.count_staged, self.attempt)
        if any(counted[table] != self.rows.get(table, 0) for table in ("assignments", "groups", "members", "users")):
            raise LeaseLostError(f"pages of job {self.job_id}")


async def load(connection: Connection, job_id: str, source: Source, restarts: int) -> Watch:
    """Return how far the job was read.

    Links that came from another query are forgotten; another source, or one more restart, makes the next cycle an initial one.
    """
    queries = [source.query(Stream.GROUPS), source.query(Stream.USERS)]
    await connection.execute(QUERIES.open_watch, job_id, f"{source.identity} {restarts}", *queries)
    row = await connection.fetchrow(QUERIES.load_watch, job_id)
    return Watch(
        job_id=job_id,
        round=row["round"],
        initial_completed=row["initial_completed"],
        initial_started_at=row["initial_started_at"],
        roles=tuple(AppRole.model_validate(role) for role in orjson.loads(row["roles"] or "[]")),
        listing_digest=row["listing_digest"],
        links={Stream.GROUPS: row["groups_link"], Stream.USERS: row["users_link"]},
        reported_at=row["reported_at"],
        condition=row["condition"],
        condition_sequence=row["condition_sequence"],
        oldest_suspicion=row["oldest_suspicion"],
    )


async def lock(connection: Connection, watch: Watch) -> None:
    """Lock the job until the end of the transaction; raise ``LeaseLostError`` when it was read further by another process meanwhile."""
    row = await connection.fetchrow(QUERIES.lock_watch, watch.job_id)
    links = {Stream.GROUPS: row["groups_link"], Stream.USERS: row["users_link"]} if row else {}
    if row is None or row["round"] != watch.round or links != watch.links:
        raise LeaseLostError(f"round {watch.round} of job {watch.job_id}")


async def apply(
    connection: Connection,
    staging: Staging,
    *,
    listed: bool,
    now: datetime,
    confirmed_before: datetime,
    roles_changed: bool,
) -> bool:
    """Bring everything put aside into the mirror and note which users that touches.

    ``listed``: a listing of assignments was put aside. An assignment that is absent since ``confirmed_before`` is dropped; absent from an
    empty listing, only when it was absent from an earlier one too. Returns whether the next listing must be compared although it may be
    equal: the absence of an assignment counts again because its principal was restored.
    """
    job_id, attempt = staging.job_id, staging.attempt

    async def run(name: str, *more: Any) -> Any:
        return await connection.fetch(getattr(QUERIES, name), job_id, *more, timeout=BULK_SECONDS)

    await connection.execute(QUERIES.create_touched)
    if staging.rows:
        await staging.check(connection)
    if listed:
        await run("trust_listed_again", attempt)
        await run("add_assignments", attempt, now)
        await run("suspect_absent", attempt, now)
    if staging.rows.get("groups"):
        if Stream.GROUPS in staging.full:
            await run("drop_absent_members", attempt)
        await run("apply_members", attempt)
        await run("apply_groups", attempt)
    if staging.rows.get("users"):
        await run("apply_users", attempt)
        await run("forget_resolved", attempt)
        if Stream.USERS in staging.full:
            await run("doubt_missing_users", attempt, now)
    thawed = [row for row in await run("refreeze_assignments") if not row["frozen"]]
    nothing_listed = listed and not staging.rows.get("assignments")
    await run("drop_assignments", confirmed_before, nothing_listed, now)
    await run("touch_members")
    await run("drop_dead_members")
    if roles_changed:
        await run("touch_assigned")
    await connection.execute("ANALYZE touched")
    return bool(thawed)


async def touched_users(
    connection: Connection, job_id: str, chunk: int
) -> AsyncIterator[list[tuple[User, Emitted | None]]]:
    """Yield what the mirror holds of the touched users that have a path or were said before, oldest assignment first."""
    cursor = await connection.cursor(QUERIES.derive_touched, job_id, timeout=BULK_SECONDS)
    while rows := await cursor.fetch(chunk, timeout=BULK_SECONDS):
        yield [(_user(row), _emitted(row)) for row in rows]


def _user(row: Any) -> User:
    lifecycle = row["lifecycle"]
    paths = zip(row["times"] or (), row["assignments"] or (), row["groups"] or (), row["roles"] or (), strict=True)
    return User(
        object_id=row["object_id"],
        lifecycle=Lifecycle(lifecycle) if lifecycle else Lifecycle.UNKNOWN,
        attributes=orjson.loads(row["attributes"]) if row["attributes"] else {},
        paths=[Path(*path) for path in paths],
    )


def _emitted(row: Any) -> Emitted | None:
    if row["version"] is None:
        return None
    return Emitted(version=row["version"], digest=row["digest"], assigned_at=row["assigned_at"])


async def save_emitted(connection: Connection, job_id: str, said: Sequence[tuple[str, Decision]]) -> None:
    """Remember what was said of each object."""
    states = [(object_id, decision.version, decision.state) for object_id, decision in said if decision.state]
    await connection.execute(
        QUERIES.save_emitted,
        job_id,
        [object_id for object_id, _, _ in states],
        [version for _, version, _ in states],
        [state.digest for _, _, state in states],
        [state.assigned for _, _, state in states],
        [state.assigned_at for _, _, state in states],
    )
